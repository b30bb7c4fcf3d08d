//! How the cost of an entry depends on how many are applied together.

use criterion::{Criterion, criterion_group, criterion_main};
use oplogsync_benches::{Kind, Workload, bench_applies};
use tokio::runtime::Runtime;

const ENTRIES: usize = 20_000;

fn batch_size(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("batch_size");
    group.sample_size(10);
    for size in [10, 100, 1000, 10_000] {
        let batches = Workload::new(Kind::Mix).batches(ENTRIES, size);
        bench_applies(&mut group, &runtime, &format!("mix=60-30-10/batch={size}"), &batches);
    }
    group.finish();
}

criterion_group!(benches, batch_size);
criterion_main!(benches);
