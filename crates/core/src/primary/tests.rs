mod faults;

use bson::{RawDocumentBuf, rawdoc};

use super::*;
use crate::{
    doc_id::DocId,
    documents::Documents,
    host::SystemHost,
    lease::{LeaseName, Leases},
    log::Log,
    memory::MemoryStore,
    namespace::Namespace,
    write::Outcome,
};

type MemoryPrimary = Primary<MemoryStore, SystemHost>;

fn ns() -> Namespace {
    Namespace::new("shop.orders").unwrap()
}

fn id(value: i32) -> DocId {
    DocId::new(bson::RawBson::Int32(value)).unwrap()
}

fn insert(document: RawDocumentBuf) -> Write {
    Write::Insert { ns: ns(), document }
}

async fn open(store: &MemoryStore) -> MemoryPrimary {
    let options = PrimaryOptions { lease_term: Duration::from_millis(40), ..PrimaryOptions::default() };
    Primary::open(store.clone(), SystemHost, options).await.unwrap()
}

async fn log_length(store: &MemoryStore) -> u64 {
    store.log_ends().await.unwrap().unwrap().head.position.index
}

#[tokio::test]
async fn a_write_is_in_the_log_and_in_the_documents_when_it_returns() {
    let store = MemoryStore::new("db1");
    let primary = open(&store).await;

    let written = primary.write(insert(rawdoc! { "_id": 1, "qty": 5 })).await.unwrap();

    assert_eq!(written.outcome, Outcome::Inserted);
    let (position, _) = written.entry.unwrap();
    assert_eq!(position, Position { term: 1, index: 2 }, "the first entry begins the term");
    let entries = store.read(1, Limits::default()).await.unwrap();
    assert_eq!(entries[1].op_id(), written.op_id);
    assert_eq!(
        store.get(&ns(), &[id(1)]).await.unwrap()[0].as_ref().unwrap().as_bytes(),
        rawdoc! { "_id": 1, "qty": 5 }.as_bytes()
    );
}

#[tokio::test]
async fn an_insert_without_an_id_gets_an_object_id() {
    let store = MemoryStore::new("db1");
    let written = open(&store).await.write(insert(rawdoc! { "qty": 5 })).await.unwrap();
    assert!(matches!(written.id.as_ref().unwrap().value(), bson::RawBsonRef::ObjectId(_)), "{written:?}");
}

#[tokio::test]
async fn a_refused_write_leaves_no_trace() {
    let store = MemoryStore::new("db1");
    let primary = open(&store).await;
    primary.write(insert(rawdoc! { "_id": 1 })).await.unwrap();
    let before = log_length(&store).await;

    let refused = primary.write(insert(rawdoc! { "_id": 1.0 })).await;

    assert!(matches!(&refused, Err(WriteError::Refused(error)) if error.code == 11000), "{refused:?}");
    assert_eq!(log_length(&store).await, before);
}

#[tokio::test]
async fn a_write_that_changes_nothing_makes_no_entry() {
    let store = MemoryStore::new("db1");
    let primary = open(&store).await;
    primary.write(insert(rawdoc! { "_id": 1, "a": 1 })).await.unwrap();
    let before = log_length(&store).await;

    let same = rawdoc! { "_id": 1, "a": 1 };
    let unchanged = primary.write(Write::Replace { ns: ns(), id: id(1), document: same, upsert: false }).await.unwrap();
    let missing = primary.write(Write::Delete { ns: ns(), id: id(2) }).await.unwrap();

    assert_eq!((unchanged.outcome, missing.outcome), (Outcome::Unchanged, Outcome::NotFound));
    assert_eq!(log_length(&store).await, before);
}

#[tokio::test]
async fn a_write_retried_under_its_operation_id_stands_in_the_log_once() {
    let store = MemoryStore::new("db1");
    let primary = open(&store).await;
    let op_id = OpId::from_bytes([7; 16]);

    let first = primary.write_once(op_id, insert(rawdoc! { "qty": 5 })).await.unwrap();
    primary.close().await.unwrap();
    let second = open(&store).await.write_once(op_id, insert(rawdoc! { "qty": 5 })).await.unwrap();

    assert_eq!((first.outcome, second.outcome), (Outcome::Inserted, Outcome::Repeated));
    assert_eq!((first.id, first.entry), (second.id, second.entry));
    assert_eq!(log_length(&store).await, 2);
}

#[tokio::test]
async fn writes_of_one_group_see_each_other() {
    let store = MemoryStore::new("db1");
    let primary = open(&store).await;
    let delete = Write::Delete { ns: ns(), id: id(1) };

    let (inserted, again, deleted, once_more) = tokio::join!(
        primary.write(insert(rawdoc! { "_id": 1 })),
        primary.write(insert(rawdoc! { "_id": 1 })),
        primary.write(delete),
        primary.write(insert(rawdoc! { "_id": 1 })),
    );

    assert!(inserted.is_ok() && deleted.is_ok() && once_more.is_ok());
    assert!(matches!(again, Err(WriteError::Refused(error)) if error.code == 11000));
    assert_eq!(log_length(&store).await, 4);
}

#[tokio::test]
async fn a_crash_between_log_and_documents_is_repaired_by_rolling_forward() {
    let store = MemoryStore::new("db1");
    open(&store).await.write(insert(rawdoc! { "_id": 1 })).await.unwrap();
    let head = store.log_ends().await.unwrap().unwrap().head;
    let document = crate::document::Document::new(rawdoc! { "_id": 2 }).unwrap();
    let entry = crate::entry::Entry::seal(
        &head,
        head.optime,
        OpId::from_bytes([9; 16]),
        crate::entry::Operation::Insert { ns: ns(), document },
    );
    store.append(&[entry]).await.unwrap();

    let _reopened = open(&store).await;

    assert!(store.get(&ns(), &[id(2)]).await.unwrap()[0].is_some());
}

#[tokio::test]
async fn a_new_primary_raises_the_term_and_the_old_one_is_told_that_it_is_not_alone() {
    let store = MemoryStore::new("db1");
    let old = open(&store).await;
    old.write(insert(rawdoc! { "_id": 1 })).await.unwrap();

    // The old one is paused for longer than its lease lives, so the new one takes over.
    let new = open(&store).await;
    let (position, _) = new.write(insert(rawdoc! { "_id": 2 })).await.unwrap().entry.unwrap();
    assert_eq!(position.term, 2);

    let keeping = async {
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            new.write(insert(rawdoc! {})).await.unwrap();
        }
    };
    tokio::select! {
        refused = old.write(insert(rawdoc! { "_id": 3 })) => {
            assert!(matches!(&refused, Err(WriteError::NotBegun(_))), "{refused:?}");
        }
        () = keeping => {}
    }
    assert!(store.get(&ns(), &[id(3)]).await.unwrap()[0].is_none());
}

#[tokio::test]
async fn documents_that_no_log_records_are_refused() {
    let store = MemoryStore::new("db1");
    store.put_foreign_document(&ns(), crate::document::Document::new(rawdoc! { "_id": 1 }).unwrap());
    let refused = Primary::open(store, SystemHost, PrimaryOptions::default()).await;
    assert!(matches!(refused, Err(PrimaryError::RollForward { source: ReplicateError::TargetNotEmpty { .. }, .. })));
}

#[tokio::test]
async fn closing_gives_the_leases_back() {
    let store = MemoryStore::new("db1");
    open(&store).await.close().await.unwrap();
    for name in [LeaseName::Log, LeaseName::Documents] {
        assert_eq!(store.lease(name).await.unwrap(), None);
    }
}
