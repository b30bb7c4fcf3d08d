//! A network that delays, cuts, swallows and loses replies, between real servers and a primary with its replicas.
//!
//! `OPLOGSYNC_PROXY_CONNECTIONS=2000` is the full length of the storm; `OPLOGSYNC_SEED` repeats its choices.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use oplogsync_core::{
    feed::OplogFeed,
    host::SystemHost,
    initial_sync::SyncTarget,
    log::Log,
    primary::{Primary, PrimaryOptions},
    replicator::{Replicator, ReplicatorOptions},
    retry::{Decision, decide_store},
    testing::{documents::DATABASE, random::Random},
};
use oplogsync_mongod::{
    ReplicaSet, Server,
    testing::{binary, test_options},
};
use oplogsync_store_mongo::{MongoStore, Options, Scope};

use crate::{
    fixture::{self, seeded, words},
    oracle::Oracle,
    proxy::{Proxy, Script},
    punctual::Punctual,
    replica::Replica,
    writers::{Writers, expect_passing},
};

const REPLICAS: [&str; 2] = ["replica-1", "replica-2"];
const REQUEST: Duration = Duration::from_millis(500);
const SELECTION: Duration = Duration::from_secs(1);
/// A call is several requests, each of which waits up to a second longer than the server may work; a transaction is
/// tried three times.
const CALL_MAX: Duration = Duration::from_secs(30);
/// Each kind of fault must have happened this often before a storm ends.
const FAULTS_MIN: u64 = 3;
const FAULTS: [&str; 6] =
    ["black hole", "cut mid-frame", "delay", "reply cut after commit", "reply dropped", "request dropped"];

fn connections() -> u64 {
    let connections = std::env::var("OPLOGSYNC_PROXY_CONNECTIONS");
    connections.map_or(120, |text| text.parse().expect("OPLOGSYNC_PROXY_CONNECTIONS is a number"))
}

/// A store in the database `physical` of the server that is reached through `port`, whose requests may take as long
/// as `request`.
pub(crate) async fn connect(port: u16, physical: &str, request: Duration) -> MongoStore {
    let scope = Scope::Database { logical: DATABASE.to_owned(), physical: physical.to_owned() };
    let options = Options { request_timeout: request, selection_timeout: SELECTION, ..Options::default() };
    let uri =
        format!("mongodb://127.0.0.1:{port}/?directConnection=true&heartbeatFrequencyMS=500&connectTimeoutMS=300");
    let mut tries = 0;
    loop {
        tries += 1;
        match MongoStore::connect(&uri, physical, scope.clone(), options).await {
            Ok(store) => return store,
            // Many tests share few cores, and the deadlines are short.
            Err(error) => assert!(tries < 10, "{}", words(&error)),
        }
    }
}

/// A patient store beside the network.
pub(crate) async fn connect_beside(port: u16, physical: &str) -> MongoStore {
    fixture::connect(&format!("mongodb://127.0.0.1:{port}/?directConnection=true"), physical).await
}

/// Opens a primary, again while what it meets passes.
pub(crate) async fn open<S: Log + SyncTarget + Clone>(own: &S) -> Primary<S, SystemHost> {
    for _ in 0..10 {
        match Primary::open(own.clone(), SystemHost, PrimaryOptions::default()).await {
            Ok(primary) => return primary,
            Err(error) => expect_passing(&error),
        }
    }
    panic!("the primary does not open");
}

/// A standalone server and a replica set of one.
pub(crate) struct Servers {
    standalone: Server,
    set: ReplicaSet,
}

impl Servers {
    pub(crate) async fn start(name: &str) -> Option<Self> {
        let binary = binary().await?;
        let standalone = Server::start(&binary, test_options()).await.expect("it starts");
        // A transaction of which nobody knows the end holds up others for as long as it lives: a minute.
        let short = test_options().arg("--setParameter").arg("transactionLifetimeLimitSeconds=2");
        let set = ReplicaSet::start(&binary, name, 1, short).await.expect("it starts");
        Some(Self { standalone, set })
    }

