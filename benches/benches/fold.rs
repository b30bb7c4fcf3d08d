//! Folding a batch to one change per document: with hot documents, and with many changes of each.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use oplogsync_benches::{document, orders};
use oplogsync_core::{
    batch::Batch,
    testing::chain::{Chain, log_id},
};

const ENTRIES: i32 = 1000;
const HOT: i32 = 10;

/// Updates of documents that the batch did not insert: `hot` of a hundred go to ten documents, the rest each to one
/// of its own.
fn hot_batch(hot: i32) -> Batch {
    let mut chain = Chain::new(log_id(1));
    for n in 0..ENTRIES {
        // Spread over the batch.
        let is_hot = (n * 37) % 100 < hot;
        chain.update(&orders(), document(if is_hot { n % HOT } else { HOT + n }, n));
    }
    chain.take_batch()
}

/// Updates of `ENTRIES / times` documents, each as often.
fn repeated_batch(times: i32) -> Batch {
    let mut chain = Chain::new(log_id(1));
    for n in 0..ENTRIES {
        chain.update(&orders(), document(n % (ENTRIES / times), n));
    }
    chain.take_batch()
}

fn fold(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fold");
    group.throughput(Throughput::Elements(ENTRIES.unsigned_abs().into()));
    for hot in [0, 50, 99] {
        let batch = hot_batch(hot);
        let name = BenchmarkId::from_parameter(format!("updates/batch=1000/hot={hot}%"));
        group.bench_function(name, |bencher| bencher.iter(|| black_box(&batch).fold()));
    }
    for times in [2, 10, 100] {
        let batch = repeated_batch(times);
        let name = BenchmarkId::from_parameter(format!("updates/batch=1000/each={times}"));
        group.bench_function(name, |bencher| bencher.iter(|| black_box(&batch).fold()));
    }
    group.finish();
}

criterion_group!(benches, fold);
criterion_main!(benches);
