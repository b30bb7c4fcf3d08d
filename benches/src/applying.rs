//! What the criterion benchmarks of an apply share.

use std::time::{Duration, Instant};

use criterion::{BenchmarkGroup, BenchmarkId, Throughput, measurement::WallTime};
use oplogsync_core::{batch::Batch, documents::Documents, entry::Entry, lease::Leases};
use oplogsync_store_sled::{Durability, Options, SledStore};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{NullStore, owner, take_lease};

/// New stores on sled, one at a time: the folder of each is gone when the next is opened.
#[derive(Debug)]
pub struct SledStores {
    durability: Durability,
    folder: Option<TempDir>,
}

impl SledStores {
    /// Stores that are opened with this durability.
    pub fn new(durability: Durability) -> Self {
        Self { durability, folder: None }
    }

    /// A new one. The one before has to be closed.
    ///
    /// # Panics
    /// When there is no folder for it.
    #[expect(clippy::expect_used, reason = "a benchmark that cannot begin ends")]
    pub fn open(&mut self) -> SledStore {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = Options { durability: self.durability };
        let store = SledStore::open(folder.path().join("store"), "bench", options).expect("a new store");
        self.folder = Some(folder);
        store
    }
}

/// Times how batches are applied by a store that costs nothing, and by sled without and with its syncs.
///
/// # Panics
/// When a store fails.
pub fn bench_applies(group: &mut BenchmarkGroup<'_, WallTime>, runtime: &Runtime, case: &str, batches: &[Batch]) {
    group.throughput(throughput_of(batches));
    let name = |store: &str| BenchmarkId::from_parameter(format!("store={store}/{case}"));
    group.bench_function(name("null"), |bencher| {
        bencher.iter_custom(|rounds| time_applies(runtime, batches, rounds, NullStore::default));
    });
    for (store, durability) in [("sled", Durability::None), ("sled-fsync", Durability::Fsync)] {
        let mut stores = SledStores::new(durability);
        group.bench_function(name(store), |bencher| {
            bencher.iter_custom(|rounds| time_applies(runtime, batches, rounds, || stores.open()));
        });
    }
}

/// How long all batches take when they are applied to a new store, `rounds` times; opening is not counted.
///
/// # Panics
/// When the store fails.
pub fn time_applies<S: Documents + Leases>(
    runtime: &Runtime,
    batches: &[Batch],
    rounds: u64,
    open: impl FnMut() -> S,
) -> Duration {
    time_applies_after(runtime, &[], batches, rounds, open)
}

/// The same behind other batches, which are not counted either.
///
/// # Panics
/// When the store fails.
#[expect(clippy::expect_used, reason = "a benchmark that cannot go on ends")]
pub fn time_applies_after<S: Documents + Leases>(
    runtime: &Runtime,
    before: &[Batch],
    batches: &[Batch],
    rounds: u64,
    mut open: impl FnMut() -> S,
) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..rounds {
        let store = open();
        runtime.block_on(async {
            take_lease(&store).await;
            for batch in before {
                store.apply(batch, owner()).await.expect("the batch follows the checkpoint");
            }
            let start = Instant::now();
            for batch in batches {
                store.apply(batch, owner()).await.expect("the batch follows the checkpoint");
            }
            total += start.elapsed();
        });
    }
    total
}

/// The entries of batches, and the bytes of their documents.
pub fn throughput_of(batches: &[Batch]) -> Throughput {
    let entries = || batches.iter().flat_map(Batch::entries);
    Throughput::ElementsAndBytes { elements: entries().count() as u64, bytes: bytes_of(entries()) }
}

/// The bytes that entries count with.
pub fn bytes_of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> u64 {
    entries.into_iter().map(|entry| entry.bytes() as u64).sum()
}
