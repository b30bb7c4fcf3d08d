//! The reply to each command of a small workload is cut in turn, after the server has carried it out.
//!
//! `OPLOGSYNC_REPLY_CUTS=1000` cuts every occurrence of each command; by default it is the first few.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bson::rawdoc;
use oplogsync_core::{
    feed::OplogFeed,
    host::SystemHost,
    log::Log,
    position::Anchor,
    primary::Primary,
    replicator::{Replicator, ReplicatorOptions},
    retry::{Decision, decide, decide_store},
    testing::documents::id,
    write::Write,
};
use oplogsync_store_mongo::MongoStore;
use tokio::task::JoinSet;

use crate::{
    network::{Servers, connect, connect_beside, open},
    oracle::Oracle,
    proxy::{Proxy, Script},
    writers::{Acknowledged, chain, expect_passing, items, write_until_acknowledged},
};

/// Workloads that run at the same time, each behind a proxy and in databases of its own.
const LANES: usize = 12;
/// Nothing waits for it: a reply that is cut is known to be lost at once.
const REQUEST: Duration = Duration::from_secs(4);
/// One reply is lost, so nothing needs to be tried often.
const TRIES_MAX: u32 = 10;
/// What the workload sends.
const ALONE: [&str; 6] = ["createIndexes", "delete", "find", "findAndModify", "insert", "update"];
/// There documents and checkpoint go out in a transaction.
const MEMBER: [&str; 7] = ["commitTransaction", "createIndexes", "delete", "find", "findAndModify", "insert", "update"];

