//! A history of entries that any number of runs continues alike, and what must come of it.

use std::collections::BTreeMap;

use bson::rawdoc;
use oplogsync_core::{
    batch::Batch,
    checkpoint::Checkpoint,
    digest::NamespaceDigest,
    document::Document,
    documents::Documents,
    entry::{Entry, Operation},
    ids::{LogId, OwnerId},
    lease::{Lease, LeaseName, Leases},
    limits::Limits,
    log::{Appended, Log, LogEnds},
    namespace::Namespace,
    position::Anchor,
    testing::{
        chain::{Chain, log_id, owner_id},
        documents::{id, namespace},
    },
};

use crate::engine::Store;

pub(crate) const ALL: Limits = Limits { entries_max: usize::MAX, bytes_max: usize::MAX };
const IDS: u64 = 40;

/// The documents after some entries, by id.
pub(crate) type Model = BTreeMap<i64, Document>;

pub(crate) fn log() -> LogId {
    log_id(9)
}

pub(crate) fn items() -> Namespace {
    namespace("items")
}

/// Makes `store` ours and returns the owner.
pub(crate) async fn lease(store: &Store) -> OwnerId {
    let owner = owner_id(1);
    let lease = Lease { owner, holder: "the test".to_owned(), beat: 0 };
    assert!(store.swap_lease(LeaseName::Documents, None, Some(&lease)).await.unwrap());
    owner
}

/// The operation at an index: it depends on the index and on what is there.
fn operation(index: u64, model: &Model) -> Operation {
    let key = i64::try_from(index * 7 % IDS).unwrap();
    let filler = "x".repeat(usize::try_from(index * 37 % 900).unwrap());
    let document = Document::new(rawdoc! { "_id": key, "index": i64::try_from(index).unwrap(), "filler": filler });
    let document = document.unwrap();
    match model.contains_key(&key) {
        false => Operation::Insert { ns: items(), document },
        true if index.is_multiple_of(3) => Operation::Delete { ns: items(), id: id(key) },
        true => Operation::Update { ns: items(), document },
    }
}

fn apply_to(model: &mut Model, operation: &Operation) {
    let key = |id: oplogsync_core::doc_id::DocId| id.value().as_i64().unwrap();
    match operation {
        Operation::Insert { document, .. } | Operation::Update { document, .. } => {
            model.insert(key(document.id()), document.clone());
        }
        Operation::Delete { id, .. } => {
            model.remove(&key(id.clone()));
        }
        Operation::Noop | Operation::NewTerm => {}
        Operation::Patch { .. } | Operation::Command(_) => panic!("this history has full images only"),
    }
}

pub(crate) fn fold<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Model {
    let mut model = Model::new();
    for entry in entries {
        apply_to(&mut model, entry.operation());
    }
    model
}

/// The next `count` entries of the history after `head`, which has left `model`.
pub(crate) fn continued(head: Anchor, model: &mut Model, count: usize) -> Vec<Entry> {
    let mut chain = Chain::after(log(), head);
    for _ in 0..count {
        let operation = operation(chain.last().next_index(), model);
        apply_to(model, &operation);
        chain.push(operation);
    }
    chain.take()
}

/// Writes the history's first `count` entries to an empty store, log and documents, in batches.
pub(crate) async fn write(store: &Store, count: usize) -> Vec<Entry> {
    let owner = lease(store).await;
    let mut ends = store.create_log(log()).await.unwrap();
    let (mut model, mut all) = (Model::new(), Vec::new());
    while all.len() < count {
        let entries = continued(ends.head, &mut model, 10);
        assert_eq!(store.append(&entries).await.unwrap(), Appended::All);
        let batch = Batch::new(log(), ends.head, entries.clone()).unwrap();
        store.apply(&batch, owner).await.unwrap();
        ends.head = batch.last();
        all.extend(entries);
    }
    all
}

/// What a store holds, read and compared with itself: the log is dense and chained, and the
/// documents are its fold up to the checkpoint, byte for byte.
pub(crate) async fn checked(store: &Store) -> (Vec<Entry>, u64) {
    let ends: LogEnds = match store.log_ends().await.unwrap() {
        Some(ends) => ends,
        None => return (Vec::new(), 0),
    };
    let entries = store.read(0, ALL).await.unwrap();
    if let Some(last) = entries.last() {
        assert_eq!(ends.head, last.anchor());
        Batch::new(log(), Entry::origin(log()), entries.clone()).unwrap();
    } else {
        assert_eq!(ends.head, Entry::origin(log()));
    }
    for entry in &entries {
        assert_eq!(store.find(entry.op_id()).await.unwrap(), Some(entry.position()));
    }
    let applied = match store.checkpoint().await.unwrap() {
        Some(Checkpoint { anchor, .. }) => {
            let at = usize::try_from(anchor.position.index).unwrap();
            assert_eq!(entries[at - 1].anchor(), anchor, "the checkpoint is an entry of the log");
            at
        }
        None => 0,
    };
    let model: Vec<Document> = fold(&entries[..applied]).into_values().collect();
    assert_eq!(store.scan(&items(), None, ALL).await.unwrap(), model);
    let mut digest = NamespaceDigest::default();
    for document in &model {
        digest.add(document);
    }
    assert_eq!(store.digest(&items()).await.unwrap(), digest);
    (entries, applied as u64)
}
