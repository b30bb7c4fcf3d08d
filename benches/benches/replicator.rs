//! The whole loop of a replica: fetch, check, fold, apply and acknowledge, from the first entry to the head.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use oplogsync_benches::{EncodedLog, Kind, NullStore, SledStores, Workload, follow_to_the_head, write_log};
use oplogsync_core::{
    feed::{Feed, OplogFeed},
    initial_sync::SyncTarget,
    memory::MemoryStore,
    testing::{chain::log_id, read_only::ReadOnly},
};
use oplogsync_store_sled::Durability;
use tokio::runtime::Runtime;

const ENTRIES: usize = 20_000;

/// How long it takes a new target to reach the head; opening it is not counted.
fn timed<T: SyncTarget + Clone>(
    runtime: &Runtime,
    feed: &impl Feed,
    rounds: u64,
    mut open: impl FnMut() -> T,
) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..rounds {
        let target = open();
        let start = Instant::now();
        runtime.block_on(follow_to_the_head(feed, target)).expect("it follows");
        total += start.elapsed();
    }
    total
}

fn replicator(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("replicator");
    group.sample_size(10).throughput(Throughput::Elements(ENTRIES as u64));
    let name = |stores: &str| BenchmarkId::from_parameter(format!("{stores}/mix=60-30-10/batch=1000"));

    let memory = MemoryStore::new("source");
    runtime.block_on(write_log(&memory, Kind::Mix, ENTRIES));
    let memory = OplogFeed::new(memory, "source");
    group.bench_function(name("source=memory/target=null"), |bencher| {
        bencher.iter_custom(|rounds| timed(&runtime, &memory, rounds, NullStore::default));
    });
    group.bench_function(name("source=memory/target=memory"), |bencher| {
        bencher.iter_custom(|rounds| timed(&runtime, &memory, rounds, || MemoryStore::new("target")));
    });

    let encoded = EncodedLog::new(log_id(1), &Workload::new(Kind::Mix).entries(ENTRIES));
    let encoded = OplogFeed::new(ReadOnly(encoded), "source");
    group.bench_function(name("source=encoded/target=null"), |bencher| {
        bencher.iter_custom(|rounds| timed(&runtime, &encoded, rounds, NullStore::default));
    });

    let mut sources = SledStores::new(Durability::None);
    let source = sources.open();
    runtime.block_on(write_log(&source, Kind::Mix, ENTRIES));
    let sled = OplogFeed::new(source, "source");
    for (target, durability) in [("sled", Durability::None), ("sled-fsync", Durability::Fsync)] {
        let mut stores = SledStores::new(durability);
        group.bench_function(name(&format!("source=sled/target={target}")), |bencher| {
            bencher.iter_custom(|rounds| timed(&runtime, &sled, rounds, || stores.open()));
        });
    }
    group.finish();
}

criterion_group!(benches, replicator);
criterion_main!(benches);
