//! Pages of a collection are of exactly the time that they tell, in the order of the ids, whatever these are.

use std::time::Duration;

use bson::{Document, RawBson, RawDocumentBuf, doc, rawdoc};
use oplogsync_core::{
    catch_up::Moment,
    doc_id::DocId,
    document::Document as Stored,
    initial_sync::{Part, SyncSource},
    limits::Limits,
    namespace::Namespace,
    testing::documents::every_value,
};
use oplogsync_mongod::testing::shared_replica_set;

use crate::change_stream::source::{Source, set_of_one};

fn ns() -> Namespace {
    Namespace::new("shop.orders").unwrap()
}

const ALL: Limits = Limits { entries_max: 100_000, bytes_max: usize::MAX };

async fn of_shared() -> Option<(Source, String)> {
    let database = shared_replica_set().await?;
    let source = Source::database(database.server(), database.name()).await;
    let orders = format!("{}.orders", database.name());
    Some((source, orders))
}

/// The documents of a part, read page by page, all as of one time if `at` is given.
async fn read_all(source: &Source, after: Option<&DocId>, until: Option<&DocId>, limits: Limits) -> Vec<Stored> {
    let snapshots = source.snapshots();
    let (mut documents, mut at, mut last): (Vec<Stored>, Option<Moment>, Option<DocId>) =
        (Vec::new(), None, after.cloned());
    loop {
        let part = Part { ns: &ns(), after: last.as_ref(), until };
        let read = snapshots.read(part, at, limits).await.expect("it is read");
        assert!(at.is_none_or(|at| read.at == at), "it is all of one time");
        at = Some(read.at);
        documents.extend(read.documents);
        last = documents.last().map(Stored::id);
        if read.is_end {
            return documents;
        }
    }
}

#[tokio::test]
async fn ids_of_every_type_are_read_in_their_order_by_pages_of_any_size() {
    let Some((source, orders)) = of_shared().await else { return };
    let (database, _) = orders.split_once('.').unwrap();
    let collection = source.client.database(database).collection::<RawDocumentBuf>("orders");
    let mut ids = Vec::new();
    for value in every_value() {
        let Ok(id) = DocId::new(value.clone()) else { continue };
        if ids.contains(&id) {
            continue;
        }
        let mut document = RawDocumentBuf::new();
        document.append(bson::raw::cstr!("_id"), value);
        collection.insert_one(document).await.expect("it is inserted");
        ids.push(id);
    }
    ids.sort();
    assert!(ids.len() > 30, "{}", ids.len());
    for entries_max in [1, 2, 7, 1_000] {
        let read = read_all(&source, None, None, Limits { entries_max, ..ALL }).await;
        assert_eq!(read.iter().map(Stored::id).collect::<Vec<_>>(), ids, "pages of {entries_max}");
    }
    for (from, to) in [(0, 5), (3, 20), (10, ids.len() - 1), (ids.len() - 2, ids.len() - 1)] {
        let read = read_all(&source, Some(&ids[from]), Some(&ids[to]), Limits { entries_max: 3, ..ALL }).await;
        assert_eq!(read.iter().map(Stored::id).collect::<Vec<_>>(), ids[from + 1..=to]);
    }
}

#[tokio::test]
async fn a_page_is_bounded_in_bytes_and_has_one_document_at_least() {
    let Some((source, orders)) = of_shared().await else { return };
    for id in 0..6 {
        source.insert(&orders, doc! { "_id": id, "text": "x".repeat(1_000) }).await;
    }
    for (bytes_max, expected) in [(1, 1), (2_100, 2), (1_000_000, 6)] {
        let part = Part { ns: &ns(), after: None, until: None };
        let read = source.snapshots().read(part, None, Limits { bytes_max, ..ALL }).await.expect("it is read");
        assert_eq!((read.documents.len(), read.is_end), (expected, expected == 6), "{bytes_max}");
    }
}

#[tokio::test]
async fn a_page_shows_what_was_there_at_its_time() {
    let Some((source, orders)) = of_shared().await else { return };
    source.insert(&orders, doc! { "_id": 1, "n": 1 }).await;
    source.insert(&orders, doc! { "_id": 2, "n": 1 }).await;
    let part = Part { ns: &ns(), after: None, until: None };
    let written = Moment::of_optime(source.now().await);
    let before = source.snapshots().read(part, None, ALL).await.expect("it is read");
    assert!(before.at >= written);
    source.update(&orders, 1, doc! { "$set": { "n": 2 } }).await;
    source.collection(&orders).delete_one(doc! { "_id": 2 }).await.expect("it is deleted");
    source.insert(&orders, doc! { "_id": 3 }).await;
    let again = source.snapshots().read(part, Some(before.at), ALL).await.expect("it is read");
    assert_eq!(again, before);
    let now = source.snapshots().read(part, None, ALL).await.expect("it is read");
    assert_eq!(now.documents.len(), 2);
    assert_ne!(now.documents[0], before.documents[0]);
}

