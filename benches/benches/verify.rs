//! Comparing two nodes that hold the same: by their digests, and byte for byte.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use oplogsync_benches::{Kind, SledStores, Workload, owner, take_lease};
use oplogsync_core::{
    documents::Documents,
    host::SystemHost,
    lease::Leases,
    memory::MemoryStore,
    verify::{VerifyMode, VerifyOptions, compare},
};
use oplogsync_store_sled::Durability;
use tokio::runtime::Runtime;

const DOCUMENTS: usize = 50_000;

async fn fill<S: Documents + Leases>(store: S) -> S {
    take_lease(&store).await;
    for batch in Workload::new(Kind::Inserts).batches(DOCUMENTS, 1000) {
        store.apply(&batch, owner()).await.expect("the store works");
    }
    store
}

/// Compares two stores, both ways of comparing.
fn both_modes<S: Documents, T: Documents>(
    criterion: &mut Criterion,
    runtime: &Runtime,
    stores: &str,
    source: &S,
    target: &T,
) {
    let mut group = criterion.benchmark_group("verify");
    group.sample_size(10).throughput(Throughput::Elements(DOCUMENTS as u64));
    for (label, mode) in [("digest", VerifyMode::Digest), ("full", VerifyMode::Full)] {
        let name = BenchmarkId::from_parameter(format!("{stores}/mode={label}/documents={DOCUMENTS}"));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let options = VerifyOptions { mode, ..VerifyOptions::default() };
                let report = runtime.block_on(Box::pin(compare(source, target, &SystemHost, options)));
                assert!(report.expect("they are read").differences.is_empty());
            });
        });
    }
    group.finish();
}

fn verify(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let memory = runtime.block_on(fill(MemoryStore::new("source")));
    let (mut sources, mut targets) = (SledStores::new(Durability::None), SledStores::new(Durability::None));
    let (source, target) = (runtime.block_on(fill(sources.open())), runtime.block_on(fill(targets.open())));
    both_modes(criterion, &runtime, "source=memory/target=sled", &memory, &target);
    both_modes(criterion, &runtime, "source=sled/target=sled", &source, &target);
}

criterion_group!(benches, verify);
criterion_main!(benches);
