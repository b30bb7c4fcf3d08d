//! What there is comes over, what happens then follows, and everybody can see how far it is.

use bson::{Document, doc};
use oplogsync_mongod::{
    Server,
    testing::{self, test_options},
};
use oplogsync_store_mongo::{MongoStore, Scope};
use oplogsync_store_sled::SledStore;
use serde_json::json;

use super::source::{Application, Source, copies, folder};
use crate::{application::expect_equal, program::Folder};

/// A shop with something of every kind.
async fn stock(source: &Source) {
    source.fill("shop.orders", 0..300, 20).await;
    let indexes = [
        doc! { "key": { "qty": 1 }, "name": "qty_1" },
        doc! { "key": { "no": 1 }, "name": "no_1", "unique": true, "partialFilterExpression": { "no": { "$gt": 0 } } },
    ];
    source.command("shop", doc! { "createIndexes": "orders", "indexes": indexes.to_vec() }).await;
    source
        .command("shop", doc! { "create": "large", "viewOn": "orders", "pipeline": [{ "$match": { "qty": 99 } }] })
        .await;
    source.command("shop", doc! { "create": "people", "validator": { "name": { "$type": "string" } } }).await;
    source.command("shop", doc! { "create": "names", "collation": { "locale": "de", "strength": 2 } }).await;
    source.insert("shop.people", [doc! { "_id": 1, "name": "Ada" }, doc! { "_id": 2, "name": "Grace" }]).await;
    source.fill("press.articles", 0..50, 1_000).await;
}

async fn change_documents(source: &Source) {
    source.fill("shop.orders", 300..320, 20).await;
    source.update("shop.orders", 1, doc! { "$set": { "a.b": [1, { "c": 2 }, 3] }, "$unset": { "text": 1 } }).await;
    source.update("shop.orders", 1, doc! { "$push": { "a.b": 4 }, "$inc": { "qty": 7 } }).await;
    let cut = vec![doc! { "$set": { "a.b": { "$slice": ["$a.b", 1] } } }];
    source.collection("shop.orders").update_one(doc! { "_id": 1 }, cut).await.unwrap();
    source.collection("shop.orders").replace_one(doc! { "_id": 2 }, doc! { "new": true }).await.unwrap();
    source.collection("shop.orders").delete_many(doc! { "_id": { "$gte": 10, "$lt": 20 } }).await.unwrap();
    let mut session = source.client.start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    source.collection("shop.orders").delete_one(doc! { "_id": 3 }).session(&mut session).await.unwrap();
    let person = doc! { "_id": 3, "name": "Barbara" };
    source.collection("shop.people").insert_one(person).session(&mut session).await.unwrap();
    session.commit_transaction().await.unwrap();
}

async fn change_collections(source: &Source) {
    let index = doc! { "key": { "name": 1 }, "name": "name_1", "unique": true };
    source.command("shop", doc! { "createIndexes": "people", "indexes": [index] }).await;
    source.command("shop", doc! { "dropIndexes": "orders", "index": "qty_1" }).await;
    source.command("shop", doc! { "collMod": "people", "validator": { "name": { "$exists": true } } }).await;
    source.fill("shop.passing", 0..3, 1).await;
    source.command("shop", doc! { "drop": "passing" }).await;
    source.fill("shop.draft", 0..3, 1).await;
    let rename = doc! { "renameCollection": "shop.draft", "to": "shop.names", "dropTarget": true };
    source.command("admin", rename).await;
    source.command("press", doc! { "dropDatabase": 1 }).await;
}

async fn expect_all_equal(source: &Source, alone: &str, folder: &Folder) {
    let store = async |uri: String, name: &str| {
        let options = oplogsync_store_mongo::Options::default();
        MongoStore::connect(&uri, name, Scope::Server, options).await.unwrap()
    };
    let origin = store(source.uri(), "app").await;
    expect_equal(&origin, &store(alone.to_owned(), "alone").await).await;
    let options = oplogsync_store_sled::Options::default();
    expect_equal(&origin, &SledStore::open(folder.path().join("mirror"), "mirror", options).unwrap()).await;
}

/// What somebody sees through the view.
async fn view(application: &Application) -> Vec<Document> {
    let mut cursor = application.collection("shop.large").find(doc! {}).await.unwrap();
    let mut found = Vec::new();
    while cursor.advance().await.unwrap() {
        found.push(cursor.deserialize_current().unwrap());
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_is_copied_and_what_happens_then_follows() {
    let Some(source) = Source::start().await else { return };
    let alone = Server::start(&testing::binary().await.unwrap(), test_options()).await.unwrap();
    let replica = Application::on(&alone.uri()).await;
    let folder = folder("", &source.uri(), &[("alone", &alone.uri()), ("mirror", "sled:mirror")]);
    stock(&source).await;

    folder.run(&["run", "--once"]).expect_code(0).says(&["initial sync begins", "everything is copied"]);
    let verified = folder.run(&["verify", "--json"]).expect_code(0).json();
    assert_eq!(verified["equal"], json!(true));
    expect_all_equal(&source, &alone.uri(), &folder).await;
    assert_eq!(replica.collections("shop").await, ["large", "names", "orders", "people"]);
    assert_eq!(replica.indexes("shop.orders").await, ["_id_", "no_1", "qty_1"]);
    assert_eq!(view(&replica).await, view(&source).await);
    assert_eq!(view(&replica).await.len(), 3);

    let running = folder.start(&["run"]);
    change_documents(&source).await;
    change_collections(&source).await;
    source.insert("shop.marks", [doc! { "_id": 1 }]).await;
    replica.wait_for("shop.marks", 1).await;
    assert_eq!(replica.get("shop.orders", 1).await, source.get("shop.orders", 1).await);
    assert_eq!(replica.indexes("shop.people").await, ["_id_", "name_1"]);
    assert_eq!(replica.collections("press").await, Vec::<String>::new());
    let status = folder.run(&["status", "--node", "alone"]).expect_code(0);
    status.shows(&["change stream", "newest write", "alone\tfollowing\t"]);
    let status = folder.run(&["status", "--node", "alone", "--json"]).expect_code(0).json();
    assert_eq!(status["primary"]["feed"], json!("change-stream"));
    assert!(status["replicas"][0]["appliedBy"].is_string(), "{status}");
    assert!(status["replicas"][0]["headroomSeconds"].is_number(), "{status}");

    running.signal("-TERM");
    assert_eq!(running.wait().code, 0, "{}", folder.log());
    let again = folder.run(&["run", "--once"]).expect_code(0);
    assert!(!copies(&again.stderr), "{again:?}");
    folder.run(&["verify"]).expect_code(0).shows(&["✓ alone", "✓ mirror"]);
    expect_all_equal(&source, &alone.uri(), &folder).await;
    folder.run(&["status"]).expect_code(0).shows(&["alone\tfollowing\t", "mirror\tfollowing\t"]);
}
