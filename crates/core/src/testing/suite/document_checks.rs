//! What [`Documents`] owe when they are read.

use bson::{RawDocumentBuf, rawdoc};

use super::{ALL, StoreBuilder, apply};
use crate::{
    checkpoint::{Resume, Stop},
    digest::NamespaceDigest,
    doc_id::DocId,
    document::Document,
    documents::{Documents, Size},
    lease::Leases,
    limits::Limits,
    namespace::Namespace,
    position::Position,
    testing::{
        chain::{Chain, log_id, valid},
        documents::{every_type, id, ids_in_order, namespace, only_id},
    },
};

/// Puts documents into the store by applying one batch that inserts them.
pub(super) async fn fill(store: &(impl Documents + Leases), ns: &Namespace, documents: &[RawDocumentBuf]) -> Chain {
    let mut chain = Chain::new(log_id(1));
    for document in documents {
        chain.insert(ns, document.clone());
    }
    apply(store, &chain.take_batch()).await.expect("the batch is applied");
    chain
}

pub(super) async fn all(store: &impl Documents, ns: &Namespace) -> Vec<Document> {
    store.scan(ns, None, ALL).await.expect("the documents are read")
}

pub(super) async fn get(store: &impl Documents, ns: &Namespace, id: DocId) -> Option<Document> {
    let mut found = store.get(ns, &[id]).await.expect("the document is read");
    assert_eq!(found.len(), 1, "one answer for one id");
    found.pop().flatten()
}

pub(super) async fn a_new_store_is_empty<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    assert_eq!(store.checkpoint().await.expect("it is read"), None);
    assert_eq!(store.stop().await.expect("it is read"), None);
    assert_eq!(store.unfinished().await.expect("it is read"), None);
    assert_eq!(store.namespaces().await.expect("they are read"), []);
    assert_eq!(store.collections().await.expect("they are read"), []);
    assert_eq!(store.resume().await.expect("it is read"), Resume::default());
    assert_eq!(store.size(&ns).await.expect("it is read"), Size::default());
    assert_eq!(store.digest(&ns).await.expect("it is read"), NamespaceDigest::default());
    assert_eq!(all(&store, &ns).await, []);
    assert_eq!(get(&store, &ns, id(1)).await, None);
}

pub(super) async fn documents_are_got_in_the_order_of_the_ids<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    fill(&store, &ns, &[only_id(1), only_id(2), only_id("1")]).await;
    let ids = [id("1"), id(9), id(2), id(1), id(2)];
    let found = store.get(&ns, &ids).await.expect("they are read");
    let expected = [only_id("1"), only_id(2), only_id(1), only_id(2)].map(|raw| Some(valid(raw)));
    let [a, b, c, d] = expected;
    assert_eq!(found, [a, None, b, c, d]);
    assert_eq!(store.get(&ns, &[]).await.expect("nothing is read"), []);
    assert_eq!(get(&store, &namespace("other"), id(1)).await, None, "namespaces are apart");
}

pub(super) async fn equal_ids_of_different_types_are_one_document<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[only_id(1), only_id(2.0)]).await;
    for same in [id(1_i64), id(1.0)] {
        assert_eq!(get(&store, &ns, same).await, Some(valid(only_id(1))), "as it was inserted");
    }
    apply(&store, &chain.delete(&ns, id(1.0)).take_batch()).await.expect("the delete finds it");
    assert_eq!(all(&store, &ns).await, [valid(only_id(2.0))]);
}

pub(super) async fn a_scan_keeps_the_order_of_mongodb<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let documents: Vec<_> = ids_in_order().iter().map(DocId::to_raw_document).collect();
    let backwards: Vec<_> = documents.iter().rev().cloned().collect();
    fill(&store, &ns, &backwards).await;
    let expected: Vec<_> = documents.into_iter().map(valid).collect();
    assert_eq!(all(&store, &ns).await, expected);
}

pub(super) async fn a_scan_goes_on_after_any_id<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let ids = ids_in_order();
    let documents: Vec<_> = ids.iter().map(DocId::to_raw_document).collect();
    fill(&store, &ns, &documents).await;
    let everything = all(&store, &ns).await;
    for (number, after) in ids.iter().enumerate() {
        let rest = store.scan(&ns, Some(after), ALL).await.expect("the rest is read");
        assert!(everything.iter().skip(number + 1).eq(&rest), "after {after}");
    }
    let between = store.scan(&ns, Some(&id(-2)), ALL).await.expect("the rest is read");
    let first = between.first().map(Document::id);
    assert_eq!(first, Some(id(-1)), "the id to go on after need not exist");
}

