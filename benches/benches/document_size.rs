//! How the cost of an entry depends on the size of its document.

use criterion::{Criterion, criterion_group, criterion_main};
use oplogsync_benches::{bench_applies, large_document, orders};
use oplogsync_core::{
    batch::Batch,
    testing::chain::{Chain, log_id},
};
use tokio::runtime::Runtime;

/// Bytes of a document, and how many are inserted in a batch.
const SIZES: [(&str, usize, i32); 3] = [("200B", 200, 1000), ("2kB", 2_000, 1000), ("100kB", 100_000, 100)];

fn batches(bytes: usize, size: i32) -> Vec<Batch> {
    let mut chain = Chain::new(log_id(1));
    let batches = (0..5).map(|number| {
        for id in number * size..(number + 1) * size {
            chain.insert(&orders(), large_document(id, 0, bytes));
        }
        chain.take_batch()
    });
    batches.collect()
}

fn document_size(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("document_size");
    group.sample_size(10);
    for (label, bytes, size) in SIZES {
        let batches = batches(bytes, size);
        bench_applies(&mut group, &runtime, &format!("inserts/document={label}"), &batches);
    }
    group.finish();
}

criterion_group!(benches, document_size);
criterion_main!(benches);
