//! What [`Documents::apply`] owes when a batch is a command: collections, views and databases.

use bson::{RawDocumentBuf, rawdoc};

use super::{
    StoreBuilder, apply,
    apply_checks::{at, checkpoint, refused},
    document_checks::{all, fill},
};
use crate::{
    catalog::{Collection, CollectionOptions, Index},
    command::Action,
    digest::NamespaceDigest,
    documents::{Applied, Documents, Size},
    filter::Filter,
    lease::Leases,
    namespace::Namespace,
    store_error::Fault,
    testing::{
        chain::{Chain, log_id, valid},
        documents::{id, namespace, only_id},
    },
    view::View,
};

/// The options that these are.
pub(super) fn options(raw: &RawDocumentBuf) -> CollectionOptions {
    CollectionOptions::new(raw).expect("the test's options are valid")
}

/// Options as a server tells them, when it was asked for them.
pub(super) fn validated() -> CollectionOptions {
    let validator = rawdoc! { "n": { "$gte": 0 } };
    options(&rawdoc! { "validator": validator, "validationLevel": "moderate", "validationAction": "warn" })
}

/// An index by one field.
pub(super) fn index(field: &str, unique: bool) -> Index {
    let mut key = RawDocumentBuf::new();
    key.append(bson::raw::CString::try_from(field).expect("the test's field has a name"), 1);
    let mut spec = rawdoc! { "v": 2, "key": key, "name": format!("{field}_1") };
    if unique {
        spec.append(bson::raw::cstr!("unique"), true);
    }
    Index::new(&spec).expect("the test's index is valid")
}

/// All collections that are not as their first document has made them.
pub(super) async fn collections(store: &impl Documents) -> Vec<Collection> {
    let mut found = store.collections().await.expect("they are read");
    assert!(found.is_sorted_by(|a, b| a.ns < b.ns), "they are in the order of their names: {found:?}");
    found.retain(|collection| !collection.is_plain());
    found
}

/// Runs a command as the next entry of the log, and once more.
pub(super) async fn run_twice(store: &(impl Documents + Leases), chain: &mut Chain, action: Action) {
    for _ in 0..2 {
        let applied = apply(store, &chain.command(action.clone()).take_batch()).await.expect("the command is run");
        assert_eq!(applied, Applied::default(), "no document is counted");
        assert_eq!(checkpoint(store).await, Some(at(chain)));
    }
}

/// Nothing of it is there.
pub(super) async fn assert_gone(store: &impl Documents, ns: &Namespace) {
    assert_eq!(all(store, ns).await, []);
    assert_eq!(store.digest(ns).await.expect("it is read"), NamespaceDigest::default());
    assert_eq!(store.size(ns).await.expect("it is read"), Size::default());
    assert!(!store.namespaces().await.expect("they are read").contains(ns));
    assert!(collections(store).await.iter().all(|collection| collection.ns != *ns));
}

/// It has exactly these documents.
pub(super) async fn assert_holds(store: &impl Documents, ns: &Namespace, documents: &[RawDocumentBuf]) {
    let expected: Vec<_> = documents.iter().cloned().map(valid).collect();
    assert_eq!(all(store, ns).await, expected);
    let mut digest = NamespaceDigest::default();
    for document in &expected {
        digest.add(document);
    }
    assert_eq!(store.digest(ns).await.expect("it is read"), digest);
    assert_eq!(store.size(ns).await.expect("it is read").documents, digest.count);
    assert_eq!(store.namespaces().await.expect("they are read").contains(ns), !documents.is_empty());
}

