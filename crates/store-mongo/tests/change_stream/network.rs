//! A network that delays, cuts, swallows and loses replies, between a set and its feed.
//!
//! `OPLOGSYNC_PROXY_CONNECTIONS=2000` is a long storm; `OPLOGSYNC_SEED` repeats its choices.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use oplogsync_core::testing::random::Random;
use oplogsync_store_mongo::{MongoStore, Options, Scope};

use super::{
    follower::synced,
    load::Load,
    source::{Source, filter, set_of_one},
};
use crate::{
    fixture::{seeded, words},
    proxy::{Proxy, Script},
};

const FAULTS: [&str; 5] = ["black hole", "cut mid-frame", "reply cut after commit", "reply dropped", "request dropped"];
/// Each kind of fault must have happened this often before the storm ends.
const FAULTS_MIN: u64 = 2;

fn connections() -> u64 {
    let connections = std::env::var("OPLOGSYNC_PROXY_CONNECTIONS");
    connections.map_or(60, |text| text.parse().expect("OPLOGSYNC_PROXY_CONNECTIONS is a number"))
}

async fn connect(port: u16) -> MongoStore {
    let request_timeout = Duration::from_millis(500);
    let options = Options { request_timeout, selection_timeout: Duration::from_secs(1), ..Options::default() };
    let uri =
        format!("mongodb://127.0.0.1:{port}/?directConnection=true&heartbeatFrequencyMS=500&connectTimeoutMS=300");
    let mut tries = 0;
    loop {
        tries += 1;
        match MongoStore::connect(&uri, "source", Scope::Server, options).await {
            Ok(store) => return store,
            // Many tests share few cores, and the deadlines are short.
            Err(error) => assert!(tries < 10, "{}", words(&error)),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_storm_between_a_set_and_its_feed_nothing_is_lost_or_done_twice() {
    let Some(set) = set_of_one("weather").await else { return };
    let mut random = seeded("change_stream::network");
    let proxy = Proxy::start(set.members()[0].port(), Script::new()).await;
    let mut source = Source::of(&set.uri(), connect(proxy.port).await, filter(&[], &[])).await;
    source.options.await_time = Duration::from_millis(200);
    let (target, mut follower) = synced(&source).await;
    let mut load = Load::start(&source.client, &mut random, 2);
    load.wait_for(50).await;

    let started = Instant::now();
    proxy.script.begin_storm(Random::new(random.draw()));
    let enough = |happened: &BTreeMap<&str, u64>| FAULTS.iter().all(|fault| happened.get(fault) >= Some(&FAULTS_MIN));
    while proxy.script.connections() < connections() || !enough(&proxy.script.happened()) {
        load.wait_for(10).await;
        assert_eq!(follower.told.borrow().stopped, None);
    }
    proxy.script.end_storm();
    let (stormy, done) = (started.elapsed(), load.end().await);
    let calm = Source::whole(&set.uri()).await;
    follower.catch_up(&calm).await;
    calm.expect_equal(&target).await;
    let told = follower.end().await;
    eprintln!(
        "a storm of {stormy:?}, {:?} to settle: {} connections, {:?}; {done} writes, {} batches, {} steps tried again",
        started.elapsed().saturating_sub(stormy),
        proxy.script.connections(),
        proxy.script.happened(),
        told.batches.len(),
        told.retried.len(),
    );
}
