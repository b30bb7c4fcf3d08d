//! L3, a gap is corruption; L4, what was read never changes. A replica of a source that somebody
//! cut, rewrote or restored stops with the right reason, applies nothing of it, and remembers why.

use oplogsync_core::{
    batch::BatchError,
    documents::Documents,
    entry::{Entry, Operation},
    feed::FeedError,
    ids::OpId,
    limits::Limits,
    log::Log,
    memory::MemoryStore,
    position::{Anchor, Position},
    replicator::ReplicateError,
    testing::{
        chain::{Chain, log_id},
        manual_host::ManualHost,
        strategies,
    },
};
use proptest::{prelude::*, sample::Index};

use crate::cluster::{InMemory, Nodes, block_on, cases, documents, fold, replicator};

/// What happens to the source of a replica that stands in the middle of the log.
#[derive(Debug, Clone, Copy)]
enum Harm {
    /// An entry that the replica has not read is gone.
    Lost,
    /// An entry that the replica has not read is another one.
    Rewritten,
    /// It is another one, of an older term.
    OldTerm,
    /// The newest entry that the replica has applied is another one.
    CheckpointRewritten,
    /// The source ends before the checkpoint.
    Restored,
    /// The entries after the checkpoint are trimmed away.
    Trimmed,
    /// The source has another log.
    Replaced,
}

const HARMS: [Harm; 7] = [
    Harm::Lost,
    Harm::Rewritten,
    Harm::OldTerm,
    Harm::CheckpointRewritten,
    Harm::Restored,
    Harm::Trimmed,
    Harm::Replaced,
];

/// An entry that could stand behind `previous` and never stood there.
fn forged(previous: &Anchor) -> Entry {
    Entry::seal(previous, previous.optime, OpId::from_bytes([0xFA; 16]), Operation::Noop)
}

/// A log whose last entry has index `last`, between entries that never can be confused.
fn padded(entries: &[Entry]) -> Vec<Entry> {
    let mut chain = Chain::new(log_id(1));
    chain.new_term().noops(2);
    for entry in entries {
        chain.push(entry.operation().clone());
    }
    chain.noops(3).take()
}

/// Does the harm at the entry `at`, counted from 0, of the log; the replica stands behind `applied` entries.
async fn harm(source: &MemoryStore, log: &[Entry], applied: usize, at: usize, harm: Harm) -> MemoryStore {
    let tamper = |number: usize, entry| source.tamper_with_entry(log[number].position().index, entry);
    match harm {
        Harm::Lost => tamper(at, None),
        Harm::Rewritten => tamper(at, Some(forged(&log[at - 1].anchor()))),
        Harm::OldTerm => {
            let before = log[at - 1].anchor();
            tamper(at, Some(forged(&Anchor { position: Position { term: 0, ..before.position }, ..before })));
        }
        Harm::CheckpointRewritten => tamper(applied - 1, Some(forged(&log[applied - 2].anchor()))),
        Harm::Restored => (applied - 1..log.len()).for_each(|number| tamper(number, None)),
        Harm::Trimmed => source.trim(&log[at].anchor()).await.unwrap(),
        Harm::Replaced => {
            let other = MemoryStore::new("db1");
            other.create_log(log_id(2)).await.unwrap();
            return other;
        }
    }
    source.clone()
}

fn is_expected(error: &ReplicateError, harm: Harm) -> bool {
    let ReplicateError::Feed(error) = error else { return false };
    match harm {
        Harm::Lost => matches!(error, FeedError::Broken { source: BatchError::Gap { .. }, .. }),
        Harm::Rewritten => {
            // Where it replaces a new-term entry, the term gives it away before the chain does.
            matches!(error, FeedError::Broken { source: BatchError::Chain { .. } | BatchError::Term { .. }, .. })
        }
        Harm::OldTerm => matches!(error, FeedError::Broken { source: BatchError::Term { .. }, .. }),
        Harm::CheckpointRewritten => matches!(error, FeedError::Diverged { .. }),
        Harm::Restored => matches!(error, FeedError::WentBack { .. }),
        Harm::Trimmed => matches!(error, FeedError::TooStale { .. }),
        Harm::Replaced => matches!(error, FeedError::ForeignLog { .. }),
    }
}

async fn harm_is_noticed(entries: Vec<Entry>, cut: Index, limits: Limits, kind: Harm) {
    let log = padded(&entries);
    // At least two entries are applied, and at least three are left.
    let applied = 2 + cut.index(log.len() - 4);
    let (source, target, host) = (InMemory::node("db1"), InMemory::node("db2"), ManualHost::hurried(1));
    source.create_log(log_id(1)).await.unwrap();
    source.append(&log[..applied]).await.unwrap();
    let mut first = replicator(&source, &target, &host, limits);
    while first.step().await.unwrap().progress.behind > 0 {}
    source.append(&log[applied..]).await.unwrap();
    // Not the newest entry: that one may be missing because it was not written yet.
    let harmed = (applied + 1).min(log.len() - 2);

    let source = harm(source.inner(), &log, applied, harmed, kind).await;
    let source = oplogsync_core::testing::faulty::Faulty::new(source, "db1");
    let mut second = replicator(&source, &target, &host, limits);
    let error = second.run(std::future::pending(), &()).await.unwrap_err();

    assert!(is_expected(&error, kind), "{kind:?}: {error:?}");
    let index = target.checkpoint().await.unwrap().unwrap().anchor.position.index;
    let reached = usize::try_from(index).unwrap();
    // A forged entry can be told from the real one only by what follows it.
    let sound = if matches!(kind, Harm::Rewritten) { harmed + 1 } else { harmed };
    assert!((applied..=sound).contains(&reached), "{kind:?} at {harmed}: from {applied} to {reached}");
    let sound = log.iter().take(reached.min(harmed));
    assert_eq!(documents(target.inner()).await, fold(sound), "{kind:?}: nothing beyond the harm is applied");
    let stop = target.stop().await.unwrap().expect("the target remembers that it stopped");
    assert_eq!(stop.too_stale, matches!(kind, Harm::Trimmed), "{stop:?}");
    assert!(!stop.reason.is_empty());
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_source_that_was_cut_rewritten_or_restored_stops_its_replica(
        entries in strategies::entries(12), cut in any::<Index>(), limits in strategies::limits()
    ) {
        for kind in HARMS {
            block_on(harm_is_noticed(entries.clone(), cut, limits, kind));
        }
    }
}
