//! The pure meaning of an entry: what a document is after it, without a store.

use std::hint::black_box;

use bson::rawdoc;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use oplogsync_benches::{document, large_document, orders};
use oplogsync_core::{
    apply::{Mode, apply},
    diff::Diff,
    document::Document,
    entry::Operation,
    testing::chain::valid,
};

fn pure_apply(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pure_apply");
    group.throughput(Throughput::Elements(1));
    for (label, bytes) in [("200B", 200), ("2kB", 2_000), ("100kB", 100_000)] {
        let before: Document = valid(large_document(7, 0, bytes));
        let (ns, id, after) = (orders(), before.id(), valid(large_document(7, 1, bytes)));
        let diff = Diff::new(rawdoc! { "u": { "version": 1, "status": "paid" } }).expect("it is a diff");
        let operations = [
            ("insert", None, Operation::Insert { ns: ns.clone(), document: valid(document(7, 0)) }),
            ("update", Some(&before), Operation::Update { ns: ns.clone(), document: after }),
            ("patch", Some(&before), Operation::Patch { ns: ns.clone(), id: id.clone(), diff }),
            ("delete", Some(&before), Operation::Delete { ns, id }),
        ];
        for (kind, current, operation) in operations {
            let name = BenchmarkId::from_parameter(format!("{kind}/document={label}"));
            group.bench_function(name, |bencher| {
                bencher.iter_batched(
                    || current.cloned(),
                    |current| apply(current, black_box(&operation), Mode::Steady),
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(benches, pure_apply);
criterion_main!(benches);
