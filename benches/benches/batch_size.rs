//! How the cost of an entry depends on how many are applied together.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use oplogsync_benches::{Kind, NullStore, SledStores, Workload, throughput_of, time_applies};
use oplogsync_store_sled::Durability;
use tokio::runtime::Runtime;

const ENTRIES: usize = 20_000;

fn batch_size(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("batch_size");
    group.sample_size(10);
    for size in [10, 100, 1000, 10_000] {
        let batches = Workload::new(Kind::Mix).batches(ENTRIES, size);
        group.throughput(throughput_of(&batches));
        let name = |store: &str| BenchmarkId::from_parameter(format!("store={store}/mix=60-30-10/batch={size}"));
        group.bench_function(name("null"), |bencher| {
            bencher.iter_custom(|rounds| time_applies(&runtime, &batches, rounds, NullStore::default));
        });
        for (store, durability) in [("sled", Durability::None), ("sled-fsync", Durability::Fsync)] {
            let mut stores = SledStores::new(durability);
            group.bench_function(name(store), |bencher| {
                bencher.iter_custom(|rounds| time_applies(&runtime, &batches, rounds, || stores.open()));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, batch_size);
criterion_main!(benches);
