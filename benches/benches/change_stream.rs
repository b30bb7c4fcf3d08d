//! The feed of a change stream, on a real replica set of one member: how long it takes from a write to its entry,
//! and how many entries a second it yields of a backlog, without a target.
//!
//! `cargo bench -p oplogsync-benches --bench change_stream`

#![allow(missing_docs, clippy::expect_used, clippy::unwrap_used, clippy::print_stdout)]

use std::time::{Duration, Instant};

use bson::{Document, doc};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mongodb::{Client, Collection};
use oplogsync_core::{
    checkpoint::{Checkpoint, Token},
    entry::Operation,
    feed::Feed,
    filter::Filter,
    initial_sync::SyncSource,
    limits::Limits,
};
use oplogsync_mongod::{
    ReplicaSet,
    testing::{binary, test_options},
};
use oplogsync_store_mongo::{ChangeStreamFeed, ChangeStreamOptions, MongoStore, Options, Scope, SnapshotSource};
use tokio::runtime::Runtime;

const BACKLOG: i32 = 200_000;

struct Source {
    _set: ReplicaSet,
    store: MongoStore,
    orders: Collection<Document>,
}

/// Where a feed begins.
type Begin = (Checkpoint, Option<Token>);

impl Source {
    async fn start() -> Option<Self> {
        let options = test_options().arg("--oplogSize").arg("1024").cache_gb(1.0);
        let set = ReplicaSet::start(&binary().await?, "bench", 1, options).await.expect("it starts");
        let options = Options { request_timeout: Duration::from_secs(30), ..Options::default() };
        let store = MongoStore::connect(&set.uri(), "source", Scope::Server, options).await.expect("it takes us");
        let orders = Client::with_uri_str(set.uri()).await.expect("it is a uri").database("shop").collection("orders");
        Some(Self { _set: set, store, orders })
    }

    fn feed(&self) -> ChangeStreamFeed {
        ChangeStreamFeed::new(self.store.clone(), Filter::everything(), ChangeStreamOptions::default())
    }

    async fn now(&self) -> Begin {
        let start = SnapshotSource::new(self.store.clone(), Filter::everything()).start().await.expect("it starts");
        (start.checkpoint, start.token)
    }

    async fn insert_many(&self) {
        for base in (0..BACKLOG).step_by(1_000) {
            let documents: Vec<Document> =
                (base..base + 1_000).map(|id| doc! { "_id": id, "name": "x".repeat(100), "n": 0 }).collect();
            self.orders.insert_many(documents).await.expect("they are inserted");
        }
    }
}

/// Reads until so many entries came that do something; where it is then.
async fn read(feed: &ChangeStreamFeed, begin: &mut Begin, mut entries: usize) {
    while entries > 0 {
        let (at, token) = begin;
        let fetch = feed.fetch(Some(*at), token.as_ref(), Limits::default()).await.expect("it is fetched");
        let Some(batch) = fetch.batch else {
            feed.changed(&at.anchor).await;
            continue;
        };
        let done = batch.entries().iter().filter(|entry| *entry.operation() != Operation::Noop).count();
        entries = entries.saturating_sub(done);
        *begin = (Checkpoint { anchor: batch.last(), ..*at }, batch.token().cloned());
    }
}

/// From the moment at which an application sends an insert until the feed has yielded its entry.
fn latency(criterion: &mut Criterion, runtime: &Runtime, source: &Source) {
    let mut group = criterion.benchmark_group("change_stream/latency");
    group.measurement_time(Duration::from_secs(10));
    let (feed, mut at) = (source.feed(), runtime.block_on(source.now()));
    runtime.block_on(async {
        source.orders.insert_one(doc! {}).await.expect("it is inserted");
        read(&feed, &mut at, 1).await;
    });
    let mut all = Vec::new();
    group.bench_function("insert", |bencher| {
        bencher.iter_custom(|count| {
            runtime.block_on(async {
                let mut took = Duration::ZERO;
                for _ in 0..count {
                    let began = Instant::now();
                    let (insert, ()) = tokio::join!(source.orders.insert_one(doc! { "n": 1 }), read(&feed, &mut at, 1));
                    insert.expect("it is inserted");
                    all.push(began.elapsed());
                    took += began.elapsed();
                }
                took
            })
        });
    });
    group.finish();
    all.sort_unstable();
    let quantile = |of: usize| all.get(all.len() * of / 100).copied().unwrap_or_default();
    println!(
        "insert to entry: median {:?}, 90 % {:?}, 99 % {:?}, {} inserts",
        quantile(50),
        quantile(90),
        quantile(99),
        all.len()
    );
}

fn backlog(criterion: &mut Criterion, runtime: &Runtime, source: &Source, kind: &str, begin: &Begin) {
    let entries = usize::try_from(BACKLOG).unwrap();
    let mut group = criterion.benchmark_group("change_stream/backlog");
    group.sample_size(10).throughput(Throughput::Elements(entries as u64));
    group.bench_function(kind, |bencher| {
        bencher.iter_batched(
            || (source.feed(), begin.clone()),
            |(feed, mut begin)| runtime.block_on(read(&feed, &mut begin, entries)),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn change_stream(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("it starts");
    let Some(source) = runtime.block_on(Source::start()) else { return };
    latency(criterion, &runtime, &source);
    let begin = runtime.block_on(source.now());
    runtime.block_on(source.insert_many());
    backlog(criterion, &runtime, &source, "inserts", &begin);
    let begin = runtime.block_on(source.now());
    let update = doc! { "$inc": { "n": 1 }, "$set": { "s.x": "changed" } };
    runtime.block_on(async { source.orders.update_many(doc! { "n": 0 }, update).await }).expect("they are updated");
    backlog(criterion, &runtime, &source, "updates", &begin);
}

criterion_group!(benches, change_stream);
criterion_main!(benches);
