//! The copy that a new replica begins with: documents a second from store to store. Two real servers are compared with a
//! raw copy by the program `compare`.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use oplogsync_benches::{Kind, NullStore, SledStores, Workload, owner, take_lease, write_log};
use oplogsync_core::{
    documents::Documents,
    feed::OplogFeed,
    host::SystemHost,
    initial_sync::{InitialSync, LogSource, SyncOptions, SyncTarget},
    lease::Leases,
    log::Log,
    memory::MemoryStore,
};
use oplogsync_store_sled::Durability;
use tokio::runtime::Runtime;

const DOCUMENTS: usize = 20_000;

/// A source with a log and the documents of it.
async fn fill<S: Log + Documents + Leases>(store: S) -> S {
    write_log(&store, Kind::Inserts, DOCUMENTS).await;
    take_lease(&store).await;
    for batch in Workload::new(Kind::Inserts).batches(DOCUMENTS, 1000) {
        store.apply(&batch, owner()).await.expect("the store works");
    }
    store
}

/// How long it takes until everything is copied into a new target; opening it is not counted.
fn timed<S, T>(runtime: &Runtime, source: &S, rounds: u64, mut open: impl FnMut() -> T) -> Duration
where
    S: Log + Documents + Clone,
    T: SyncTarget + Clone,
{
    let (feed, source) = (OplogFeed::new(source.clone(), "source"), LogSource::new(source.clone(), "source"));
    let options = SyncOptions::default();
    let mut total = Duration::ZERO;
    for _ in 0..rounds {
        let target = open();
        let start = Instant::now();
        let sync = InitialSync::new("target", &feed, &source, &target, &SystemHost, &options);
        runtime.block_on(Box::pin(sync.run(&()))).expect("it is copied");
        total += start.elapsed();
    }
    total
}

fn initial_sync(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("initial_sync");
    group.sample_size(10).throughput(Throughput::Elements(DOCUMENTS as u64));
    let memory = runtime.block_on(fill(MemoryStore::new("source")));
    group.bench_function(BenchmarkId::from_parameter("source=memory/target=null"), |bencher| {
        bencher.iter_custom(|rounds| timed(&runtime, &memory, rounds, NullStore::default));
    });
    let mut sources = SledStores::new(Durability::None);
    let sled = runtime.block_on(fill(sources.open()));
    for (target, durability) in [("sled", Durability::None), ("sled-fsync", Durability::Fsync)] {
        let mut stores = SledStores::new(durability);
        group.bench_function(BenchmarkId::from_parameter(format!("source=sled/target={target}")), |bencher| {
            bencher.iter_custom(|rounds| timed(&runtime, &sled, rounds, || stores.open()));
        });
    }
    group.finish();
}

criterion_group!(benches, initial_sync);
criterion_main!(benches);
