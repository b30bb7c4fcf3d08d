//! The primary of a set of three is stepped down and killed under load: nothing is lost, and nothing is done twice.
//!
//! `OPLOGSYNC_FAILOVERS=20` is a longer run; `OPLOGSYNC_SEED` repeats the choices.

use std::time::{Duration, Instant};

use bson::doc;
use mongodb::Client;
use oplogsync_core::testing::random::Random;
use oplogsync_mongod::{
    ReplicaSet,
    testing::{binary, test_options},
};
use oplogsync_store_mongo::{MongoStore, Options, Scope};

use super::{
    follower::{Follower, synced},
    load::Load,
    source::{Source, filter},
};
use crate::fixture::seeded;

fn failovers() -> u64 {
    std::env::var("OPLOGSYNC_FAILOVERS").map_or(4, |text| text.parse().expect("OPLOGSYNC_FAILOVERS is a number"))
}

async fn step_down(set: &ReplicaSet, primary: usize) {
    let port = set.members()[primary].port();
    let client = Client::with_uri_str(format!("mongodb://127.0.0.1:{port}/?directConnection=true")).await.unwrap();
    // It may have been another's turn already.
    let down = doc! { "replSetStepDown": 30, "secondaryCatchUpPeriodSecs": 10, "force": true };
    drop(client.database("admin").run_command(down).await);
}

async fn fail_over(set: &mut ReplicaSet, random: &mut Random) -> &'static str {
    let primary = set.wait_for_primary().await.expect("there is one");
    if random.below(2) == 0 {
        step_down(set, primary).await;
        return "stepped down";
    }
    set.members_mut()[primary].kill().expect("it is killed");
    set.wait_for_primary().await.expect("there is another one");
    set.members_mut()[primary].restart().await.expect("it comes back");
    "killed"
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_done_twice_though_the_primary_is_stepped_down_and_killed_under_load() {
    let Some(binary) = binary().await else { return };
    let mut random = seeded("failover");
    let mut set = ReplicaSet::start(&binary, "failover", 3, test_options()).await.expect("it starts");
    let uri = format!("{}&heartbeatFrequencyMS=500", set.uri());
    let options = Options { selection_timeout: Duration::from_secs(10), ..Options::default() };
    let store = MongoStore::connect(&uri, "source", Scope::Server, options).await.expect("the server takes us");
    let source = Source::of(&uri, store, filter(&[], &[])).await;
    let (target, mut follower) = synced(&source).await;
    let mut load = Load::start(&source.client, &mut random, 4);
    load.wait_for(100).await;

    let started = Instant::now();
    let mut happened = Vec::new();
    for _ in 0..failovers() {
        happened.push(fail_over(&mut set, &mut random).await);
        load.wait_for(200).await;
    }
    let done = load.end().await;
    set.wait_for_primary().await.expect("there is one");
    // A new write: what was under way is decided before it.
    source.insert("shop.orders", doc! { "_id": "last" }).await;
    follower.catch_up(&source).await;
    source.expect_equal(&target).await;
    let told = follower.end().await;
    eprintln!(
        "{happened:?} in {:?}: {done} writes, {} batches, {} steps tried again",
        started.elapsed(),
        told.batches.len(),
        told.retried.len(),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_was_away_while_the_primary_changed_goes_on() {
    let Some(binary) = binary().await else { return };
    let mut random = seeded("away");
    let set = ReplicaSet::start(&binary, "away", 3, test_options()).await.expect("it starts");
    let source = Source::whole(&format!("{}&heartbeatFrequencyMS=500", set.uri())).await;
    let (target, mut follower) = synced(&source).await;
    let mut load = Load::start(&source.client, &mut random, 2);
    load.wait_for(100).await;
    // Wherever it is.
    follower.kill().await;
    let primary = set.wait_for_primary().await.expect("there is one");
    step_down(&set, primary).await;
    load.wait_for(100).await;
    follower = Follower::start(&source, &target);
    load.wait_for(100).await;
    load.end().await;
    source.insert("shop.orders", doc! { "_id": "last" }).await;
    follower.catch_up(&source).await;
    source.expect_equal(&target).await;
    follower.end().await;
}
