//! Applying batches, compared with a model.

use std::collections::BTreeMap;

use super::{
    corpus::{Seed, seed},
    script::{Name, Script, namespace_of},
};
use crate::{
    documents::Documents,
    entry::Operation,
    lease::{Lease, LeaseName, Leases},
    limits::Limits,
    memory::MemoryStore,
    store_error::Fault,
    testing::{
        chain::{Chain, log_id, owner_id},
        ready::ready,
    },
};

/// What the documents should be: plain bytes by their names.
type Model = BTreeMap<Name, Vec<u8>>;

/// Batches of any operations, applied to the reference store, leave what a plain map holds after
/// the same operations one by one. A batch that is impossible, that repeats, or that comes from
/// somebody without the lease changes nothing.
///
/// # Panics
/// When they do not.
#[expect(clippy::expect_used, reason = "the memory store does not fail")]
pub fn apply_batches(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let store = MemoryStore::new("fuzz");
    let lease = Lease { owner: owner_id(1), holder: "fuzz".to_owned(), beat: 0 };
    assert!(ready(store.swap_lease(LeaseName::Documents, None, Some(&lease))).expect("the lease can be taken"));
    let mut chain = Chain::new(log_id(1));
    let mut model = Model::new();
    while !script.is_over() {
        let before = (chain.clone(), model.clone());
        let possible = push_batch(&mut script, &mut chain, &mut model);
        let batch = chain.take_batch();
        let stranger = ready(store.apply(&batch, owner_id(2)));
        assert!(matches!(stranger.map_err(|e| e.fault().clone()), Err(Fault::Busy { .. } | Fault::Drift { .. })));
        let applied = ready(store.apply(&batch, lease.owner));
        assert_eq!(applied.is_ok(), possible, "{batch:?}");
        if possible {
            let again = ready(store.apply(&batch, lease.owner));
            assert!(again.is_err_and(|error| matches!(error.fault(), Fault::CheckpointMoved { .. })));
        } else {
            (chain, model) = before;
        }
        let checkpoint = ready(store.checkpoint()).expect("the checkpoint can be read");
        assert_eq!(checkpoint.map_or(0, |at| at.anchor.position.index), chain.last().position.index);
        assert_same(&store, &model);
    }
}

/// Seals a batch, carries it out on the model, and says whether all of it was possible.
fn push_batch(script: &mut Script<'_>, chain: &mut Chain, model: &mut Model) -> bool {
    let length = script.below(8);
    if length == 7 {
        chain.new_term();
        return true;
    }
    let mut possible = true;
    for _ in 0..=length {
        let (operation, name) = script.operation();
        possible &= name.is_none_or(|name| carry_out(model, name, &operation));
        chain.push(operation);
    }
    possible
}

fn carry_out(model: &mut Model, name: Name, operation: &Operation) -> bool {
    match operation {
        Operation::Insert { document, .. } => model.insert(name, document.as_bytes().to_vec()).is_none(),
        Operation::Update { document, .. } => model.insert(name, document.as_bytes().to_vec()).is_some(),
        Operation::Delete { .. } => model.remove(&name).is_some(),
        Operation::Patch { .. } | Operation::Command(_) => unreachable!("the script makes none"),
        Operation::Noop | Operation::NewTerm => true,
    }
}

#[expect(clippy::expect_used, reason = "the memory store does not fail")]
fn assert_same(store: &MemoryStore, model: &Model) {
    for collection in 0..2 {
        let found = ready(store.scan(&namespace_of(collection), None, Limits::default())).expect("it can be read");
        let found: Vec<_> = found.iter().map(|document| document.as_bytes().to_vec()).collect();
        let expected: Vec<_> =
            model.range((collection, 0)..(collection + 1, 0)).map(|(_, bytes)| bytes.clone()).collect();
        assert_eq!(found, expected);
    }
}

pub(super) fn seeds() -> Vec<Seed> {
    // Each batch: its length less one (7 is a new term); each operation: kind, collection, id, content.
    vec![
        seed("insert-update-delete-in-one-batch", [2, 0, 0, 1, 9, 3, 0, 1, 8, 5, 0, 1, 7]),
        seed("insert-then-insert-again", [0, 0, 0, 1, 9, 0, 0, 0, 2, 9]),
        seed("update-under-an-equal-id-of-another-type", [0, 0, 0, 1, 9, 0, 3, 0, 2, 8]),
        seed("delete-what-is-not-there", [0, 5, 0, 0, 0]),
        seed("delete-and-insert-again-in-one-batch", [0, 0, 1, 4, 1, 1, 5, 1, 5, 0, 0, 1, 4, 2]),
        seed("new-terms-between-batches", [7, 0, 0, 0, 0, 1, 7, 7, 0, 4, 0, 0, 2]),
        seed("noops", [3, 7, 7, 7, 7]),
    ]
}