pub(super) async fn a_collection_is_created_with_its_options<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (ns, mut chain) = (namespace("items"), Chain::new(log_id(1)));
    run_twice(&store, &mut chain, Action::Create { ns: ns.clone(), options: validated() }).await;
    let expected = Collection { ns: ns.clone(), options: validated(), indexes: Vec::new() };
    assert_eq!(collections(&store).await, std::slice::from_ref(&expected));
    assert_eq!(store.namespaces().await.expect("they are read"), [], "it has no documents yet");
    let document = rawdoc! { "_id": 1, "n": 1 };
    apply(&store, &chain.insert(&ns, document.clone()).take_batch()).await.expect("the batch is applied");
    assert_holds(&store, &ns, &[document]).await;
    apply(&store, &chain.delete(&ns, id(1)).take_batch()).await.expect("the batch is applied");
    assert_eq!(collections(&store).await, [expected], "it is there without documents too");
}

pub(super) async fn a_plain_collection_is_created<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (ns, mut chain) = (namespace("items"), Chain::new(log_id(1)));
    run_twice(&store, &mut chain, Action::Create { ns: ns.clone(), options: CollectionOptions::default() }).await;
    assert_eq!(store.namespaces().await.expect("they are read"), [], "it has no documents yet");
    apply(&store, &chain.insert(&ns, only_id(1)).take_batch()).await.expect("the batch is applied");
    assert_holds(&store, &ns, &[only_id(1)]).await;
}

fn view() -> CollectionOptions {
    options(&rawdoc! { "viewOn": "items", "pipeline": [{ "$match": { "n": 1 } }] })
}

pub(super) async fn a_view_is_created_and_has_no_documents<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (ns, name) = (namespace("items"), namespace("ones"));
    let mut chain = fill(&store, &ns, &[rawdoc! { "_id": 1, "n": 1 }]).await;
    run_twice(&store, &mut chain, Action::Create { ns: name.clone(), options: view() }).await;
    let expected = Collection { ns: name.clone(), options: view(), indexes: Vec::new() };
    assert_eq!(collections(&store).await, [expected]);
    assert_eq!(store.namespaces().await.expect("they are read"), [ns]);
    assert_eq!(store.size(&name).await.expect("it is read"), Size::default());
    run_twice(&store, &mut chain, Action::Drop { ns: name.clone() }).await;
    assert_gone(&store, &name).await;
}

pub(super) async fn documents_into_a_view_are_refused<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (name, mut chain) = (namespace("ones"), Chain::new(log_id(1)));
    run_twice(&store, &mut chain, Action::Create { ns: name.clone(), options: view() }).await;
    refused(builder, &store, &chain.insert(&name, only_id(1)).take_batch()).await;
    assert_eq!(store.namespaces().await.expect("they are read"), []);
}

pub(super) async fn a_view_is_not_made_of_a_collection_with_documents<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[only_id(1)]).await;
    let options = options(&rawdoc! { "viewOn": "others", "pipeline": [] });
    let batch = chain.command(Action::Create { ns: ns.clone(), options }).take_batch();
    let fault = refused(builder, &store, &batch).await;
    assert!(matches!(fault, Fault::Occupied { .. }), "{fault:?}");
    assert_holds(&store, &ns, &[only_id(1)]).await;
}

pub(super) async fn a_collection_is_dropped_with_everything<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (ns, others) = (namespace("items"), ["item", "items.archive", "itemsa"].map(namespace));
    let mut chain = fill(&store, &ns, &[rawdoc! { "_id": 1, "n": 1 }, rawdoc! { "_id": 2, "n": 2 }]).await;
    for other in &others {
        chain.insert(other, only_id(1));
    }
    apply(&store, &chain.take_batch()).await.expect("the batch is applied");
    run_twice(&store, &mut chain, Action::CreateIndexes { ns: ns.clone(), indexes: vec![index("n", false)] }).await;
    run_twice(&store, &mut chain, Action::Drop { ns: ns.clone() }).await;
    assert_gone(&store, &ns).await;
    for other in &others {
        assert_holds(&store, other, &[only_id(1)]).await;
    }
}

pub(super) async fn a_collection_that_was_never_created_is_dropped<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[only_id(1)]).await;
    run_twice(&store, &mut chain, Action::Drop { ns: ns.clone() }).await;
    assert_gone(&store, &ns).await;
    run_twice(&store, &mut chain, Action::Drop { ns: namespace("others") }).await;
}

