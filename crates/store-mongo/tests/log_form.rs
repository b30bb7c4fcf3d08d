//! The form of the log's documents, and how a change to them is found.

use bson::{Bson, Document as BsonDocument, RawDocumentBuf, doc};
use oplogsync_core::{
    entry::Entry,
    limits::Limits,
    log::{Appended, Log},
    store_error::Fault,
    testing::{
        chain::{Chain, log_id},
        documents::{every_type, id, namespace},
    },
};

use crate::fixture::{Fixture, words};

const ALL: Limits = Limits { entries_max: 1000, bytes_max: usize::MAX };

fn entries() -> Vec<Entry> {
    let ns = namespace("items");
    let mut chain = Chain::new(log_id(1));
    chain.new_term();
    chain.insert(&ns, every_type(1)).update(&ns, bson::rawdoc! { "_id": 1, "a": 1 }).delete(&ns, id(1)).noops(1);
    chain.take()
}

async fn written() -> Vec<Fixture> {
    let fixtures = Fixture::both().await;
    for fixture in &fixtures {
        fixture.store.create_log(log_id(1)).await.expect("it is created");
        assert_eq!(fixture.store.append(&entries()).await.expect("they are appended"), Appended::All);
    }
    fixtures
}

#[tokio::test]
async fn people_can_read_the_log() {
    for fixture in written().await {
        let oplog = fixture.collection("oplogsync.oplog");
        let update = oplog.find_one(doc! { "_id": 3_i64 }).await.unwrap().expect("the update is there");
        let names: Vec<&str> = update.keys().map(String::as_str).collect();
        assert_eq!(names, ["_id", "v", "term", "ts", "wall", "op", "ns", "o", "o2", "opId", "prev", "hash"]);
        assert_eq!(update.get_str("op").unwrap(), "u");
        assert_eq!(update.get_str("ns").unwrap(), "shop.items");
        assert_eq!(update.get_document("o").unwrap(), &doc! { "_id": 1, "a": 1 });
        assert_eq!(update.get_document("o2").unwrap(), &doc! { "_id": 1 });
        assert_eq!(update.get_datetime("wall").unwrap().timestamp_millis() / 1000, 1_700_000_003);
        let delete = oplog.find_one(doc! { "op": "d" }).await.unwrap().expect("the delete is there");
        assert!(!delete.contains_key("o") && delete.contains_key("o2"));
        let noop = oplog.find_one(doc! { "op": "n" }).await.unwrap().expect("the no-op is there");
        assert!(!noop.contains_key("ns"));
        assert_eq!(fixture.store.read(1, ALL).await.unwrap(), entries());
    }
}

/// Changes the entry at `index` behind the store's back, reads, and expects `fault`.
async fn tampered(fixture: &Fixture, index: i64, what: &str, fault: &Fault, change: impl FnOnce(&mut BsonDocument)) {
    let oplog = fixture.collection("oplogsync.oplog");
    let raw: RawDocumentBuf =
        fixture.raw_collection("oplogsync.oplog").find_one(doc! { "_id": index }).await.unwrap().unwrap();
    let mut document = oplog.find_one(doc! { "_id": index }).await.unwrap().unwrap();
    change(&mut document);
    oplog.delete_one(doc! { "_id": index }).await.unwrap();
    oplog.insert_one(&document).await.unwrap();
    let found = fixture.store.read(1, ALL).await;
    let error = found.expect_err(what);
    assert_eq!(error.fault(), fault, "{what}: {}", words(&error));
    let index_word = document.get("_id").and_then(Bson::as_i64).unwrap_or(index);
    let place = format!("entry {index_word} in {}.oplogsync.oplog", fixture.database);
    assert!(words(&error).contains(&place), "{what}: {}", words(&error));
    if *fault == Fault::Corrupt {
        assert!(words(&error).contains("it was changed after it was written"), "{what}: {}", words(&error));
    }
    oplog.delete_one(doc! { "_id": document.get("_id").unwrap() }).await.unwrap();
    fixture.raw_collection("oplogsync.oplog").insert_one(&raw).await.unwrap();
}

type Change = fn(&mut BsonDocument);

#[tokio::test]
async fn every_changed_content_is_found() {
    let changes: [(i64, &str, Change); 12] = [
        (3, "document", |d| drop(d.get_document_mut("o").unwrap().insert("a", 2))),
        (3, "type in the document", |d| drop(d.get_document_mut("o").unwrap().insert("a", 1_i64))),
        (3, "o2", |d| drop(d.insert("o2", doc! { "_id": 2 }))),
        (3, "namespace", |d| drop(d.insert("ns", "shop.others"))),
        (3, "wall", |d| drop(d.insert("wall", bson::DateTime::from_millis(5)))),
        (3, "term", |d| drop(d.insert("term", 9_i64))),
        (3, "optime", |d| drop(d.insert("ts", bson::Timestamp { time: 5, increment: 5 }))),
        (3, "kind", |d| {
            d.insert("op", "i");
            d.remove("o2");
        }),
        (4, "deleted id", |d| drop(d.insert("o2", doc! { "_id": 2 }))),
        (4, "second field beside the deleted id", |d| drop(d.insert("o2", doc! { "_id": 1, "x": 2 }))),
        (4, "operation id", |d| drop(d.insert("opId", bytes(9)))),
        (5, "previous hash", |d| drop(d.insert("prev", bytes(9)))),
    ];
    for fixture in written().await {
        for (index, what, change) in changes {
            tampered(&fixture, index, what, &Fault::Corrupt, change).await;
        }
        assert_eq!(fixture.store.read(1, ALL).await.unwrap(), entries(), "put back, it is whole again");
    }
}

