//! Commands: what they make of collections and indexes, and that each can be given again.

use bson::{Document as BsonDocument, RawDocumentBuf, doc, rawdoc};
use oplogsync_core::{
    catalog::{Collection, CollectionOptions, Index},
    command::Action,
    documents::{Documents, Size},
    initial_sync::SyncTarget,
    namespace::Namespace,
    store_error::Fault,
    testing::{
        chain::{Chain, log_id},
        documents::{namespace, only_id},
    },
};

use crate::fixture::{Fixture, bytes, command, owner, words};

fn options(raw: &RawDocumentBuf) -> CollectionOptions {
    CollectionOptions::new(raw).expect("the test's options can be replicated")
}

fn index(raw: &RawDocumentBuf) -> Index {
    Index::new(raw).expect("the test's index is one")
}

fn plain_index(name: &str) -> Index {
    let mut key = RawDocumentBuf::new();
    key.append(bson::raw::CString::try_from(name).unwrap(), 1);
    index(&rawdoc! { "v": 2, "key": key, "name": format!("{name}_1") })
}

/// Runs it as a batch, and once more outside, as after a lost reply.
async fn twice(fixture: &Fixture, chain: &mut Chain, action: Action) {
    let batch = command(chain, action.clone());
    fixture.apply(&batch).await.unwrap_or_else(|error| panic!("{action:?}: {}", words(&error)));
    assert_eq!(fixture.checkpoint().await.map(|checkpoint| checkpoint.anchor), Some(batch.last()));
    assert_eq!(fixture.store.unfinished().await.unwrap(), None);
    let again = fixture.store.run(&action, owner()).await;
    again.unwrap_or_else(|error| panic!("again {action:?}: {}", words(&error)));
}

async fn refused(fixture: &Fixture, action: &Action) -> (Fault, String) {
    let error = fixture.store.run(action, owner()).await.expect_err("something is in the way");
    (error.fault().clone(), words(&error))
}

async fn collection(fixture: &Fixture, ns: &Namespace) -> Option<Collection> {
    fixture.store.collections().await.expect("they are listed").into_iter().find(|found| found.ns == *ns)
}

async fn admin(fixture: &Fixture, command: BsonDocument) {
    fixture.store.client().database(&fixture.database).run_command(command).await.expect("the server does so");
}

#[tokio::test]
async fn a_collection_is_created_with_its_options_and_stays_when_it_is_there() {
    let ns = namespace("made");
    for fixture in Fixture::both().await {
        let mut chain = Chain::new(log_id(1));
        let made = options(&rawdoc! {
            "validator": { "a": { "$gte": 0 } }, "validationLevel": "moderate", "collation": { "locale": "fr" },
            "changeStreamPreAndPostImages": { "enabled": true },
        });
        twice(&fixture, &mut chain, Action::Create { ns: ns.clone(), options: made.clone() }).await;
        let found = collection(&fixture, &ns).await.expect("it is there");
        let options = found.options.as_raw();
        assert_eq!(options.get_document("validator").unwrap(), &*rawdoc! { "a": { "$gte": 0 } });
        assert_eq!(options.get_document("collation").unwrap().get_str("locale").unwrap(), "fr");
        // What the server has made of the options is the same as well.
        let again = Action::Create { ns: ns.clone(), options: found.options };
        fixture.store.run(&again, owner()).await.expect("it is there");
    }
}

#[tokio::test]
async fn options_that_say_nothing_are_none() {
    let ns = namespace("made");
    for fixture in Fixture::both().await {
        admin(&fixture, doc! { "create": "made" }).await;
        for nothing in [
            rawdoc! { "collation": { "locale": "simple" } },
            rawdoc! { "changeStreamPreAndPostImages": { "enabled": false } },
            rawdoc! { "capped": false, "autoIndexId": true },
        ] {
            let action = Action::Create { ns: ns.clone(), options: options(&nothing) };
            fixture.store.run(&action, owner()).await.expect("it is there");
        }
    }
}

