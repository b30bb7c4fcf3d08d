use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    batch::Batch,
    doc_id::DocId,
    entry::Entry,
    namespace::Namespace,
    testing::{
        chain::{log_id, valid},
        documents::{id, namespace, only_id},
        strategies,
    },
};

type Documents = BTreeMap<(Namespace, DocId), Document>;

/// Applies entries one by one; the first drift ends it.
fn apply_all<'a>(
    documents: &mut Documents,
    entries: impl IntoIterator<Item = &'a Entry>,
    mode: Mode,
) -> Result<(), Drift> {
    for entry in entries {
        let operation = entry.operation();
        let (Some(ns), Some(id)) = (operation.namespace(), operation.doc_id()) else {
            assert_eq!(apply(None, operation, mode), Ok(None));
            continue;
        };
        let key = (ns.clone(), id);
        let current = documents.remove(&key);
        if let Some(after) = apply(current, operation, mode)? {
            documents.insert(key, after);
        }
    }
    Ok(())
}

fn fold(entries: &[Entry]) -> Documents {
    let mut documents = Documents::new();
    apply_all(&mut documents, entries, Mode::Steady).unwrap();
    documents
}

#[test]
fn in_steady_mode_an_entry_finds_what_it_needs_or_drifts() {
    let ns = namespace("items");
    let document = valid(only_id(1));
    let insert = Operation::Insert { ns: ns.clone(), document: document.clone() };
    let update = Operation::Update { ns: ns.clone(), document: document.clone() };
    let delete = Operation::Delete { ns, id: id(1) };
    let there = || Some(document.clone());
    let drift = |needs| Err(Drift { needs });
    assert_eq!(apply(None, &insert, Mode::Steady), Ok(there()));
    assert_eq!(apply(there(), &insert, Mode::Steady), drift(Existence::Absent));
    assert_eq!(apply(there(), &update, Mode::Steady), Ok(there()));
    assert_eq!(apply(None, &update, Mode::Steady), drift(Existence::Present));
    assert_eq!(apply(there(), &delete, Mode::Steady), Ok(None));
    assert_eq!(apply(None, &delete, Mode::Steady), drift(Existence::Present));
}

#[test]
fn in_replay_mode_what_an_entry_leaves_does_not_depend_on_what_it_finds() {
    let ns = namespace("items");
    let (old, new) = (valid(only_id(1)), valid(bson::rawdoc! { "_id": 1, "a": 1 }));
    for current in [None, Some(old), Some(new.clone())] {
        let insert = Operation::Insert { ns: ns.clone(), document: new.clone() };
        let update = Operation::Update { ns: ns.clone(), document: new.clone() };
        let delete = Operation::Delete { ns: ns.clone(), id: id(1) };
        assert_eq!(apply(current.clone(), &insert, Mode::Replay), Ok(Some(new.clone())));
        assert_eq!(apply(current.clone(), &update, Mode::Replay), Ok(Some(new.clone())));
        assert_eq!(apply(current, &delete, Mode::Replay), Ok(None));
    }
}

#[test]
fn an_entry_without_a_document_leaves_any_document_alone() {
    for mode in [Mode::Steady, Mode::Replay] {
        for operation in [Operation::Noop, Operation::NewTerm] {
            for current in [None, Some(valid(only_id(1)))] {
                assert_eq!(apply(current.clone(), &operation, mode), Ok(current));
            }
        }
    }
}

proptest! {
    /// L7, after `kAnyPrefixOrSuffix` of MongoDB's own idempotency tests.
    #[test]
    fn any_prefix_then_the_whole_log_then_any_suffix_gives_the_same_bytes(entries in strategies::entries(25)) {
        let once = fold(&entries);
        for cut in 0..=entries.len() {
            let mut replayed = Documents::new();
            let (prefix, suffix) = entries.split_at(cut);
            for part in [prefix, entries.as_slice(), suffix] {
                apply_all(&mut replayed, part, Mode::Replay).unwrap();
            }
            prop_assert_eq!(&replayed, &once, "cut at {}", cut);
        }
    }

    #[test]
    fn folded_batches_leave_what_their_entries_leave_one_by_one(
        entries in strategies::entries(40),
        limits in strategies::limits(),
    ) {
        let mut folded = Documents::new();
        let origin = Entry::origin(log_id(1));
        let mut applied = 0;
        for batch in Batch::split(log_id(1), origin, entries.iter().cloned(), limits).unwrap() {
            let changes = batch.fold().unwrap();
            // Backwards: the changes of a batch commute.
            for change in changes.into_iter().rev() {
                let key = (change.ns, change.id);
                let found = match change.after {
                    Some(document) => {
                        let found = folded.remove(&key);
                        folded.insert(key, document);
                        found
                    }
                    None => folded.remove(&key),
                };
                prop_assert_eq!(Some(Existence::of(found.as_ref())), change.before);
            }
            applied += batch.entries().len();
            prop_assert_eq!(&folded, &fold(&entries[..applied]));
        }
    }
}