#[tokio::test]
async fn every_unknown_form_is_found() {
    let changes: [(i64, &str, Change); 11] = [
        (3, "version", |d| drop(d.insert("v", 2))),
        (3, "type of the version", |d| drop(d.insert("v", 1_i64))),
        (3, "no version", |d| drop(d.remove("v"))),
        (3, "unknown field", |d| drop(d.insert("x", 1))),
        (3, "unknown kind", |d| drop(d.insert("op", "z"))),
        (3, "long kind", |d| drop(d.insert("op", "update"))),
        (3, "type of the hash", |d| drop(d.insert("hash", "abc"))),
        (3, "length of the hash", |d| {
            let short = bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![1; 15] };
            d.insert("hash", short);
        }),
        (3, "no document", |d| drop(d.remove("o"))),
        (4, "document of a delete", |d| drop(d.insert("o", doc! { "_id": 1 }))),
        (5, "namespace of a no-op", |d| drop(d.insert("ns", "shop.items"))),
    ];
    for fixture in written().await {
        for (index, what, change) in changes {
            tampered(&fixture, index, what, &Fault::Incompatible, change).await;
        }
    }
}

fn bytes(fill: u8) -> bson::Binary {
    bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![fill; 16] }
}

#[tokio::test]
async fn an_entry_that_was_deleted_leaves_a_gap_that_is_seen() {
    for fixture in written().await {
        fixture.collection("oplogsync.oplog").delete_one(doc! { "_id": 3_i64 }).await.unwrap();
        let indexes: Vec<u64> =
            fixture.store.read(1, ALL).await.unwrap().iter().map(|entry| entry.position().index).collect();
        assert_eq!(indexes, [1, 2, 4, 5], "nothing is made up and nothing is hidden");
    }
}

#[tokio::test]
async fn a_log_whose_node_document_was_deleted_is_damaged_and_not_a_new_one() {
    for fixture in written().await {
        fixture.collection("oplogsync.node").delete_one(doc! { "_id": "log" }).await.unwrap();
        assert_eq!(fixture.store.log_ends().await.unwrap_err().fault(), &Fault::Corrupt);
        assert_eq!(fixture.store.create_log(log_id(2)).await.unwrap_err().fault(), &Fault::Corrupt);
        assert_eq!(fixture.store.append(&entries()).await.unwrap_err().fault(), &Fault::Corrupt);
    }
}

#[tokio::test]
async fn what_a_cut_off_trim_left_below_the_floor_is_not_seen_and_blocks_no_operation() {
    for fixture in written().await {
        let all = entries();
        let left = fixture.raw_collection("oplogsync.oplog").find_one(doc! { "_id": 2_i64 }).await.unwrap().unwrap();
        fixture.store.trim(&all[2].anchor()).await.expect("it is trimmed");
        fixture.raw_collection("oplogsync.oplog").insert_one(&left).await.unwrap();
        assert_eq!(fixture.store.read(1, ALL).await.unwrap(), all[3..]);
        assert_eq!(fixture.store.find(all[1].op_id()).await.unwrap(), None);
        let mut chain = Chain::after(log_id(1), all[4].anchor());
        chain.push_as(all[1].op_id(), all[1].operation().clone());
        assert_eq!(fixture.store.append(&chain.take()).await.unwrap(), Appended::All);
    }
}

#[tokio::test]
async fn the_operation_of_the_entry_at_the_floor_can_be_written_again_and_the_floor_stays_in_the_way() {
    for fixture in written().await {
        let all = entries();
        let first = fixture.raw_collection("oplogsync.oplog").find_one(doc! { "_id": 1_i64 }).await.unwrap().unwrap();
        fixture.store.trim(&all[4].anchor()).await.expect("it is trimmed");
        let mut chain = Chain::after(log_id(1), all[4].anchor());
        let again = chain.push_as(all[4].op_id(), all[4].operation().clone()).take();
        assert_eq!(fixture.store.append(&again).await.unwrap(), Appended::All);
        assert_eq!(fixture.store.find(all[4].op_id()).await.unwrap(), Some(again[0].position()));
        assert_eq!(fixture.store.append(&all).await.unwrap(), Appended::Beaten { count: 0 });
        let late = bson::rawdoc! { "_id": 5_i64, "opId": 1 };
        assert!(fixture.raw_collection("oplogsync.oplog").insert_many([first, late]).await.is_err());
        let rest = chain.noops(2).take();
        assert_eq!(fixture.store.append(&rest).await.unwrap(), Appended::All);
        fixture.store.trim(&rest[0].anchor()).await.expect("it is trimmed again");
        assert_eq!(fixture.store.read(1, ALL).await.unwrap(), rest[1..]);
    }
}