#[tokio::test]
async fn something_else_of_that_name_is_not_taken_for_the_collection() {
    let ns = namespace("taken");
    let collection = Action::Create { ns: ns.clone(), options: CollectionOptions::default() };
    let view = Action::Create { ns: ns.clone(), options: options(&rawdoc! { "viewOn": "items", "pipeline": [] }) };
    let strict = options(&rawdoc! { "validator": { "a": 1 } });
    let strict = Action::Create { ns: ns.clone(), options: strict };
    for fixture in Fixture::both().await {
        admin(&fixture, doc! { "create": "taken", "viewOn": "other", "pipeline": [] }).await;
        for action in [&collection, &view] {
            let (fault, told) = refused(&fixture, action).await;
            assert!(matches!(fault, Fault::Occupied { .. }) && told.contains("view shop.taken"), "{told}");
        }
        admin(&fixture, doc! { "drop": "taken" }).await;
        admin(&fixture, doc! { "create": "taken" }).await;
        for action in [&view, &strict] {
            let (fault, told) = refused(&fixture, action).await;
            assert!(matches!(fault, Fault::Occupied { .. }) && told.contains("collection shop.taken"), "{told}");
        }
    }
}

#[tokio::test]
async fn a_view_is_created_changed_and_dropped() {
    let ns = namespace("view");
    for fixture in Fixture::both().await {
        let mut chain = Chain::new(log_id(1));
        let first = options(&rawdoc! { "viewOn": "items", "pipeline": [{ "$match": { "a": 1 } }] });
        twice(&fixture, &mut chain, Action::Create { ns: ns.clone(), options: first.clone() }).await;
        assert_eq!(collection(&fixture, &ns).await.map(|found| found.options), Some(first));
        let second = rawdoc! { "viewOn": "others", "pipeline": [] };
        let changed = Action::Modify { ns: ns.clone(), changes: second.clone() };
        twice(&fixture, &mut chain, changed.clone()).await;
        assert_eq!(collection(&fixture, &ns).await.map(|found| found.options), Some(options(&second)));
        twice(&fixture, &mut chain, Action::Drop { ns: ns.clone() }).await;
        assert_eq!(collection(&fixture, &ns).await, None);
        // Of a target that is catching up the views are made in the end: one that changes before is made so.
        twice(&fixture, &mut chain, changed).await;
        assert_eq!(collection(&fixture, &ns).await.map(|found| found.options), Some(options(&second)));
        assert_eq!(fixture.store.size(&ns).await.unwrap(), Size::default());
    }
}

