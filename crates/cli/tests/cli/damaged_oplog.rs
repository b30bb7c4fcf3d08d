//! A log that somebody edited, cut or exchanged on a real server: a loud stop, and nothing lost.

use bson::{Document, doc};
use mongodb::Collection;
use oplogsync_mongod::testing;
use oplogsync_store_mongo::{MongoStore, Options, Scope};

use crate::{
    program::{Answer, Folder},
    servers::{config, namespace},
};

/// A primary with ten documents and a replica that has half of them.
struct Pair {
    folder: Folder,
    namespace: String,
    oplog: Collection<Document>,
    replica: Collection<Document>,
}

async fn collection(database: &testing::Database, name: &str) -> Collection<Document> {
    let store = MongoStore::connect(database.uri(), "test", Scope::Server, Options::default()).await.unwrap();
    store.client().database(database.name()).collection(name)
}

impl Pair {
    async fn new() -> Option<Self> {
        let databases = testing::shared_standalones(2).await?;
        let uris: Vec<_> = databases.iter().map(|database| database.uri().to_owned()).collect();
        let folder = Folder::with(&config(&uris));
        let namespace = namespace(&folder);
        let pair = Self {
            oplog: collection(&databases[0], "oplogsync.oplog").await,
            replica: collection(&databases[1], "datas").await,
            folder,
            namespace,
        };
        pair.insert(1..=5);
        pair.folder.run(&["run", "--once"]).expect_code(0);
        pair.insert(6..=10);
        Some(pair)
    }

    fn insert(&self, ids: std::ops::RangeInclusive<u32>) {
        let lines: Vec<_> = ids.map(|id| format!("{{\"_id\": {id}, \"qty\": 1}}")).collect();
        let insert = ["write", "insert", "--ns", &self.namespace, "--data", "-"];
        self.folder.feed(&insert, &lines.join("\n")).expect_code(0);
    }

    /// The index of the entry that inserted a document, seen in the log as people see it.
    async fn index_of(&self, id: i32) -> i64 {
        let entry = self.oplog.find_one(doc! { "op": "i", "o._id": id }).await.unwrap().unwrap();
        entry.get_i64("_id").unwrap()
    }

    async fn edit(&self, id: i32, change: Document) -> i64 {
        let index = self.index_of(id).await;
        let edited = self.oplog.update_one(doc! { "_id": index }, doc! { "$set": change }).await.unwrap();
        assert_eq!(edited.modified_count, 1);
        index
    }