pub(super) async fn a_dropped_collection_may_come_back<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[only_id(1), only_id(2)]).await;
    for number in 3..6 {
        run_twice(&store, &mut chain, Action::Drop { ns: ns.clone() }).await;
        let documents = [rawdoc! { "_id": 1, "again": number }, only_id(number)];
        for document in &documents {
            chain.insert(&ns, document.clone());
        }
        apply(&store, &chain.take_batch()).await.expect("nothing of the former one is there");
        assert_holds(&store, &ns, &documents).await;
    }
}

pub(super) async fn a_database_is_dropped_with_everything_in_it<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let names = ["items", "items.archive", "orders"].map(namespace);
    let other = builder.other_database().map(|database| Namespace::new(&format!("{database}.items")).expect("a name"));
    let mut chain = Chain::new(log_id(1));
    for ns in names.iter().chain(&other) {
        chain.insert(ns, only_id(1)).insert(ns, only_id(2));
    }
    apply(&store, &chain.take_batch()).await.expect("the batch is applied");
    let (empty, ones) = (namespace("empty"), namespace("ones"));
    run_twice(&store, &mut chain, Action::Create { ns: empty.clone(), options: validated() }).await;
    run_twice(&store, &mut chain, Action::Create { ns: ones.clone(), options: view() }).await;
    run_twice(&store, &mut chain, Action::DropDatabase { database: empty.database_name() }).await;
    for ns in names.iter().chain([&empty, &ones]) {
        assert_gone(&store, ns).await;
    }
    let left: Vec<_> = other.iter().cloned().collect();
    assert_eq!(store.namespaces().await.expect("they are read"), left, "what is in other databases stays");
    for ns in &left {
        assert_holds(&store, ns, &[only_id(1), only_id(2)]).await;
    }
}

pub(super) async fn options_are_modified<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (ns, mut chain) = (namespace("items"), Chain::new(log_id(1)));
    run_twice(&store, &mut chain, Action::Create { ns: ns.clone(), options: validated() }).await;
    let changes = rawdoc! { "validator": { "m": 1 }, "validationAction": "error" };
    run_twice(&store, &mut chain, Action::Modify { ns: ns.clone(), changes }).await;
    let modified = rawdoc! { "validator": { "m": 1 }, "validationLevel": "moderate", "validationAction": "error" };
    let expected = Collection { ns, options: options(&modified), indexes: Vec::new() };
    assert_eq!(collections(&store).await, [expected]);
}

pub(super) async fn a_command_that_does_not_concern_the_target_moves_the_checkpoint<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[only_id(1)]).await;
    let filter = Filter::new(&[], &["shop.items".to_owned()], &[]).expect("a filter");
    let batch = chain.command(Action::Drop { ns: ns.clone() }).take_batch().seen(View::through(filter));
    apply(&store, &batch).await.expect("the batch is applied");
    assert_eq!(checkpoint(&store).await, Some(at(&chain)));
    assert_holds(&store, &ns, &[only_id(1)]).await;
}

pub(super) async fn collections_survive_a_restart<B: StoreBuilder>(builder: &B) {
    let (guard, store) = builder.build().await;
    let (ns, mut chain) = (namespace("items"), Chain::new(log_id(1)));
    run_twice(&store, &mut chain, Action::Create { ns: ns.clone(), options: validated() }).await;
    let indexes = vec![index("n", true), index("m", false)];
    run_twice(&store, &mut chain, Action::CreateIndexes { ns, indexes }).await;
    run_twice(&store, &mut chain, Action::Create { ns: namespace("ones"), options: view() }).await;
    let before = collections(&store).await;
    assert_eq!(before.len(), 2);
    let Some(store) = builder.reopen(&guard, store).await else { return };
    assert_eq!(collections(&store).await, before);
}
