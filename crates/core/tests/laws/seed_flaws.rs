//! What was wrong in the demo that this project began with, one regression test per flaw. The
//! table of all of them, with the tests that are elsewhere, is in `../SEED_FLAWS.md`.

use std::time::Duration;

use bson::{RawDocumentBuf, rawdoc};
use oplogsync_core::{
    documents::Documents,
    host::Host,
    limits::Limits,
    log::Log,
    memory::MemoryStore,
    primary::Primary,
    replicator::{Event, Observer},
    testing::{
        chain::valid,
        documents::{every_type, id, namespace, only_id},
        manual_host::ManualHost,
    },
    write::Write,
};
use tokio::sync::Notify;

use crate::cluster::{
    InMemory, Node, NodeReplicator, Nodes, block_on, check_prefix, documents, open_primary, replicator, whole_log,
};

/// A primary and a replica that has not begun.
struct Pair {
    source: Node<MemoryStore>,
    primary: Primary<Node<MemoryStore>, ManualHost>,
    target: Node<MemoryStore>,
    host: ManualHost,
}

impl Pair {
    async fn new(host: ManualHost) -> Self {
        let (source, target) = (InMemory::node("db1"), InMemory::node("db2"));
        let primary = open_primary(&source, &host, Limits::default()).await.unwrap();
        Self { source, primary, target, host }
    }

    async fn insert(&self, document: RawDocumentBuf) {
        self.primary.write(Write::Insert { ns: namespace("datas"), document }).await.unwrap();
    }

    fn replicator(&self, limits: Limits) -> NodeReplicator<MemoryStore> {
        replicator(&self.source, &self.target, &self.host, limits)
    }

    /// Brings the replica to the head and compares.
    async fn catch_up(&self, replicator: &mut NodeReplicator<MemoryStore>) {
        while replicator.step().await.unwrap().progress.behind > 0 {}
        check_prefix(self.source.inner(), self.target.inner()).await;
        assert_eq!(documents(self.target.inner()).await, documents(self.source.inner()).await);
    }
}

fn pair(test: impl AsyncFnOnce(Pair)) {
    block_on(async { test(Pair::new(ManualHost::standing(1)).await).await });
}

/// Flaw 1: the cursor was a date with `$gt`, so equal dates were lost.
#[test]
fn writes_of_the_same_millisecond_all_arrive() {
    pair(async |pair| {
        let mut replicator = pair.replicator(Limits { entries_max: 3, ..Limits::default() });
        for number in 0..20 {
            pair.insert(only_id(number)).await;
            if number % 7 == 0 {
                pair.catch_up(&mut replicator).await;
            }
        }
        let (first, last) = (whole_log(pair.source.inner()).await[1].optime(), pair.host.now());
        assert_eq!(u128::from(first.unix_millis()), last.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis());
        pair.catch_up(&mut replicator).await;
        assert_eq!(documents(pair.target.inner()).await[&namespace("datas")].len(), 20);
    });
}

/// Flaw 2: a clock that stepped back hid what was written until it had caught up.
#[test]
fn writes_after_a_clock_stepped_back_arrive() {
    pair(async |pair| {
        let mut replicator = pair.replicator(Limits::default());
        let now = pair.host.now();
        for (number, back) in [0, 3_600, 5, 86_400].into_iter().enumerate() {
            pair.host.set_clock(now - Duration::from_secs(back));
            pair.insert(only_id(i32::try_from(number).unwrap())).await;
            pair.catch_up(&mut replicator).await;
        }
        let log = whole_log(pair.source.inner()).await;
        assert!(log.is_sorted_by(|a, b| a.optime() < b.optime()), "optimes rise all the same");
    });
}

/// Flaw 4: concurrent writers could be logged in another order than they wrote.
#[test]
fn concurrent_writes_of_one_document_end_alike_everywhere() {
    pair(async |pair| {
        pair.insert(rawdoc! { "_id": 1, "n": 0 }).await;
        let write = |update| Write::Update { ns: namespace("datas"), id: id(1), update, upsert: false };
        let set = |n: i32| pair.primary.write(write(rawdoc! { "$set": { "n": n }, "$inc": { "writes": 1 } }));
        let (a, b, c, d) = tokio::join!(set(1), set(2), set(3), set(4));
        assert!([a, b, c, d].iter().all(Result::is_ok));
        pair.catch_up(&mut pair.replicator(Limits { entries_max: 2, ..Limits::default() })).await;
        let found = &documents(pair.target.inner()).await[&namespace("datas")][&id(1)];
        assert_eq!(found.as_raw().get_i32("writes").unwrap(), 4);
    });
}

/// Flaw 8: two round trips per document, with a race between them.
#[test]
fn a_batch_takes_the_same_few_requests_however_large_it_is() {
    pair(async |pair| {
        pair.insert(only_id(-1)).await;
        let mut replicator = pair.replicator(Limits::default());
        pair.catch_up(&mut replicator).await;
        let mut requests = Vec::new();
        for count in [2, 200] {
            for number in 0..count {
                pair.insert(only_id(format!("{number} of {count}"))).await;
            }
            let before = pair.source.calls() + pair.target.calls();
            assert_eq!(replicator.step().await.unwrap().entries, count);
            requests.push(pair.source.calls() + pair.target.calls() - before);
        }
        assert_eq!(requests[0], requests[1]);
    });
}