    /// Runs, and checks that the replica has stopped before document 8 and holds what it held.
    async fn stops_before_8(&self, code: i32, says: &[&str]) -> Answer {
        let answer = self.folder.run(&["run", "--once", "--log-format", "text"]).expect_code(code);
        let (_log, error) = answer.stderr.split_once("\nerror: ").unwrap();
        for text in says {
            assert!(error.contains(text), "`{text}` is missing: {answer:#?}");
        }
        let held = self.replica.count_documents(doc! {}).await.unwrap();
        assert!((5..=7).contains(&held), "{held}: {answer:#?}");
        assert_eq!(self.replica.count_documents(doc! { "_id": { "$lte": 5 } }).await.unwrap(), 5);
        answer
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_of_an_unknown_kind_stops_the_replica_before_it() {
    let Some(pair) = Pair::new().await else { return };
    let index = pair.edit(8, doc! { "op": "x" }).await;
    let entry = format!("entry {index} in");
    pair.stops_before_8(4, &["db1", &entry, "kind `x` is unknown"]).await;
    pair.folder.run(&["oplog", "show", &index.to_string()]).expect_code(4).says(&[&entry, "kind `x`"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_of_an_unknown_version_stops_the_replica_before_it() {
    let Some(pair) = Pair::new().await else { return };
    let index = pair.edit(8, doc! { "v": 2 }).await;
    pair.stops_before_8(4, &["db1", &format!("entry {index} in"), "version"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_with_a_field_that_is_not_known_stops_the_replica_before_it() {
    let Some(pair) = Pair::new().await else { return };
    let index = pair.edit(8, doc! { "surprise": 1 }).await;
    pair.stops_before_8(4, &["db1", &format!("entry {index} in"), "surprise"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_was_edited_stops_the_replica_before_it_and_goes_on_once_it_is_restored() {
    let Some(pair) = Pair::new().await else { return };
    let index = pair.edit(8, doc! { "o.qty": 2 }).await;
    pair.stops_before_8(4, &["db1", &format!("entry {index} in"), "changed after it was written"]).await;
    pair.edit(8, doc! { "o.qty": 1 }).await;
    pair.folder.run(&["run", "--once"]).expect_code(0);
    pair.folder.run(&["verify"]).expect_code(0).shows(&["✓ db2"]);
    assert_eq!(pair.replica.count_documents(doc! {}).await.unwrap(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_in_the_oplog_stops_the_replica_before_it() {
    let Some(pair) = Pair::new().await else { return };
    let index = pair.index_of(8).await;
    pair.oplog.delete_one(doc! { "_id": index }).await.unwrap();
    let gap = format!("the log has a gap: index {index} was expected");
    let answer = pair.stops_before_8(4, &["db2 cannot follow db1", &gap, "restore"]).await;
    assert_eq!(pair.folder.run(&["run", "--once"]).code, answer.code, "it is not passed over later");
    let status = pair.folder.run(&["status"]).expect_code(5).shows(&["db2\tstopped", "gap"]);
    assert!(!status.stdout.contains("caught_up"), "{status:#?}");
    for tail in [&["oplog", "tail"][..], &["oplog", "tail", "-f"], &["oplog", "tail", "--ns", &pair.namespace]] {
        pair.folder.run(tail).expect_code(4).says(&["db1: the oplog has a gap", &index.to_string()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oplog_that_lost_the_entry_at_the_checkpoint_is_not_followed() {
    let Some(pair) = Pair::new().await else { return };
    let index = pair.index_of(5).await;
    pair.oplog.delete_one(doc! { "_id": index }).await.unwrap();
    pair.stops_before_8(4, &["db2 cannot follow db1", "restore"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oplog_whose_newest_entries_are_gone_is_told_and_not_written_to() {
    let Some(pair) = Pair::new().await else { return };
    pair.folder.run(&["run", "--once"]).expect_code(0);
    let index = pair.index_of(9).await;
    pair.oplog.delete_many(doc! { "_id": { "$gte": index } }).await.unwrap();
    let says = ["db1: its documents do not belong to its oplog: restore both", "went back in time"];
    pair.folder.run(&["run", "--once"]).expect_code(4).says(&says);
    let insert = ["write", "insert", "--ns", &pair.namespace, "--data", "{}"];
    pair.folder.run(&insert).expect_code(4).says(&says);
    pair.folder.run(&["status"]).expect_code(8).shows(&["db2\tahead", "oplogsync verify"]);
    assert_eq!(pair.replica.count_documents(doc! {}).await.unwrap(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_pointed_at_another_primary_keeps_its_documents_and_exits_8() {
    let Some(databases) = testing::shared_standalones(3).await else { return };
    let uris: Vec<_> = databases.iter().map(|database| database.uri().to_owned()).collect();
    let folder = Folder::with(&config(&uris[..2]));
    let load = |file: &str| folder.run(&["load", "-c", file, "--count", "20", "--ns", &namespace_in(&folder, file)]);
    load("oplogsync.toml").expect_code(0);
    folder.run(&["run", "--once"]).expect_code(0);
    folder.write("other.toml", &config(&[uris[2].clone(), uris[1].clone()]));
    load("other.toml").expect_code(0);
    let replica = collection(&databases[1], "datas").await;
    let before = replica.count_documents(doc! {}).await.unwrap();
    folder.run(&["check", "-c", "other.toml"]).expect_code(8).shows(&["follows the oplog of another primary"]);
    folder.run(&["run", "-c", "other.toml", "--once"]).expect_code(8).says(&["synced from another primary"]);
    assert_eq!(replica.count_documents(doc! {}).await.unwrap(), before);
    folder.run(&["run", "--once"]).expect_code(0);
    folder.run(&["verify"]).expect_code(0).shows(&["✓ db2"]);
}

fn namespace_in(folder: &Folder, file: &str) -> String {
    crate::servers::namespace_of(&std::fs::read_to_string(folder.path().join(file)).unwrap())
}
