//! The cost of an entry without any store: sealing, encoding, decoding, checking and folding.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use oplogsync_benches::{mixed_batches, mixed_entries};
use oplogsync_core::{
    batch::Batch,
    codec,
    testing::chain::{Chain, log_id},
};

const ENTRIES: i32 = 1000;

fn codec(criterion: &mut Criterion) {
    let entries = mixed_entries(&mut Chain::new(log_id(1)), ENTRIES);
    let encoded: Vec<Vec<u8>> = entries
        .iter()
        .map(|entry| {
            let mut bytes = Vec::new();
            codec::encode(entry, &mut bytes);
            bytes
        })
        .collect();
    let mut group = criterion.benchmark_group("entry");
    group.throughput(Throughput::Elements(ENTRIES.unsigned_abs().into()));
    group.bench_function("encode", |bencher| {
        let mut bytes = Vec::with_capacity(1024);
        bencher.iter(|| {
            for entry in &entries {
                bytes.clear();
                codec::encode(black_box(entry), &mut bytes);
            }
        });
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            for bytes in &encoded {
                black_box(codec::decode(black_box(bytes))).ok();
            }
        });
    });
    group.bench_function("memcpy", |bencher| {
        bencher.iter(|| {
            for bytes in &encoded {
                black_box(bytes.clone());
            }
        });
    });
    group.finish();
}

fn batch(criterion: &mut Criterion) {
    let batches = mixed_batches(ENTRIES, 1000);
    let Some(whole) = batches.first() else { return };
    let mut group = criterion.benchmark_group("batch");
    group.throughput(Throughput::Elements(ENTRIES.unsigned_abs().into()));
    group.bench_function("check", |bencher| {
        bencher.iter_batched(
            || whole.entries().to_vec(),
            |entries| Batch::new(whole.log(), *whole.after(), entries),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("fold", |bencher| bencher.iter(|| black_box(whole).fold()));
    group.finish();
}

criterion_group!(benches, codec, batch);
criterion_main!(benches);