    /// Their names and ports.
    pub(crate) fn ports(&self) -> [(&'static str, u16); 2] {
        [("standalone", self.standalone.port()), ("replica set", self.set.members()[0].port())]
    }
}

/// The driver waits for the greeting of a new connection without end, and by default for no more than two at once.
#[tokio::test]
async fn connections_on_which_nobody_ever_answers_do_not_hold_up_the_requests_after_them() {
    let Some(binary) = binary().await else { return };
    let server = Server::start(&binary, test_options()).await.expect("it starts");
    let proxy = Proxy::start(server.port(), Script::new()).await;
    let store = connect(proxy.port, "primary", REQUEST).await;
    // The connection that it has is given up with the reply that does not come.
    proxy.script.swallow(4);
    let mut failed = 0;
    while let Err(error) = store.log_ends().await {
        assert_eq!(decide_store(&error), Decision::Retry, "{}", words(&error));
        failed += 1;
        assert!(failed < 12, "the store does not get on: {}", words(&error));
    }
    assert_eq!(proxy.script.to_swallow(), 0);
    assert!(failed > 1, "the connections were not swallowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_storm_on_the_network_nothing_is_lost_or_done_twice_and_the_replicas_are_equal() {
    let Some(servers) = Servers::start("storm").await else { return };
    let mut random = seeded("network");
    let [(alone, alone_port), (member, member_port)] = servers.ports();
    let (first, second) = (random.draw(), random.draw());
    tokio::join!(weather(alone, alone_port, Random::new(first)), weather(member, member_port, Random::new(second)));
}

async fn weather(name: &str, port: u16, mut random: Random) {
    let proxy = Proxy::start(port, Script::new()).await;
    let store = async |physical| Punctual::new(connect(proxy.port, physical, REQUEST).await);
    let own = store("primary").await;
    let mut writers = Writers::start(&Arc::new(open(&own).await), random.draw(), 4);
    let options = ReplicatorOptions { poll_interval: Duration::from_millis(20), ..ReplicatorOptions::default() };
    let (mut replicas, mut stores) = (Vec::new(), vec![own]);
    for name in REPLICAS {
        let (source, target) = tokio::join!(store("primary"), store(name));
        stores.extend([source.clone(), target.clone()]);
        let feed = OplogFeed::new(source, "primary");
        replicas.push(Replica::start(Replicator::new(name, feed, target, SystemHost, options.clone())));
    }
    writers.wait_for(10).await;

    let started = Instant::now();
    proxy.script.begin_storm(Random::new(random.draw()));
    let enough = |happened: &BTreeMap<&str, u64>| FAULTS.iter().all(|fault| happened.get(fault) >= Some(&FAULTS_MIN));
    while proxy.script.connections() < connections() || !enough(&proxy.script.happened()) {
        writers.wait_for(1).await;
    }
    proxy.script.end_storm();
    let stormy = started.elapsed();

    let quiet = writers.ledger.quiet().await;
    let behind = connect_beside(port, "primary").await;
    let ends = behind.log_ends().await.expect("it is read").expect("there is a log");
    let (acknowledged, mut head, mut steps) = (writers.ledger.acknowledged(), 0, 0);
    for (name, replica) in REPLICAS.into_iter().zip(&mut replicas) {
        replica.wait_for(ends.head.position.index).await;
        let beyond = connect_beside(port, name).await;
        head = Oracle::default().check(&behind, &beyond, &acknowledged).await;
        steps += replica.told.borrow().retried;
    }
    let retried = writers.ledger.retried();
    drop(quiet);
    writers.end().await;
    for replica in replicas {
        replica.end().await;
    }
    let mut longest = Duration::ZERO;
    for store in stores {
        store.expect_within(CALL_MAX);
        longest = store.longest().into_values().chain([longest]).max().unwrap_or_default();
    }
    eprintln!(
        "{name}: a storm of {stormy:?}, {:?} to settle, {} connections, {:?}; {} writes acknowledged, {retried} tries again, \
         {head} entries, {steps} steps of the replicas tried again; the longest call took {longest:?}",
        started.elapsed().saturating_sub(stormy),
        proxy.script.connections(),
        proxy.script.happened(),
        acknowledged.len(),
    );
}