/// Flaws 10 and 11: a replica stored its own date and only the field `data`.
#[test]
fn a_replica_holds_the_same_bytes_in_any_collection() {
    pair(async |pair| {
        for collection in ["datas", "other"] {
            let document = every_type("an id of any type");
            pair.primary.write(Write::Insert { ns: namespace(collection), document }).await.unwrap();
        }
        pair.insert(rawdoc! { "data": "Val-417", "createdAt": bson::DateTime::from_millis(1) }).await;
        pair.catch_up(&mut pair.replicator(Limits::default())).await;
        let found = &documents(pair.target.inner()).await[&namespace("other")];
        assert_eq!(found[&id("an id of any type")], valid(every_type("an id of any type")));
    });
}

/// Flaw 14: a replica that came late never got what was there before.
#[test]
fn a_replica_that_starts_late_holds_everything() {
    pair(async |pair| {
        for number in 0..30 {
            pair.insert(only_id(number)).await;
        }
        pair.primary.write(Write::Delete { ns: namespace("datas"), id: id(3) }).await.unwrap();
        pair.catch_up(&mut pair.replicator(Limits { entries_max: 4, ..Limits::default() })).await;
        assert_eq!(documents(pair.target.inner()).await[&namespace("datas")].len(), 29);
    });
}

/// Flaw 16: the whole backlog was read into memory.
#[test]
fn a_backlog_is_applied_in_bounded_batches() {
    pair(async |pair| {
        for number in 0..30 {
            pair.insert(rawdoc! { "_id": number, "text": "x".repeat(1_000) }).await;
        }
        let limits = Limits { entries_max: 4, bytes_max: 3_000 };
        let mut replicator = pair.replicator(limits);
        loop {
            let step = replicator.step().await.unwrap();
            assert!(step.entries <= 2, "{} entries of 1,000 bytes and more in 3,000", step.entries);
            if step.progress.behind == 0 {
                break;
            }
        }
        pair.catch_up(&mut replicator).await;
    });
}

/// Says when the target is at the head, and when it was tried in vain.
#[derive(Default)]
struct Watch {
    retried: Notify,
    caught_up: Notify,
}

impl Observer for Watch {
    fn observe(&self, event: Event<'_>) {
        match event {
            Event::Retrying { .. } => self.retried.notify_one(),
            Event::CaughtUp(_) => self.caught_up.notify_one(),
            Event::Applied(_) => {}
            Event::Stopped { error, .. } => panic!("it stopped: {error}"),
        }
    }
}

/// Flaw 24: a node that was down at the start was never tried again. Flaw 23: nor was anything
/// retried with patience.
#[test]
fn a_node_that_is_down_at_the_start_or_later_is_tried_again() {
    block_on(async {
        let pair = Pair::new(ManualHost::hurried(1)).await;
        pair.insert(only_id(1)).await;
        let watch = Watch::default();
        let mut replicator = pair.replicator(Limits::default());
        for node in [&pair.target, &pair.source] {
            node.die_after(0, false);
            let back = async {
                for _ in 0..5 {
                    watch.retried.notified().await;
                }
                node.revive();
            };
            let (ran, ()) = tokio::join!(replicator.run(watch.caught_up.notified(), &watch), back);
            ran.unwrap();
            pair.insert(rawdoc! {}).await;
        }
        pair.catch_up(&mut replicator).await;
    });
}

/// Flaw 25: what was replayed after a partial batch would have been applied twice.
#[test]
fn an_increment_is_logged_as_its_result() {
    pair(async |pair| {
        pair.insert(rawdoc! { "_id": 1, "n": 5 }).await;
        let update = rawdoc! { "$inc": { "n": 1 } };
        let increment = Write::Update { ns: namespace("datas"), id: id(1), update, upsert: false };
        pair.primary.write(increment).await.unwrap();
        let log = whole_log(pair.source.inner()).await;
        let oplogsync_core::entry::Operation::Update { document, .. } = log.last().unwrap().operation() else {
            panic!("{log:?}")
        };
        assert_eq!(document, &valid(rawdoc! { "_id": 1, "n": 6 }));
    });
}

/// Flaw 26: nobody could tell how far a replica was behind.
#[test]
fn lag_and_distance_are_told_and_are_zero_at_the_head() {
    pair(async |pair| {
        pair.insert(only_id(1)).await;
        let mut replicator = pair.replicator(Limits { entries_max: 1, ..Limits::default() });
        let first = replicator.step().await.unwrap().progress;
        assert_eq!((first.behind, first.headroom), (1, 1), "the new term is applied, the insert is left");
        pair.catch_up(&mut replicator).await;
        for number in 2..5 {
            pair.host.advance(Duration::from_secs(10));
            pair.insert(only_id(number)).await;
        }
        let behind = replicator.step().await.unwrap().progress;
        assert_eq!((behind.behind, behind.lag), (2, Some(Duration::from_secs(20))));
        pair.catch_up(&mut replicator).await;
        pair.host.advance(Duration::from_secs(3_600));
        let idle = replicator.step().await.unwrap().progress;
        assert_eq!((idle.behind, idle.lag), (0, Some(Duration::ZERO)), "a quiet source is no lag");
        let told = pair.source.acknowledgements().await.unwrap();
        assert_eq!(told[0].at, idle.head, "and the source knows it");
        assert_eq!(pair.target.checkpoint().await.unwrap().map(|checkpoint| checkpoint.anchor), Some(idle.head));
    });
}
