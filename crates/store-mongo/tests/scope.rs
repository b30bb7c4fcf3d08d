//! Which namespaces a node holds, and under which names.

use bson::{doc, rawdoc};
use oplogsync_core::{
    batch::Batch,
    documents::Documents,
    log::Log,
    namespace::Namespace,
    store_error::Fault,
    testing::{
        chain::{Chain, log_id},
        documents::{id, namespace, only_id},
    },
};
use oplogsync_mongod::{
    Server,
    testing::{binary, test_options},
};
use oplogsync_store_mongo::{MongoStore, Options, Scope};

use crate::fixture::{Fixture, lease, owner};

#[tokio::test]
async fn a_database_is_stored_under_the_name_that_the_uri_gives() {
    for fixture in Fixture::both().await {
        let batch = Chain::new(log_id(1)).insert(&namespace("items"), only_id(1)).take_batch();
        fixture.apply(&batch).await.expect("it is applied");
        assert_eq!(fixture.collection("items").count_documents(doc! {}).await.unwrap(), 1);
        assert_eq!(fixture.store.namespaces().await.unwrap(), [namespace("items")], "under its name in the log");
        assert_eq!(fixture.collection("oplogsync.node").count_documents(doc! { "_id": "documents" }).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn another_database_is_outside_and_nothing_is_written() {
    for fixture in Fixture::both().await {
        let outside = Namespace::new("elsewhere.items").unwrap();
        let batch: Batch =
            Chain::new(log_id(1)).insert(&namespace("items"), only_id(1)).insert(&outside, only_id(1)).take_batch();
        let error = fixture.apply(&batch).await.unwrap_err();
        assert_eq!(error.fault(), &Fault::Outside { ns: outside.clone() });
        assert_eq!(fixture.items().await, Vec::<Vec<u8>>::new());
        assert_eq!(fixture.store.get(&outside, &[id(1)]).await.unwrap_err().fault(), &Fault::Outside { ns: outside });
    }
}

#[tokio::test]
async fn a_whole_server_keeps_names_and_lists_neither_views_nor_what_is_ours_or_the_servers() {
    let Some(binary) = binary().await else { return };
    let server = Server::start(&binary, test_options()).await.expect("it starts");
    let store = MongoStore::connect(&server.uri(), "db1", Scope::Server, Options::default()).await.unwrap();
    lease(&store).await;
    let (one, two) = (Namespace::new("shop.items").unwrap(), Namespace::new("other.things.old").unwrap());
    let batch = Chain::new(log_id(1)).insert(&one, only_id(1)).insert(&two, only_id(2)).take_batch();
    store.create_log(log_id(1)).await.unwrap();
    store.apply(&batch, owner()).await.expect("it is applied");
    let shop = store.client().database("shop");
    shop.create_collection("a_view").view_on("items".to_owned()).await.unwrap();
    shop.create_collection("empty").await.unwrap();
    assert_eq!(store.namespaces().await.unwrap(), [two.clone(), one]);
    assert_eq!(store.get(&two, &[id(2)]).await.unwrap()[0].as_ref().unwrap().as_raw(), &*rawdoc! { "_id": 2 });
    let ours = store.client().database("oplogsync").list_collection_names().await.unwrap();
    assert!(ours.contains(&"node".to_owned()) && ours.contains(&"oplog".to_owned()), "{ours:?}");
}
