//! Applying batches to a real mongod: alone, and as a replica set of one member.
//!
//! `cargo bench -p oplogsync-benches --bench apply_mongo`

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use oplogsync_benches::{Kind, Servers, Workload, throughput_of, time_applies};
use tokio::runtime::Runtime;

const ENTRIES: usize = 10_000;

fn apply_mongo(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let Some(mut servers) = runtime.block_on(Servers::start()) else { return };
    let mut group = criterion.benchmark_group("apply");
    group.sample_size(10);
    for (kind, label) in [(Kind::Mix, "mix=60-30-10"), (Kind::Inserts, "inserts")] {
        let batches = Workload::new(kind).batches(ENTRIES, 1000);
        group.throughput(throughput_of(&batches));
        for (store, is_set) in [("mongo-standalone", false), ("mongo-set", true)] {
            let name = BenchmarkId::from_parameter(format!("store={store}/{label}/batch=1000"));
            group.bench_function(name, |bencher| {
                bencher
                    .iter_custom(|rounds| time_applies(&runtime, &batches, rounds, || servers.open(&runtime, is_set)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, apply_mongo);
criterion_main!(benches);