fn occurrences_max() -> u64 {
    let cuts = std::env::var("OPLOGSYNC_REPLY_CUTS");
    cuts.map_or(6, |text| text.parse().expect("OPLOGSYNC_REPLY_CUTS is a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_lost_after_the_server_has_acted_loses_nothing_and_does_nothing_twice() {
    let Some(servers) = Servers::start("cuts").await else { return };
    let [alone, member] = servers.ports();
    tokio::join!(cut_each(alone, &ALONE), cut_each(member, &MEMBER));
}

async fn cut_each((name, port): (&str, u16), expected: &[&str]) {
    let started = Instant::now();
    let commands = Box::pin(Workload::run(port, "whole".to_owned(), None)).await;
    for command in expected {
        assert!(commands.contains_key(*command), "{name}: the workload needs no {command}: {commands:?}");
    }
    let mut cuts: Vec<_> = commands
        .iter()
        .flat_map(|(command, count)| (1..=occurrences_max().min(*count)).map(move |nth| (command.clone(), nth)))
        .collect();
    let (mut done, mut running) = (BTreeMap::<String, u64>::new(), JoinSet::new());
    loop {
        while running.len() < LANES
            && let Some((command, nth)) = cuts.pop()
        {
            *done.entry(command.clone()).or_default() += 1;
            running.spawn(Workload::run(port, format!("{command}{nth}"), Some((command, nth))));
        }
        match running.join_next().await {
            Some(ended) => drop(ended.expect("what follows a lost reply is right")),
            None => break,
        }
    }
    let (replies, took) = (done.values().sum::<u64>(), started.elapsed());
    eprintln!("{name}: {replies} replies cut in {took:?}: {done:?} of {commands:?}; lost: 0, done twice: 0");
}

/// A primary, its replica, and the stores of both beyond the network.
struct Workload {
    primary: Primary<MongoStore, SystemHost>,
    replicator: Replicator<OplogFeed<MongoStore>, MongoStore, SystemHost>,
    acknowledged: Vec<Acknowledged>,
    oracle: Oracle,
    behind: MongoStore,
    beyond: MongoStore,
}

impl Workload {
    /// Writes, replicates, acknowledges and trims, while the reply to the command `cut` is lost, and checks what came
    /// of it. Returns how often each command was sent.
    async fn run(port: u16, name: String, cut: Option<(String, u64)>) -> BTreeMap<String, u64> {
        let proxy = Proxy::start(port, Script::new()).await;
        let databases = (format!("{name}-primary"), format!("{name}-replica"));
        let (own, source, target, behind, beyond) = tokio::join!(
            connect(proxy.port, &databases.0, REQUEST),
            connect(proxy.port, &databases.0, REQUEST),
            connect(proxy.port, &databases.1, REQUEST),
            connect_beside(port, &databases.0),
            connect_beside(port, &databases.1),
        );
        proxy.script.plan(cut.clone());
        let replicator = Replicator::new(
            "replica",
            OplogFeed::new(source, "primary"),
            target,
            SystemHost,
            ReplicatorOptions::default(),
        );
        let (acknowledged, oracle) = (Vec::new(), Oracle::default());
        let primary = open(&own).await;
        let mut workload = Self { primary, replicator, acknowledged, oracle, behind, beyond };
        workload.go_through_all(&own).await;
        workload.end().await;
        let cuts = proxy.script.happened().get("reply cut after commit").copied().unwrap_or_default();
        assert_eq!(cuts, u64::from(cut.is_some()), "{name}: the reply was not cut once");
        proxy.script.commands()
    }

    async fn go_through_all(&mut self, own: &MongoStore) {
        let ns = items();
        let put = |name: &str, text: &str| {
            let (ns, id) = (items(), id(name));
            Write::Replace { ns, id, document: rawdoc! { "text": text, "count": 1 }, upsert: true }
        };
        let update = rawdoc! { "$inc": { "count": 2 } };
        self.write(put("a", "first")).await;
        self.write(put("b", "second")).await;
        self.write(Write::Update { ns: ns.clone(), id: id("a"), update: update.clone(), upsert: false }).await;
        let floor = self.replicate().await;
        self.write(Write::Delete { ns: ns.clone(), id: id("b") }).await;
        self.replicate().await;
        self.check().await;

        let mut tries = 0;
        while let Err(error) = own.trim(&floor).await {
            assert_eq!(decide_store(&error), Decision::Retry, "{}", chain(&error));
            tries += 1;
            assert!(tries < TRIES_MAX, "{}", chain(&error));
        }
        self.write(Write::Update { ns, id: id("a"), update, upsert: false }).await;
        self.write(put("b", "third")).await;
        self.replicate().await;
        self.check().await;
        let ends = self.behind.log_ends().await.expect("they are read").expect("there is a log");
        assert_eq!(ends.floor, floor);
    }

    async fn write(&mut self, write: Write) {
        let mut tries = 0;
        let again = || {
            tries += 1;
            assert!(tries < TRIES_MAX, "the write is not acknowledged");
        };
        self.acknowledged.push(write_until_acknowledged(&self.primary, write, again).await);
    }

    /// Brings the replica to the head, which it returns; the source has been told.
    async fn replicate(&mut self) -> Anchor {
        let mut tries = 0;
        loop {
            match self.replicator.step().await {
                Ok(step) if step.progress.behind == 0 => {
                    let checkpoint = step.progress.checkpoint.expect("there are entries");
                    let told = self.behind.acknowledgements().await.expect("they are read");
                    assert_eq!(told.iter().map(|told| told.at).collect::<Vec<_>>(), [checkpoint]);
                    return checkpoint;
                }
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(decide(&error), Decision::Retry, "{}", chain(&error));
                    tries += 1;
                    assert!(tries < TRIES_MAX, "{}", chain(&error));
                }
            }
        }
    }

    async fn check(&mut self) {
        self.oracle.check(&self.behind, &self.beyond, &self.acknowledged).await;
    }

    /// A lease that could not be given back lapses.
    async fn end(self) {
        if let Err(error) = self.primary.close().await {
            expect_passing(&error);
        }
        if let Err(error) = self.replicator.close().await {
            assert_eq!(decide_store(&error), Decision::Retry, "{}", chain(&error));
        }
    }
}
