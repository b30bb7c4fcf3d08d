//! The hash chain: sealing entries one behind the other, and checking that they are.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use oplogsync_benches::{Kind, Workload, bytes_of};
use oplogsync_core::{
    batch::check_follows,
    entry::{Entry, Operation},
    testing::chain::log_id,
};

const ENTRIES: usize = 1000;

fn hash_chain(criterion: &mut Criterion) {
    let entries = Workload::new(Kind::Mix).entries(ENTRIES);
    let mut group = criterion.benchmark_group("hash_chain");
    group.throughput(Throughput::ElementsAndBytes { elements: ENTRIES as u64, bytes: bytes_of(&entries) });
    group.bench_function("seal/mix=60-30-10", |bencher| {
        let operations = || entries.iter().map(|entry| entry.operation().clone()).collect::<Vec<Operation>>();
        bencher.iter_batched(
            operations,
            |operations| {
                let mut last = Entry::origin(log_id(1));
                for (operation, like) in operations.into_iter().zip(&entries) {
                    last = Entry::seal(&last, like.optime(), like.op_id(), operation).anchor();
                }
                last
            },
            BatchSize::LargeInput,
        );
    });
    group.bench_function("check-hash/mix=60-30-10", |bencher| {
        bencher.iter_batched(
            || entries.clone(),
            |entries| {
                for entry in entries {
                    let (at, optime, op_id) = (entry.position(), entry.optime(), entry.op_id());
                    let operation = entry.operation().clone();
                    black_box(Entry::from_parts(at, optime, op_id, operation, entry.prev_hash(), entry.hash())).ok();
                }
            },
            BatchSize::LargeInput,
        );
    });
    group.bench_function("check-follows/mix=60-30-10", |bencher| {
        bencher.iter(|| {
            let mut last = Entry::origin(log_id(1));
            for entry in &entries {
                check_follows(black_box(&last), entry).expect("the entries form a log");
                last = entry.anchor();
            }
        });
    });
    group.finish();
}

criterion_group!(benches, hash_chain);
criterion_main!(benches);
