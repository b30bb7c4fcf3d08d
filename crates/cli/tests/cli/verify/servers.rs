//! The same on servers.

use bson::{Document, doc};
use mongodb::{Client, Database, IndexModel};
use oplogsync_mongod::testing;

use crate::{program::Folder, servers::config};

async fn database(uri: &str) -> Database {
    Client::with_uri_str(uri).await.unwrap().default_database().unwrap()
}

/// Documents 1 to 50 of `orders`, an index and a view of them.
async fn fill(source: &Database) {
    let orders = source.collection::<Document>("orders");
    orders.insert_many((1..=50).map(|number| doc! { "_id": number, "qty": number })).await.unwrap();
    orders.create_index(IndexModel::builder().keys(doc! { "qty": 1 }).build()).await.unwrap();
    source.create_collection("many").view_on("orders".to_owned()).pipeline([doc! { "$match": {} }]).await.unwrap();
}

/// Deletes 1, changes 2, adds 99 and drops the index.
async fn disturb(target: &Database) {
    let orders = target.collection::<Document>("orders");
    orders.delete_one(doc! { "_id": 1 }).await.unwrap();
    orders.update_one(doc! { "_id": 2 }, doc! { "$set": { "by": "somebody" } }).await.unwrap();
    orders.insert_one(doc! { "_id": 99 }).await.unwrap();
    orders.drop_index("qty_1").await.unwrap();
}

async fn is_found_and_mended(folder: &Folder, source: &Database, target: &Database) {
    let ns = format!("{}.orders", source.name());
    let all = |texts: &[&str]| texts.iter().map(|text| format!("{ns} {text}")).collect::<Vec<_>>();
    disturb(target).await;
    let found = all(&["1 missing", "2 changed", "99 extra", "index qty_1 missing"]);
    let found: Vec<_> = found.iter().map(String::as_str).collect();
    folder.run(&["verify"]).expect_code(7).shows(&found);
    let mended = all(&["1: put", "2: put", "99: removed", "index qty_1: put"]);
    let mended: Vec<_> = mended.iter().map(String::as_str).collect();
    folder.run(&["verify", "--repair"]).expect_code(0).shows(&mended);
    for mode in ["count", "full"] {
        let equal = format!("{ns}\t50\t50\n✓ db2 equals the primary");
        folder.run(&["verify", "--mode", mode]).expect_code(0).shows(&[&equal]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_follows_a_change_stream_is_mended_and_goes_on() {
    let Some(set) = testing::shared_replica_set().await else { return };
    let Some(replicas) = testing::shared_standalones(1).await else { return };
    let uris = [set.uri().to_owned(), replicas[0].uri().to_owned()];
    let folder = Folder::with(&config(&uris));
    let (source, target) = (database(&uris[0]).await, database(&uris[1]).await);
    fill(&source).await;
    folder.run(&["run", "--once"]).expect_code(0);
    folder.run(&["verify"]).expect_code(0);
    is_found_and_mended(&folder, &source, &target).await;
    let orders = source.collection::<Document>("orders");
    orders.update_many(doc! {}, doc! { "$inc": { "qty": 1 } }).await.unwrap();
    orders.delete_many(doc! { "_id": { "$lte": 2 } }).await.unwrap();
    folder.run(&["run", "--once"]).expect_code(0);
    folder.run(&["verify"]).expect_code(0);
}

/// And nobody but the command itself fills the spool meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_follows_a_spool_is_mended() {
    let Some(set) = testing::shared_replica_set().await else { return };
    let Some(replicas) = testing::shared_standalones(1).await else { return };
    let uris = [set.uri().to_owned(), replicas[0].uri().to_owned()];
    let folder = Folder::with(&format!("[feed]\nspool = \"sled:data/spool\"\n{}", config(&uris)));
    let (source, target) = (database(&uris[0]).await, database(&uris[1]).await);
    fill(&source).await;
    folder.run(&["run", "--once"]).expect_code(0);
    is_found_and_mended(&folder, &source, &target).await;
    folder.run(&["run", "--once"]).expect_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_of_a_managed_oplog_on_a_server_is_mended() {
    let Some(databases) = testing::shared_standalones(2).await else { return };
    let uris: Vec<_> = databases.iter().map(|database| database.uri().to_owned()).collect();
    let folder = Folder::with(&config(&uris));
    let (ns, target) = (format!("{}.datas", databases[0].name()), database(&uris[1]).await);
    let insert = ["write", "insert", "--ns", &ns, "--data", "-"];
    folder.feed(&insert, "{\"_id\": 1, \"a\": 1}\n{\"_id\": 2, \"a\": 1}\n").expect_code(0);
    folder.run(&["run", "--once"]).expect_code(0);
    let documents = target.collection::<Document>("datas");
    documents.delete_one(doc! { "_id": 1 }).await.unwrap();
    documents.insert_one(doc! { "_id": 3 }).await.unwrap();
    let mended = [format!("{ns} 1: put"), format!("{ns} 3: removed")];
    folder.run(&["verify", "--repair"]).expect_code(0).shows(&[&mended[0], &mended[1]]);
    folder.run(&["verify"]).expect_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_mended_while_applications_write() {
    let Some(set) = testing::shared_replica_set().await else { return };
    let Some(replicas) = testing::shared_standalones(1).await else { return };
    let uris = [set.uri().to_owned(), replicas[0].uri().to_owned()];
    let folder = Folder::with(&config(&uris));
    let (source, target) = (database(&uris[0]).await, database(&uris[1]).await);
    fill(&source).await;
    folder.run(&["run", "--once"]).expect_code(0);
    disturb(&target).await;
    let orders = source.collection::<Document>("orders");
    let writer = tokio::spawn(async move {
        loop {
            for number in 1..=50 {
                orders.update_one(doc! { "_id": number }, doc! { "$inc": { "qty": 1 } }).await.unwrap();
            }
        }
    });
    let mended = folder.run(&["verify", "--repair"]);
    writer.abort();
    assert!(writer.await.unwrap_err().is_cancelled());
    // What was written meanwhile differs, and is right: it has only to be applied.
    let ns = format!("{}.orders", source.name());
    mended.expect_code(0).shows(&[&format!("{ns} 1: put"), &format!("{ns} 3: right already"), "✓ db2 is mended"]);
    folder.run(&["run", "--once"]).expect_code(0);
    folder.run(&["verify"]).expect_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_a_run_works_on_is_not_mended() {
    let Some(databases) = testing::shared_standalones(2).await else { return };
    let uris: Vec<_> = databases.iter().map(|database| database.uri().to_owned()).collect();
    let folder = Folder::with(&config(&uris));
    let ns = format!("{}.datas", databases[0].name());
    folder.run(&["load", "--count", "10", "--ns", &ns]).expect_code(0);
    let running = folder.start(&["run", "--log-format", "text", "--progress-every", "200ms"]);
    folder.wait_for_log("node=db2 state=caught_up");
    folder.run(&["verify", "--repair"]).expect_code(9).says(&["db2", "oplogsync process"]);
    running.signal("-TERM");
    running.wait().expect_code(0);
    folder.run(&["verify", "--repair"]).expect_code(0);
}