pub(super) async fn a_scan_is_bounded_by_entries_and_bytes<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let documents: Vec<_> = (0..5).map(|number| rawdoc! { "_id": number, "text": "x".repeat(1000) }).collect();
    fill(&store, &ns, &documents).await;
    let everything = all(&store, &ns).await;
    let size: usize = everything.iter().take(2).map(|document| document.as_bytes().len()).sum();
    let three = store.scan(&ns, None, Limits { entries_max: 3, ..ALL }).await.expect("they are read");
    assert!(three.len() == 3 && everything.starts_with(&three));
    let two = store.scan(&ns, None, Limits { bytes_max: size, ..ALL }).await.expect("they are read");
    assert!((1..=2).contains(&two.len()) && everything.starts_with(&two));
    let one = store.scan(&ns, Some(&id(2)), Limits { bytes_max: 1, ..ALL }).await.expect("one is read");
    assert!(one.len() == 1 && one.first() == everything.get(3), "at least one");
}

pub(super) async fn namespaces_are_listed_while_they_hold_documents<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let names = ["orders", "items", "items.archive", "itemsa"];
    let mut chain = Chain::new(log_id(1));
    for name in names {
        chain.insert(&namespace(name), only_id(1));
    }
    apply(&store, &chain.take_batch()).await.expect("the batch is applied");
    let mut expected: Vec<_> = names.map(namespace).into();
    expected.sort();
    assert_eq!(store.namespaces().await.expect("they are read"), expected);
    for name in names {
        assert_eq!(all(&store, &namespace(name)).await.len(), 1, "{name} is apart from those that start alike");
    }
    apply(&store, &chain.delete(&namespace("items"), id(1)).take_batch()).await.expect("the batch is applied");
    expected.retain(|ns| ns.collection() != "items");
    assert_eq!(store.namespaces().await.expect("they are read"), expected);
}

pub(super) async fn a_digest_is_that_of_the_documents<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (ns, other) = (namespace("items"), namespace("orders"));
    let mut chain = fill(&store, &ns, &[every_type(1), only_id(2), only_id(3)]).await;
    chain.insert(&other, only_id(1)).update(&ns, rawdoc! { "_id": 2, "a": 1 }).delete(&ns, id(3));
    chain.insert(&ns, only_id(3)).insert(&ns, only_id(4)).delete(&ns, id(4)).delete(&ns, id(1));
    apply(&store, &chain.take_batch()).await.expect("the batch is applied");
    for ns in [&ns, &other] {
        let mut expected = NamespaceDigest::default();
        all(&store, ns).await.iter().for_each(|document| expected.add(document));
        assert_eq!(store.digest(ns).await.expect("it is read"), expected);
        assert_eq!(store.size(ns).await.expect("it is read").documents, expected.count);
    }
    chain.delete(&ns, id(2)).delete(&ns, id(3));
    apply(&store, &chain.take_batch()).await.expect("the batch is applied");
    assert_eq!(store.digest(&ns).await.expect("it is read"), NamespaceDigest::default());
}

pub(super) async fn a_stop_is_remembered<B: StoreBuilder>(builder: &B) {
    let (guard, store) = builder.build().await;
    let first =
        Stop { at: Position { term: 0, index: 7 }, too_stale: false, reason: "what and why, \u{e9}".to_owned() };
    let second = Stop { at: Position { term: 3, index: 1 << 40 }, too_stale: true, reason: String::new() };
    for stop in [&first, &second] {
        store.set_stop(stop).await.expect("it is remembered");
        assert_eq!(store.stop().await.expect("it is read").as_ref(), Some(stop));
    }
    assert_eq!(store.checkpoint().await.expect("it is read"), None, "a stop is no checkpoint");
    let Some(store) = builder.reopen(&guard, store).await else { return };
    assert_eq!(store.stop().await.expect("it is read"), Some(second));
    assert_eq!(store.checkpoint().await.expect("it is read"), None, "a stop is no checkpoint");
}

pub(super) async fn every_bson_type_survives_byte_for_byte<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[every_type(1), only_id(2)]).await;
    apply(&store, &chain.update(&ns, every_type(2)).take_batch()).await.expect("the batch is applied");
    let expected = [valid(every_type(1)), valid(every_type(2))];
    assert_eq!(all(&store, &ns).await, expected);
    let got = get(&store, &ns, id(2)).await.expect("it is there");
    assert_eq!(got.as_bytes(), every_type(2).as_bytes());
}

pub(super) async fn documents_survive_a_restart<B: StoreBuilder>(builder: &B) {
    let (guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[every_type(1), only_id(2)]).await;
    let (documents, checkpoint) = (all(&store, &ns).await, store.checkpoint().await.expect("it is read"));
    let digest = store.digest(&ns).await.expect("it is read");
    let Some(store) = builder.reopen(&guard, store).await else { return };
    assert_eq!(all(&store, &ns).await, documents);
    assert_eq!(store.checkpoint().await.expect("it is read"), checkpoint);
    assert_eq!(store.digest(&ns).await.expect("it is read"), digest);
    assert_eq!(store.unfinished().await.expect("it is read"), None);
    apply(&store, &chain.delete(&ns, id(2)).take_batch()).await.expect("the log goes on");
}
