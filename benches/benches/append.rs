//! Writing through a primary: how many callers share one append.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use oplogsync_benches::{document, orders};
use oplogsync_core::{
    host::SystemHost,
    primary::{Primary, PrimaryOptions},
    write::Write,
};
use oplogsync_store_sled::{Durability, Options, SledStore};
use tokio::{runtime::Runtime, task::JoinSet};

const WRITES: i32 = 512;

/// Writes from `writers` tasks at once to a new embedded primary; opening is not counted.
fn timed(runtime: &Runtime, writers: i32, durability: Durability, rounds: u64) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..rounds {
        let folder = tempfile::tempdir().expect("a temporary folder");
        runtime.block_on(async {
            let store = SledStore::open(folder.path(), "bench", Options { durability }).expect("a folder");
            let primary = Primary::open(store, SystemHost, PrimaryOptions::default()).await.expect("a new primary");
            let primary = Arc::new(primary);
            let start = Instant::now();
            let mut tasks = JoinSet::new();
            for writer in 0..writers {
                let primary = Arc::clone(&primary);
                tasks.spawn(async move {
                    for n in (writer..WRITES).step_by(usize::try_from(writers).expect("positive")) {
                        let write = Write::Insert { ns: orders(), document: document(n, 0) };
                        primary.write(write).await.expect("a new id");
                    }
                });
            }
            tasks.join_all().await;
            total += start.elapsed();
        });
    }
    total
}

fn append(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("append");
    group.sample_size(10).throughput(Throughput::Elements(WRITES.unsigned_abs().into()));
    for (label, durability) in [("sled-fsync", Durability::Fsync), ("sled-none", Durability::None)] {
        for writers in [1, 8, 64] {
            let name = BenchmarkId::from_parameter(format!("store={label}/writers={writers}"));
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|rounds| timed(&runtime, writers, durability, rounds));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, append);
criterion_main!(benches);