#[tokio::test]
async fn a_collection_is_renamed_with_all_that_it_holds() {
    let (from, to) = (namespace("items"), namespace("renamed"));
    for fixture in Fixture::both().await {
        let mut chain = Chain::new(log_id(1));
        fixture.apply(&chain.insert(&from, only_id(1)).insert(&to, only_id(2)).take_batch()).await.unwrap();
        let indexes = vec![plain_index("a")];
        twice(&fixture, &mut chain, Action::CreateIndexes { ns: from.clone(), indexes: indexes.clone() }).await;
        let rename = |drop_target| Action::Rename { ns: from.clone(), to: to.clone(), drop_target };
        let before = fixture.checkpoint().await;
        let error = fixture.apply(&command(&mut chain.clone(), rename(false))).await.expect_err("it is there");
        assert_eq!(error.fault(), &Fault::Occupied { what: "shop.renamed".to_owned() });
        assert_eq!((fixture.checkpoint().await, fixture.store.unfinished().await.unwrap()), (before, None));
        twice(&fixture, &mut chain, rename(true)).await;
        assert_eq!(collection(&fixture, &from).await, None);
        assert_eq!(collection(&fixture, &to).await.map(|found| found.indexes), Some(indexes));
        let found = fixture.store.scan(&to, None, oplogsync_core::limits::Limits::default()).await.unwrap();
        let found = found.iter().map(|document| document.as_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(found, bytes([only_id(1)]));
    }
}

#[tokio::test]
async fn of_a_database_everything_goes_but_what_is_ours() {
    for fixture in Fixture::both().await {
        let mut chain = Chain::new(log_id(1));
        let (items, old) = (namespace("items"), namespace("items.old"));
        fixture.apply(&chain.insert(&items, only_id(1)).insert(&old, only_id(2)).take_batch()).await.unwrap();
        admin(&fixture, doc! { "create": "view", "viewOn": "items", "pipeline": [] }).await;
        admin(&fixture, doc! { "create": "capped", "capped": true, "size": 4096 }).await;
        twice(&fixture, &mut chain, Action::DropDatabase { database: items.database_name() }).await;
        assert_eq!(fixture.store.collections().await.unwrap(), []);
        assert_eq!(fixture.store.namespaces().await.unwrap(), []);
        assert!(fixture.collection("oplogsync.node").count_documents(doc! {}).await.unwrap() > 0);
        let elsewhere = Namespace::new("elsewhere.items").unwrap().database_name();
        twice(&fixture, &mut chain, Action::DropDatabase { database: elsewhere }).await;
    }
}

#[tokio::test]
async fn indexes_come_and_go_and_another_one_of_that_name_is_told() {
    let ns = namespace("items");
    for fixture in Fixture::both().await {
        let mut chain = Chain::new(log_id(1));
        let on_id = index(&rawdoc! { "v": 2, "key": { "_id": 1 }, "name": "_id_" });
        let never = index(&rawdoc! { "v": 2, "key": { "t": 1 }, "name": "t_1", "expireAfterSeconds": 10 }).on_replica();
        let indexes = vec![on_id.clone(), plain_index("a"), plain_index("b"), never.clone()];
        twice(&fixture, &mut chain, Action::CreateIndexes { ns: ns.clone(), indexes }).await;
        twice(&fixture, &mut chain, Action::CreateIndexes { ns: ns.clone(), indexes: vec![on_id] }).await;
        let indexes = |found: Option<Collection>| found.map(|found| found.indexes);
        let expected = vec![plain_index("a"), plain_index("b"), never];
        assert_eq!(indexes(collection(&fixture, &ns).await), Some(expected.clone()));
        for other in [
            index(&rawdoc! { "v": 2, "key": { "b": 1 }, "name": "a_1" }),
            index(&rawdoc! { "v": 2, "key": { "a": 1 }, "name": "a_1", "unique": true }),
            index(&rawdoc! { "v": 2, "key": { "a": 1 }, "name": "another" }),
        ] {
            let other = Action::CreateIndexes { ns: ns.clone(), indexes: vec![other] };
            let (fault, told) = refused(&fixture, &other).await;
            assert!(matches!(fault, Fault::Occupied { .. }) && told.contains("index"), "{told}");
        }
        // One that is not there takes none of the others with it, nor keeps them.
        let names = ["a_1", "nowhere", "t_1"].map(str::to_owned).to_vec();
        twice(&fixture, &mut chain, Action::DropIndexes { ns: ns.clone(), names }).await;
        assert_eq!(indexes(collection(&fixture, &ns).await), Some(vec![plain_index("b")]));
        let gone = Action::DropIndexes { ns: namespace("nowhere"), names: vec!["a_1".to_owned()] };
        twice(&fixture, &mut chain, gone).await;
    }
}

#[tokio::test]
async fn a_unique_index_that_cannot_be_built_is_told_with_the_document_that_is_in_its_way() {
    let ns = namespace("items");
    for fixture in Fixture::both().await {
        let mut chain = Chain::new(log_id(1));
        chain.insert(&ns, rawdoc! { "_id": 1, "x": 7 });
        fixture.apply(&chain.take_batch()).await.unwrap();
        fixture.collection("items").insert_one(doc! { "_id": 2, "x": 7 }).await.unwrap();
        let unique = index(&rawdoc! { "v": 2, "key": { "x": 1 }, "name": "x_1", "unique": true });
        let batch = command(&mut chain, Action::CreateIndexes { ns: ns.clone(), indexes: vec![unique] });
        for _ in 0..2 {
            let error = fixture.apply(&batch).await.expect_err("two have the same key");
            assert!(matches!(error.fault(), Fault::Occupied { .. }), "{}", words(&error));
            assert!(words(&error).contains("x_1") && words(&error).contains("x: 7"), "{}", words(&error));
        }
        fixture.collection("items").delete_one(doc! { "_id": 2 }).await.unwrap();
        fixture.apply(&batch).await.expect("it is built");
    }
}

#[tokio::test]
async fn options_and_indexes_are_modified() {
    let ns = namespace("items");
    for fixture in Fixture::both().await {
        let mut chain = Chain::new(log_id(1));
        let indexes = vec![plain_index("a")];
        twice(&fixture, &mut chain, Action::CreateIndexes { ns: ns.clone(), indexes }).await;
        for changes in [
            rawdoc! { "index": { "name": "a_1", "hidden": true } },
            rawdoc! { "validator": { "a": 1 }, "validationLevel": "off" },
            rawdoc! { "changeStreamPreAndPostImages": { "enabled": true } },
        ] {
            twice(&fixture, &mut chain, Action::Modify { ns: ns.clone(), changes }).await;
        }
        let found = collection(&fixture, &ns).await.expect("it is there");
        assert!(found.indexes[0].as_raw().get_bool("hidden").unwrap());
        assert_eq!(found.options.as_raw().get_str("validationLevel").unwrap(), "off");
        // One that never had a document is made.
        let never = namespace("never");
        let changes = rawdoc! { "validator": { "b": 1 } };
        twice(&fixture, &mut chain, Action::Modify { ns: never.clone(), changes: changes.clone() }).await;
        let found = collection(&fixture, &never).await.expect("it is there").options;
        assert_eq!(found.as_raw().get_document("validator").unwrap(), &*rawdoc! { "b": 1 });
        let unknown =
            Action::Modify { ns: ns.clone(), changes: rawdoc! { "index": { "name": "nowhere", "hidden": true } } };
        let (fault, told) = refused(&fixture, &unknown).await;
        assert!(fault == Fault::Unexpected && told.contains("nowhere"), "{told}");
    }
}

#[tokio::test]
async fn what_cannot_be_replicated_is_told_apart_and_breaks_no_listing() {
    for fixture in Fixture::both().await {
        admin(&fixture, doc! { "create": "capped", "capped": true, "size": 4096 }).await;
        admin(&fixture, doc! { "create": "series", "timeseries": { "timeField": "t" } }).await;
        admin(&fixture, doc! { "create": "plain" }).await;
        admin(&fixture, doc! { "create": "view", "viewOn": "plain", "pipeline": [] }).await;
        let catalog = fixture.store.catalog().await.expect("they are listed");
        let names: Vec<_> = catalog.collections.iter().map(|found| found.ns.to_string()).collect();
        assert_eq!(names, ["shop.plain", "shop.view"]);
        let others: Vec<_> = catalog.others.iter().map(|other| (other.name.as_str(), other.why.to_string())).collect();
        let [("shop.capped", capped), ("shop.series", series)] = others.as_slice() else { panic!("{others:?}") };
        assert!(capped.contains("capped") && series.contains("time-series"), "{others:?}");
        assert_eq!(fixture.store.collections().await.unwrap(), catalog.collections);
    }
}

#[tokio::test]
async fn the_size_of_a_collection_is_that_of_its_documents() {
    for fixture in Fixture::both().await {
        let ns = namespace("items");
        assert_eq!(fixture.store.size(&ns).await.unwrap(), Size::default(), "it is not there");
        let documents = [rawdoc! { "_id": 1, "text": "x".repeat(1000) }, only_id(2)];
        let bytes: usize = documents.iter().map(|raw| raw.as_bytes().len()).sum();
        let mut chain = Chain::new(log_id(1));
        for raw in documents {
            chain.insert(&ns, raw);
        }
        fixture.apply(&chain.take_batch()).await.unwrap();
        let expected = Size { documents: 2, bytes: bytes.try_into().unwrap() };
        assert_eq!(fixture.store.size(&ns).await.unwrap(), expected);
    }
}
