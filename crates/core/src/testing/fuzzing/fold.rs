//! Folding a batch, compared with its entries one by one.

use std::collections::BTreeMap;

use super::{
    corpus::{Seed, seed},
    script::{Name, Script},
};
use crate::{
    apply::{Existence, Mode, apply},
    batch::{Batch, Change},
    document::Document,
    entry::{Entry, Operation},
    position::Position,
    testing::chain::{Chain, log_id},
};

/// The fold of a batch is what its entries leave, one by one, of the documents that they need;
/// and it is refused at the entry that contradicts those before it.
///
/// # Panics
/// When it is not.
#[expect(clippy::expect_used, reason = "a chain that breaks must fail")]
pub fn fold_batch(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut chain = Chain::new(log_id(1));
    let mut names = Vec::new();
    while !script.is_over() {
        let (operation, name) = script.operation();
        chain.push(operation);
        names.push(name);
    }
    let entries = chain.take();
    let expected = one_by_one(&entries, &names);
    let Ok(batch) = Batch::new(log_id(1), Entry::origin(log_id(1)), entries) else {
        assert!(names.is_empty(), "a chain of entries is a batch");
        return;
    };
    match (batch.fold(), expected) {
        (Ok(changes), Ok(expected)) => assert_changes(&changes, &expected),
        (Err(contradiction), Err(at)) => assert_eq!(contradiction.position, at),
        (folded, expected) => panic!("the fold is {folded:?}, one by one it is {expected:?}"),
    }
    let last = batch.entries().last().expect("a batch is not empty");
    assert_eq!(batch.last(), last.anchor());
}

/// A document before the batch and after it, and the last entry that touched it.
type Outcome = (Existence, Option<Document>, u64);

fn one_by_one(entries: &[Entry], names: &[Option<Name>]) -> Result<BTreeMap<Name, Outcome>, Position> {
    let mut outcomes: BTreeMap<Name, Outcome> = BTreeMap::new();
    for (entry, name) in entries.iter().zip(names) {
        let Some(name) = name else { continue };
        let (operation, index) = (entry.operation(), entry.position().index);
        let after = match (outcomes.get(name), operation) {
            (Some((_, current, _)), _) => {
                apply(current.clone(), operation, Mode::Steady).map_err(|_| entry.position())?
            }
            (None, Operation::Insert { document, .. } | Operation::Update { document, .. }) => Some(document.clone()),
            (None, _) => None,
        };
        let first = Existence::before(operation);
        let before = outcomes.get(name).map_or(first, |(before, ..)| *before);
        outcomes.insert(*name, (before, after, index));
    }
    Ok(outcomes)
}

/// The names order as namespaces and ids do.
fn assert_changes(changes: &[Change], expected: &BTreeMap<Name, Outcome>) {
    let found: Vec<_> = changes
        .iter()
        .map(|change| {
            let before = change.before.expect("nothing is replayed");
            (before, change.after.clone(), change.index)
        })
        .collect();
    assert_eq!(found, expected.values().cloned().collect::<Vec<_>>());
    assert!(changes.is_sorted_by(|a, b| (&a.ns, &a.id) < (&b.ns, &b.id)));
}

pub(super) fn seeds() -> Vec<Seed> {
    // Each operation: kind, collection, id, content.
    vec![
        seed("insert-update-delete", [0, 0, 1, 9, 3, 0, 1, 8, 5, 0, 1, 7]),
        seed("insert-twice", [0, 0, 1, 9, 0, 0, 2, 9]),
        seed("delete-and-insert-again", [5, 0, 1, 0, 0, 0, 1, 1]),
        seed("update-after-delete", [5, 0, 1, 0, 3, 0, 1, 1]),
        seed("several-documents-and-noops", [0, 1, 0, 1, 7, 0, 0, 3, 2, 4, 1, 4, 3, 7]),
    ]
}
