//! Applying batches: the hot loop of a replica, on each store that runs in the process, and against raw sled. What
//! `null` costs is our own work; what the others cost more is the store's.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use oplogsync_benches::{Kind, NullStore, RawBatch, SledStores, Workload, raw_batches, throughput_of, time_applies};
use oplogsync_core::memory::MemoryStore;
use oplogsync_store_sled::Durability;
use tokio::runtime::Runtime;

const ENTRIES: usize = 20_000;

/// The same documents in raw sled batches: what the engine gives without any of our guarantees.
fn raw_sled(batches: &[RawBatch], rounds: u64) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..rounds {
        let db = sled::Config::new().temporary(true).open().expect("a temporary folder can be made");
        let start = Instant::now();
        for batch in batches {
            let mut raw = sled::Batch::default();
            for (key, document) in batch {
                match document {
                    Some(document) => raw.insert(key.as_slice(), document.as_slice()),
                    None => raw.remove(key.as_slice()),
                }
            }
            db.apply_batch(raw).expect("the folder can be written");
        }
        total += start.elapsed();
    }
    total
}

fn apply(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("apply");
    group.sample_size(10);
    for (kind, label) in [(Kind::Mix, "mix=60-30-10"), (Kind::Inserts, "inserts")] {
        let batches = Workload::new(kind).batches(ENTRIES, 1000);
        let raw = raw_batches(&batches);
        group.throughput(throughput_of(&batches));
        let name = |store: &str| BenchmarkId::from_parameter(format!("store={store}/{label}/batch=1000"));
        group.bench_function(name("null"), |bencher| {
            bencher.iter_custom(|rounds| time_applies(&runtime, &batches, rounds, NullStore::default));
        });
        group.bench_function(name("memory"), |bencher| {
            bencher.iter_custom(|rounds| time_applies(&runtime, &batches, rounds, || MemoryStore::new("bench")));
        });
        let interval = Durability::Interval(Duration::from_millis(100));
        for (store, durability) in
            [("sled", Durability::None), ("sled-interval", interval), ("sled-fsync", Durability::Fsync)]
        {
            let mut stores = SledStores::new(durability);
            group.bench_function(name(store), |bencher| {
                bencher.iter_custom(|rounds| time_applies(&runtime, &batches, rounds, || stores.open()));
            });
        }
        group.bench_function(name("raw-sled"), |bencher| bencher.iter_custom(|rounds| raw_sled(&raw, rounds)));
    }
    group.finish();
}

criterion_group!(benches, apply);
criterion_main!(benches);