#[tokio::test]
async fn a_time_that_the_server_has_forgotten_becomes_a_later_one() {
    let Some(set) = set_of_one("forgetful").await else { return };
    let source = Source::whole(&set.uri()).await;
    source.insert("shop.orders", doc! { "_id": 1 }).await;
    let part = Part { ns: &ns(), after: None, until: None };
    let before = source.snapshots().read(part, None, ALL).await.expect("it is read");
    source.command("admin", doc! { "setParameter": 1, "minSnapshotHistoryWindowInSeconds": 0 }).await;
    loop {
        source.insert("shop.orders", doc! {}).await;
        let read = source.snapshots().read(part, Some(before.at), ALL).await.expect("it is read");
        if read.at > before.at {
            assert!(read.documents.len() > 1);
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_collection_that_is_gone_has_no_documents_from_its_end_on() {
    let Some((source, orders)) = of_shared().await else { return };
    let (database, _) = orders.split_once('.').unwrap();
    source.insert(&orders, doc! { "_id": 1 }).await;
    source.insert(&orders, doc! { "_id": 2 }).await;
    let part = Part { ns: &ns(), after: None, until: None };
    let before = source.snapshots().read(part, None, Limits { entries_max: 1, ..ALL }).await.expect("it is read");
    source.command(database, doc! { "drop": "orders" }).await;
    let dropped = Moment::of_optime(source.now().await);
    let first = before.documents[0].id();
    let part = Part { after: Some(&first), ..part };
    let after = source.snapshots().read(part, Some(before.at), ALL).await.expect("it is read");
    assert_eq!((after.documents.len(), after.is_end), (0, true));
    assert!(after.at >= dropped, "at {:?} it still had documents", before.at);
}

#[tokio::test]
async fn a_collection_with_a_collation_is_read_in_the_order_of_the_bytes() {
    let Some((source, orders)) = of_shared().await else { return };
    let (database, _) = orders.split_once('.').unwrap();
    source.command(database, doc! { "create": "orders", "collation": { "locale": "de", "strength": 2 } }).await;
    let collection = source.client.database(database).collection::<RawDocumentBuf>("orders");
    let values: [RawBson; 9] = [
        "B".into(),
        "a".into(),
        "c".into(),
        "\u{c4}".into(),
        1.into(),
        2.5.into(),
        "$a".into(),
        RawBson::Document(rawdoc! { "k": "Z" }),
        RawBson::Document(rawdoc! { "k": "b" }),
    ];
    let mut ids = Vec::new();
    for value in values {
        ids.push(DocId::new(value.clone()).unwrap());
        let mut document = RawDocumentBuf::new();
        document.append(bson::raw::cstr!("_id"), value);
        collection.insert_one(document).await.expect("it is inserted");
    }
    ids.sort();
    for entries_max in [1, 2, 100] {
        let read = read_all(&source, None, None, Limits { entries_max, ..ALL }).await;
        assert_eq!(read.iter().map(Stored::id).collect::<Vec<_>>(), ids, "pages of {entries_max}");
    }
    let read = read_all(&source, Some(&ids[2]), Some(&ids[6]), Limits { entries_max: 2, ..ALL }).await;
    assert_eq!(read.iter().map(Stored::id).collect::<Vec<_>>(), ids[3..=6]);
}

/// In the order of the bytes the capital letters come first, so that an index with a collation has nothing between some.
#[tokio::test]
async fn any_two_ids_bound_what_is_read_of_a_collection_with_a_collation() {
    let Some((source, orders)) = of_shared().await else { return };
    let (database, _) = orders.split_once('.').unwrap();
    source.command(database, doc! { "create": "orders", "collation": { "locale": "en" } }).await;
    let collection = source.client.database(database).collection::<Document>("orders");
    let texts = ["A", "B", "Z", "a", "b", "z"];
    collection.insert_many(texts.map(|text| doc! { "_id": text })).await.expect("they are inserted");
    let ids = texts.map(|text| DocId::new(RawBson::from(text)).unwrap());
    for (from, after) in ids.iter().enumerate() {
        for (to, until) in ids.iter().enumerate() {
            let read = read_all(&source, Some(after), Some(until), Limits { entries_max: 2, ..ALL }).await;
            let expected = if from < to { &ids[from + 1..=to] } else { &[] };
            assert_eq!(read.iter().map(Stored::id).collect::<Vec<_>>(), expected, "behind {after} up to {until}");
        }
    }
}

#[tokio::test]
async fn a_large_collection_is_split_into_parts_of_about_the_same_size_and_a_small_one_is_not() {
    let Some((source, orders)) = of_shared().await else { return };
    let split = async |parts| source.snapshots().split(&ns(), parts).await.expect("it is split");
    assert_eq!(split(4).await, []);
    let documents: Vec<Document> = (0..10_000).map(|id| doc! { "_id": id }).collect();
    source.collection(&orders).insert_many(documents).await.expect("they are inserted");
    let splits = split(4).await;
    assert_eq!(splits.len(), 3);
    assert!(splits.is_sorted());
    let mut bounds = vec![None];
    bounds.extend(splits.iter().map(Some));
    bounds.push(None);
    let mut total = 0;
    for bound in bounds.windows(2) {
        let count = read_all(&source, bound[0], bound[1], Limits { entries_max: 5_000, ..ALL }).await.len();
        assert!((500..6_000).contains(&count), "a part of {count}");
        total += count;
    }
    assert_eq!(total, 10_000);
}
