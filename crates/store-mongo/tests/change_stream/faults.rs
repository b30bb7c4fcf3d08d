//! A server that refuses, is slow, or goes away in the middle is followed on; and what cannot be followed any more
//! is told as what it is.

use std::time::Duration;

use bson::{Document, doc};
use oplogsync_core::documents::Documents;
use oplogsync_store_mongo::{MongoStore, Options, Scope};

use super::{
    follower::{Follower, synced},
    source::{Source, filter, set_of_one},
};

/// Its commands fail, and nobody else's.
const FAILING: &str = "failing";
/// What a stream is opened with. (The greeting, which is asked too, is the driver's own heartbeat as well.)
const OPENING: [&str; 4] = ["replSetGetConfig", "buildInfo", "find", "aggregate"];
/// What passes: hosts that are not reached, elections, shutdowns, time limits.
const PASSING: [i32; 15] = [6, 7, 50, 89, 91, 133, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436, 43];
/// What passes for a stream: cursors that were killed, routers that know too little.
const PASSING_FOR_STREAMS: [i32; 4] = [63, 150, 234, 237];

async fn source(uri: &str, request_timeout: Duration) -> Source {
    let options = Options { request_timeout, ..Options::default() };
    // After some errors the driver waits for the next heartbeat.
    let failing = format!("{uri}&appName={FAILING}&heartbeatFrequencyMS=500");
    let store = MongoStore::connect(&failing, "source", Scope::Server, options).await.expect("the server takes us");
    Source::of(uri, store, filter(&[], &[])).await
}

/// Lets the next commands of these kinds fail.
async fn fail(source: &Source, commands: &[&str], times: i32, how: Document) {
    let mut data = doc! { "failCommands": commands.to_vec(), "appName": FAILING };
    data.extend(how);
    source
        .command("admin", doc! { "configureFailPoint": "failCommand", "mode": { "times": times }, "data": data })
        .await;
}

/// How many commands have failed so far. None will any more.
async fn failed(source: &Source) -> i64 {
    let off = source.command("admin", doc! { "configureFailPoint": "failCommand", "mode": "off" }).await;
    off.get_i64("count").or_else(|_| off.get_i32("count").map(i64::from)).expect("it was counted")
}

/// Writes, so that the stream that is waiting goes on, until so many commands have failed in all.
async fn write_until(source: &Source, follower: &mut Follower, retries: usize) {
    let mut id = 0;
    while follower.told.borrow().retried.len() < retries && follower.told.borrow().stopped.is_none() {
        source.insert("shop.orders", doc! { "id": id }).await;
        id += 1;
        tokio::time::timeout(Duration::from_millis(20), follower.told.changed()).await.ok();
    }
}

/// Lets a read of the stream fail, and then the commands by which it is opened anew.
async fn meet(source: &Source, follower: &mut Follower, opening: &[&str], how: Document) {
    let known = follower.told.borrow().retried.len();
    let times = 1 + opening.len();
    let commands: Vec<&str> = ["getMore"].into_iter().chain(opening.iter().copied()).collect();
    fail(source, &commands, i32::try_from(times).unwrap(), how.clone()).await;
    write_until(source, follower, known + times).await;
    assert_eq!(follower.told.borrow().stopped, None, "{how} on {commands:?}");
    // The next failure is then the first of its kind again.
    follower.catch_up(source).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_that_pass_are_tried_again_and_nothing_is_lost_or_done_twice() {
    let Some(set) = set_of_one("passing").await else { return };
    let source = source(&set.uri(), Duration::from_secs(30)).await;
    let (target, mut follower) = synced(&source).await;
    for code in PASSING {
        meet(&source, &mut follower, &[], doc! { "errorCode": code }).await;
        for command in OPENING {
            meet(&source, &mut follower, &[command], doc! { "errorCode": code }).await;
        }
    }
    for code in PASSING_FOR_STREAMS {
        meet(&source, &mut follower, &["aggregate"], doc! { "errorCode": code }).await;
    }
    for command in OPENING {
        meet(&source, &mut follower, &[command], doc! { "closeConnection": true }).await;
    }
    follower.catch_up(&source).await;
    source.expect_equal(&target).await;
    let told = follower.end().await;
    assert!(told.retried.len() >= 140, "{} failures", told.retried.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_come_in_time_is_waited_for_longer_the_next_time() {
    let Some(set) = set_of_one("slow").await else { return };
    let source = source(&set.uri(), Duration::from_secs(1)).await;
    let (target, mut follower) = synced(&source).await;
    // Longer than a request may take, and twice that, but not four times.
    fail(&source, &["aggregate"], 3, doc! { "blockConnection": true, "blockTimeMS": 6_000 }).await;
    fail_next_read(&source, &mut follower).await;
    source.insert("shop.orders", doc! { "_id": "last" }).await;
    follower.catch_up(&source).await;
    source.expect_equal(&target).await;
    let told = follower.end().await;
    let slow = told.retried.iter().filter(|words| words.contains("in time")).count();
    assert!((1..=3).contains(&slow), "{:?}", told.retried);
}

/// Kills what the stream is read with.
async fn fail_next_read(source: &Source, follower: &mut Follower) {
    let known = follower.told.borrow().retried.len();
    let own = doc! { "$currentOp": { "idleCursors": true } };
    let app = doc! { "$match": { "$or": [{ "appName": FAILING }, { "cursor.originatingCommand.pipeline.0.$changeStream": { "$exists": true } }] } };
    let list = doc! { "aggregate": 1, "pipeline": [own, app], "cursor": {} };
    let listed = source.command("admin", list).await;
    let cursors: Vec<i64> = listed
        .get_document("cursor")
        .and_then(|cursor| cursor.get_array("firstBatch"))
        .expect("they are listed")
        .iter()
        .filter_map(|op| op.as_document()?.get_document("cursor").ok()?.get_i64("cursorId").ok())
        .collect();
    source.command("admin", doc! { "killCursors": "$cmd.aggregate", "cursors": cursors }).await;
    write_until(source, follower, known + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_pass_stops_the_target_as_what_it_is() {
    let Some(set) = set_of_one("stopping").await else { return };
    let source = source(&set.uri(), Duration::from_secs(30)).await;
    let stops = [
        (286, "getMore", "too stale"),
        (136, "getMore", "too stale"),
        (286, "aggregate", "too stale"),
        (280, "aggregate", "went back in time"),
        (50811, "aggregate", "not the source that was followed"),
        (13, "aggregate", "changeStream and find"),
        (13, "replSetGetConfig", "replSetGetConfig"),
        (40415, "aggregate", "MongoDB 6.0 or newer"),
        (4711, "getMore", "4711"),
    ];
    for (code, command, expected) in stops {
        let (target, mut follower) = synced(&source).await;
        if command == "getMore" {
            fail(&source, &[command], 1_000, doc! { "errorCode": code }).await;
        } else {
            // Only a stream that is opened anew meets it.
            follower.end().await;
            fail(&source, &[command], 1_000, doc! { "errorCode": code }).await;
            follower = Follower::start(&source, &target);
        }
        let words = follower.wait_for_stop().await;
        failed(&source).await;
        assert!(words.contains(expected), "{code}: {words}");
        let stop = target.stop().await.unwrap().expect("it is remembered");
        assert_eq!(stop.too_stale, expected == "too stale", "{code}");
    }
}
