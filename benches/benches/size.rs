//! What a batch costs when so many documents are there already: updates of a thousand of them, on sled.
//!
//! `OPLOGSYNC_BENCH_DOCUMENTS=10000000` adds one more size, which takes minutes to fill.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use oplogsync_benches::{SledStores, document, orders, owner, take_lease};
use oplogsync_core::{
    documents::Documents,
    testing::chain::{Chain, log_id},
};
use oplogsync_store_sled::{Durability, SledStore};
use tokio::runtime::Runtime;

const BATCH: i32 = 1000;

/// A store, and the log that it follows.
struct Filled {
    store: SledStore,
    chain: Chain,
    documents: i32,
    version: i32,
}

impl Filled {
    fn new(runtime: &Runtime, stores: &mut SledStores, documents: i32) -> Self {
        let (store, mut chain) = (stores.open(), Chain::new(log_id(1)));
        runtime.block_on(async {
            take_lease(&store).await;
            for from in (0..documents).step_by(10_000) {
                for id in from..documents.min(from + 10_000) {
                    chain.insert(&orders(), document(id, 0));
                }
                store.apply(&chain.take_batch(), owner()).await.expect("the store works");
            }
        });
        Self { store, chain, documents, version: 0 }
    }

    /// Updates a thousand documents all over the collection.
    fn update(&mut self, runtime: &Runtime) -> Duration {
        self.version += 1;
        for n in 0..BATCH {
            let id = (i64::from(n + self.version * BATCH) * 7919) % i64::from(self.documents);
            self.chain.update(&orders(), document(i32::try_from(id).expect("an id"), self.version));
        }
        let batch = self.chain.take_batch();
        let start = Instant::now();
        runtime.block_on(self.store.apply(&batch, owner())).expect("the store works");
        start.elapsed()
    }
}

fn size(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("size");
    group.sample_size(10).throughput(Throughput::Elements(BATCH.unsigned_abs().into()));
    let more = std::env::var("OPLOGSYNC_BENCH_DOCUMENTS").ok().map(|text| text.parse().expect("a number"));
    for documents in [10_000, 100_000, 1_000_000].into_iter().chain(more) {
        let name = BenchmarkId::from_parameter(format!("store=sled/updates/batch=1000/documents={documents}"));
        let (mut stores, mut filled) = (SledStores::new(Durability::None), None);
        group.bench_function(name, |bencher| {
            // Filled only when it is asked for.
            let filled = filled.get_or_insert_with(|| Filled::new(&runtime, &mut stores, documents));
            bencher.iter_custom(|rounds| (0..rounds).map(|_| filled.update(&runtime)).sum());
        });
    }
    group.finish();
}

criterion_group!(benches, size);
criterion_main!(benches);
