//! An initial sync that is killed goes on where it was.

use std::time::Instant;

use bson::doc;
use oplogsync_mongod::{
    Server,
    testing::{self, test_options},
};
use serde_json::Value;

use super::source::{Application, Source, folder};
use crate::program::{Folder, Running};

/// How many documents are copied: `OPLOGSYNC_COPY_DOCUMENTS=1000000` for the full length.
fn documents() -> i32 {
    std::env::var("OPLOGSYNC_COPY_DOCUMENTS")
        .map_or(20_000, |text| text.parse().expect("OPLOGSYNC_COPY_DOCUMENTS is a number"))
}

/// What a copy has logged last.
fn records(folder: &Folder, message: &str) -> Vec<Value> {
    let records = folder.log();
    // The last line may be half written.
    let records = records.lines().filter_map(|line| serde_json::from_str(line).ok());
    records.filter(|record: &Value| record["message"] == message).collect()
}

/// How many documents the running copy has come to.
fn copied(folder: &Folder) -> u64 {
    let progress = records(folder, "progress");
    progress.last().map_or(0, |record| record["documents"].as_u64().unwrap_or_default())
}

/// A run that copies, until it has come to so many documents.
fn copy_until(folder: &Folder, enough: u64) -> Running {
    let mut running = folder.start(&["run", "--progress-every", "20ms"]);
    let deadline = Instant::now() + std::time::Duration::from_secs(600);
    while copied(folder) < enough {
        assert!(Instant::now() < deadline && running.is_running(), "{enough}: {}", folder.log());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(records(folder, "everything is copied, catching up"), [] as [Value; 0], "the kill comes too late");
    running
}

/// How many documents were there already when a run has begun; `None` where the copy began with it.
fn already(log: &str) -> Option<u64> {
    let record = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut begun = record.filter(|record| record["message"].as_str().is_some_and(|it| it.starts_with("initial sync")));
    let first = begun.next().unwrap_or_else(|| panic!("no initial sync: {log}"));
    assert!(begun.next().is_none(), "it began twice: {log}");
    first["already"].as_u64()
}

/// Makes a server slow, so that a copy can be met in its middle.
async fn slow_down(server: &Application, mode: &str) {
    let data = doc! { "failCommands": ["insert"], "blockConnection": true, "blockTimeMS": 150, "appName": "oplogsync" };
    server.command("admin", doc! { "configureFailPoint": "failCommand", "mode": mode, "data": data }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_initial_sync_that_is_killed_twice_does_not_start_over() {
    let Some(source) = Source::start().await else { return };
    let alone = Server::start(&testing::binary().await.unwrap(), test_options()).await.unwrap();
    let replica = Application::on(&alone.uri()).await;
    let count = documents();
    let total = u64::try_from(count).unwrap();
    for (ns, tenths) in [("shop.orders", 5), ("shop.people", 3), ("press.articles", 2)] {
        source.fill(ns, 0..count / 10 * tenths, 150).await;
        let (database, collection) = ns.split_once('.').unwrap();
        let index = doc! { "key": { "qty": 1 }, "name": "qty_1" };
        source.command(database, doc! { "createIndexes": collection, "indexes": [index] }).await;
    }
    let folder = folder("", &source.uri(), &[("alone", &alone.uri())]);
    // A long copy is met in its middle anyway.
    let is_short = count < 100_000;
    slow_down(&replica, if is_short { "alwaysOn" } else { "off" }).await;

    let (mut kept, began) = (None, Instant::now());
    for percent in [30, 70] {
        let running = copy_until(&folder, total * percent / 100);
        // The source does not stand still meanwhile.
        source.update("shop.orders", 1, doc! { "$inc": { "qty": 1 } }).await;
        source.update("shop.orders", count / 2 - 1, doc! { "$inc": { "qty": 1 } }).await;
        let seen = copied(&folder);
        running.kill();
        let began_with = already(&folder.log());
        eprintln!("{:?}: began with {began_with:?}, killed at {seen} of {total}", began.elapsed());
        assert!(began_with >= kept && began_with.is_some() == kept.is_some(), "{kept:?} were kept: {began_with:?}");
        let status = folder.run(&["status", "--json"]).expect_code(0).json();
        let status = &status["replicas"][0];
        assert_eq!(status["state"], "initial_sync", "{status}");
        assert_eq!(status["initialSync"]["ofDocuments"], total, "{status}");
        kept = status["initialSync"]["documents"].as_u64();
        assert!(kept.is_some_and(|kept| kept >= seen && kept < total), "{seen}: {status}");
    }
    slow_down(&replica, "off").await;
    let last = folder.run(&["run", "--once", "--log-format", "json"]).expect_code(0);
    let began_with = already(&last.stderr);
    eprintln!("{:?}: the last run began with {began_with:?} and took {:?}", began.elapsed(), last.took);
    eprintln!("{}", last.stderr.lines().find(|line| line.contains("everything is copied")).unwrap_or_default());
    assert!(began_with >= kept, "{kept:?} were kept: {began_with:?}");
    folder.run(&["verify"]).expect_code(0).shows(&["✓ alone"]);
    assert_eq!(replica.count("shop.people").await, total * 3 / 10);
    assert_eq!(replica.indexes("press.articles").await, ["_id_", "qty_1"]);
}
