//! Applying batches: the hot loop of a replica, on each embedded store and against raw sled.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use oplogsync_benches::{mixed_batches, owner, take_lease};
use oplogsync_core::{batch::Batch, documents::Documents, lease::Leases, memory::MemoryStore};
use oplogsync_store_sled::{Durability, Options, SledStore};
use tokio::runtime::Runtime;

const ENTRIES: i32 = 20_000;

/// Applies all batches to a new store, as often as criterion asks; opening is not counted.
fn timed<S: Documents + Leases>(runtime: &Runtime, batches: &[Batch], rounds: u64, store: impl Fn() -> S) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..rounds {
        let store = store();
        runtime.block_on(async {
            take_lease(&store).await;
            let start = Instant::now();
            for batch in batches {
                store.apply(batch, owner()).await.expect("the batch follows the checkpoint");
            }
            total += start.elapsed();
        });
    }
    total
}

/// The same documents in raw sled batches: what the engine gives without any of our guarantees.
fn raw_sled(batches: &[Batch], rounds: u64) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..rounds {
        let db = sled::Config::new().temporary(true).open().expect("a temporary folder can be made");
        let start = Instant::now();
        for batch in batches {
            let mut raw = sled::Batch::default();
            for entry in batch.entries() {
                let Some(id) = entry.operation().doc_id() else { continue };
                match entry.operation() {
                    oplogsync_core::entry::Operation::Insert { document, .. }
                    | oplogsync_core::entry::Operation::Update { document, .. } => {
                        raw.insert(id.key(), document.as_bytes());
                    }
                    _ => raw.remove(id.key()),
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
    group.sample_size(10).throughput(Throughput::Elements(ENTRIES.unsigned_abs().into()));
    for size in [100, 1000, 10_000] {
        let batches = mixed_batches(ENTRIES, size);
        let name = |store: &str| BenchmarkId::from_parameter(format!("store={store}/mix=60-30-10/batch={size}"));
        group.bench_with_input(name("memory"), &batches, |bencher, batches| {
            bencher.iter_custom(|rounds| timed(&runtime, batches, rounds, || MemoryStore::new("bench")));
        });
        group.bench_with_input(name("sled-temporary"), &batches, |bencher, batches| {
            bencher.iter_custom(|rounds| {
                timed(&runtime, batches, rounds, || SledStore::memory("bench").expect("a temporary folder"))
            });
        });
        group.bench_with_input(name("raw-sled"), &batches, |bencher, batches| {
            bencher.iter_custom(|rounds| raw_sled(batches, rounds));
        });
        for (label, durability) in [("sled-fsync", Durability::Fsync), ("sled-none", Durability::None)] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let mut count = 0;
            group.bench_with_input(name(label), &batches, |bencher, batches| {
                bencher.iter_custom(|rounds| {
                    let first = count;
                    count += rounds;
                    let number = std::cell::Cell::new(first);
                    timed(&runtime, batches, rounds, || {
                        number.set(number.get() + 1);
                        let path = folder.path().join(number.get().to_string());
                        SledStore::open(&path, "bench", Options { durability }).expect("a folder")
                    })
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, apply);
criterion_main!(benches);
