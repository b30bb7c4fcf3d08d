//! L7: whatever of a log is applied again, in whatever pieces, changes nothing.

use oplogsync_core::{
    batch::Batch,
    documents::Documents,
    entry::Entry,
    lease::{Lease, LeaseName, Leases},
    limits::Limits,
    store_error::Fault,
    testing::{
        chain::{Chain, log_id, owner_id},
        documents::{id, namespace, only_id},
        strategies,
    },
};
use proptest::{prelude::*, sample::Index};

use crate::cluster::{Nodes, cases, documents, fold, on_every_store};

/// The entries behind the first `from` ones, in pieces.
fn pieces(entries: &[Entry], from: usize, limits: Limits) -> Vec<Batch> {
    let (before, behind) = entries.split_at(from);
    let after = before.last().map_or_else(|| Entry::origin(log_id(1)), Entry::anchor);
    Batch::split(log_id(1), after, behind.iter().cloned(), limits).unwrap()
}

/// Offers a batch. One that follows the checkpoint is applied, any other is refused and changes no
/// byte. Returns whether it was refused.
async fn offer(target: &impl Documents, batch: &Batch) -> bool {
    let checkpoint = target.checkpoint().await.unwrap();
    let at = checkpoint.map_or_else(|| Entry::origin(log_id(1)), |checkpoint| checkpoint.anchor);
    let before = documents(target).await;
    let applied = target.apply(batch, owner_id(1)).await;
    if *batch.after() == at {
        applied.unwrap();
        assert_eq!(target.checkpoint().await.unwrap().unwrap().anchor, batch.last());
        return false;
    }
    let refused = applied.unwrap_err();
    assert!(
        matches!(refused.fault(), Fault::CheckpointMoved { found } if *found == at.position),
        "behind {}, at {}: {refused:?}",
        batch.after().position,
        at.position
    );
    assert_eq!(target.checkpoint().await.unwrap(), checkpoint, "the checkpoint stays");
    assert_eq!(documents(target).await, before, "the documents stay");
    assert_eq!(target.unfinished().await.unwrap(), None);
    true
}

/// Applies the first entries, then offers the whole log in other pieces, then what stands behind
/// `start`, then what is missing. Returns how many batches were refused.
async fn what_is_repeated_changes_nothing<N: Nodes>(
    entries: Vec<Entry>,
    [applied, start]: [usize; 2],
    limits: Limits,
    other: Limits,
) -> usize {
    let target = N::node("db2");
    let lease = Lease { owner: owner_id(1), holder: "the law".to_owned(), beat: 0 };
    assert!(target.swap_lease(LeaseName::Documents, None, Some(&lease)).await.unwrap());
    for batch in pieces(&entries[..applied], 0, limits) {
        assert!(!offer(&target, &batch).await);
    }
    let mut refused = 0;
    for (from, limits) in [(0, other), (start, limits), (0, Limits::default())] {
        for batch in pieces(&entries, from, limits) {
            refused += usize::from(offer(&target, &batch).await);
            let checkpoint = target.checkpoint().await.unwrap();
            let index = checkpoint.map_or(0, |checkpoint| checkpoint.anchor.position.index);
            let standing = &entries[..usize::try_from(index).unwrap()];
            assert_eq!(documents(&target).await, fold(standing), "L7: the fold of the log up to {index}");
        }
    }
    let checkpoint = target.checkpoint().await.unwrap();
    let index = checkpoint.map_or(0, |checkpoint| checkpoint.anchor.position.index);
    for batch in pieces(&entries, usize::try_from(index).unwrap(), other) {
        assert!(!offer(&target, &batch).await, "what is missing is applied");
    }
    assert_eq!(documents(&target).await, fold(&entries), "L7: the fold of the whole log");
    refused
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn a_prefix_then_the_whole_log_then_any_suffix_make_the_same_documents(
        entries in strategies::entries(20),
        (applied, start) in any::<(Index, Index)>(),
        limits in strategies::limits(),
        other in strategies::limits(),
    ) {
        let ends = [applied, start].map(|index| index.index(entries.len() + 1));
        on_every_store!(what_is_repeated_changes_nothing(entries, ends, limits, other));
    }
}

/// A log whose entries could all be applied again if only the documents were asked.
async fn an_earlier_batch_is_refused<N: Nodes>() {
    let ns = namespace("items");
    let mut chain = Chain::new(log_id(1));
    for _ in 0..3 {
        chain.insert(&ns, only_id(1)).delete(&ns, id(1));
    }
    let limits = Limits { entries_max: 2, ..Limits::default() };
    let refused = what_is_repeated_changes_nothing::<N>(chain.take(), [6, 2], limits, limits).await;
    assert_eq!(refused, 3 + 2 + 1, "the three batches, the two behind entry 2, and all of it as one");
}

#[test]
fn an_earlier_batch_is_refused_even_where_the_documents_would_allow_it() {
    on_every_store!(an_earlier_batch_is_refused());
}
