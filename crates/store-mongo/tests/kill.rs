//! mongod is killed again and again under load, as a crash does it, and nothing that was acknowledged is lost.
//!
//! `OPLOGSYNC_MONGOD_KILL_CYCLES=200` is the full length; `OPLOGSYNC_SEED` repeats the choice of moments and victims.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use oplogsync_core::{
    feed::OplogFeed,
    host::SystemHost,
    log::Log,
    primary::{Primary, PrimaryOptions},
    replicator::{Replicator, ReplicatorOptions},
    testing::documents::DATABASE,
};
use oplogsync_mongod::{Options as ServerOptions, Server, testing::binary};
use oplogsync_store_mongo::{MongoStore, Options, Scope};

use crate::{fixture::seeded, oracle::Oracle, punctual::Punctual, replica::Replica, writers::Writers};

/// How long a request may take; a call of a store is a few requests, and a transaction's tries.
const REQUEST: Duration = Duration::from_secs(2);
const CALL_MAX: Duration = Duration::from_secs(30);
const WRITERS: u8 = 4;

fn cycles() -> u64 {
    let cycles = std::env::var("OPLOGSYNC_MONGOD_KILL_CYCLES");
    cycles.map_or(20, |text| text.parse().expect("OPLOGSYNC_MONGOD_KILL_CYCLES is a number"))
}

async fn connect(server: &Server, node: &str) -> MongoStore {
    let scope = Scope::Database { logical: DATABASE.to_owned(), physical: "killed".to_owned() };
    let options = Options { request_timeout: REQUEST, selection_timeout: REQUEST, ..Options::default() };
    let uri = format!("mongodb://127.0.0.1:{}/?heartbeatFrequencyMS=500", server.port());
    MongoStore::connect(&uri, node, scope, options).await.expect("the server takes us")
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_and_no_replica_stops_though_mongod_is_killed_again_and_again() {
    let Some(binary) = binary().await else { return };
    let mut random = seeded("kill");
    let start = || Server::start(&binary, ServerOptions::default());
    let (mut source, mut target) = tokio::try_join!(start(), start()).expect("they start");
    let primary_store = Punctual::new(connect(&source, "primary").await);
    let (feed_store, target_store) =
        (Punctual::new(connect(&source, "primary").await), Punctual::new(connect(&target, "replica").await));
    let primary = Primary::open(primary_store.clone(), SystemHost, PrimaryOptions::default()).await.expect("it opens");
    let mut writers = Writers::start(&Arc::new(primary), random.draw(), WRITERS);
    let options = ReplicatorOptions { poll_interval: Duration::from_millis(20), ..ReplicatorOptions::default() };
    let feed = OplogFeed::new(feed_store.clone(), "primary");
    let mut replica = Replica::start(Replicator::new("replica", feed, target_store.clone(), SystemHost, options));

    let (mut oracle, mut killed, started, mut head) = (Oracle::default(), [0, 0], Instant::now(), 0);
    for cycle in 0..cycles() {
        writers.wait_for(usize::try_from(1 + random.below(200)).unwrap()).await;
        // The first three make sure that each choice is made.
        let victims = if cycle < 3 { cycle } else { random.below(3) };
        let (kill_source, kill_target) = (victims != 1, victims != 0);
        if kill_source {
            source.kill().expect("it is killed");
            killed[0] += 1;
        }
        if kill_target {
            target.kill().expect("it is killed");
            killed[1] += 1;
        }
        let restart = async |server: &mut Server, killed: bool| {
            if killed {
                server.restart().await.expect("it opens again");
            }
        };
        tokio::join!(restart(&mut source, kill_source), restart(&mut target, kill_target));
        writers.wait_for(1).await;

        let quiet = writers.ledger.quiet().await;
        let (behind, beyond) = (connect(&source, "primary").await, connect(&target, "replica").await);
        let ends = behind.log_ends().await.expect("it is read").expect("there is a log");
        replica.wait_for(ends.head.position.index).await;
        head = oracle.check(&behind, &beyond, &writers.ledger.acknowledged()).await;
        drop(quiet);
    }
    let (acknowledged, retried) = (writers.ledger.acknowledged().len(), writers.ledger.retried());
    writers.end().await;
    let told = replica.told.borrow().clone();
    replica.end().await;
    for store in [&primary_store, &feed_store, &target_store] {
        store.expect_within(CALL_MAX);
    }
    eprintln!(
        "{} cycles in {:?}: the primary's server killed {} times, the replica's {} times; {acknowledged} writes acknowledged, \
         {retried} tries again, {head} entries, {} documents, {} steps of the replica tried again; lost: 0",
        cycles(),
        started.elapsed(),
        killed[0],
        killed[1],
        oracle.documents().len(),
        told.retried,
    );
}
