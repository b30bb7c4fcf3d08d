//! Replaying inserts of which a share is there already, as a batch that was cut off is, or what a copy has read while its
//! source went on: on MongoDB each of them is sent once more, as a replace.
//!
//! `cargo bench -p oplogsync-benches --bench duplicates`

use std::collections::HashMap;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use oplogsync_benches::{Servers, SledStores, document, orders, throughput_of, time_applies_after};
use oplogsync_core::{
    batch::Batch,
    catch_up::{CatchUp, Clock, Moment},
    memory::MemoryStore,
    testing::chain::{Chain, log_id},
    view::View,
};
use oplogsync_store_sled::Durability;
use tokio::runtime::Runtime;

const ENTRIES: i32 = 10_000;
const BATCH: usize = 1000;

/// Inserts of the documents that are there, and behind them those that are replayed, of which `percent` are the same.
fn batches(percent: i32) -> [Vec<Batch>; 2] {
    let mut chain = Chain::new(log_id(1));
    let is_there = |id: &i32| id % 100 < percent;
    let mut inserts = |ids: Vec<i32>, version| {
        let pieces = ids.chunks(BATCH);
        let batch = |piece: &[i32]| {
            for id in piece {
                chain.insert(&orders(), document(*id, version));
            }
            chain.take_batch()
        };
        pieces.map(batch).collect::<Vec<_>>()
    };
    let there = inserts((0..ENTRIES).filter(is_there).collect(), 0);
    let replayed = inserts((0..ENTRIES).collect(), 1).into_iter().map(|batch| batch.seen(replay()));
    [there, replayed.collect()]
}

/// What a target makes of entries of which it does not know which ones it has.
fn replay() -> View {
    let (until, listed) = (Moment::of_index(u64::MAX), Moment::default());
    let (clock, collections) = (Clock::Index, HashMap::new());
    let catch_up = CatchUp { clock, until, listed_at: listed, listed_until: listed, collections };
    View::whole().catching_up(Some(catch_up.into()))
}

fn duplicates(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut servers = runtime.block_on(Servers::start());
    let mut group = criterion.benchmark_group("duplicates");
    group.sample_size(10);
    for percent in [0, 10, 50, 100] {
        let [there, replayed] = batches(percent);
        group.throughput(throughput_of(&replayed));
        let name = |store: &str| BenchmarkId::from_parameter(format!("store={store}/inserts/share={percent}"));
        group.bench_function(name("memory"), |bencher| {
            bencher.iter_custom(|rounds| {
                time_applies_after(&runtime, &there, &replayed, rounds, || MemoryStore::new("bench"))
            });
        });
        let mut stores = SledStores::new(Durability::None);
        group.bench_function(name("sled"), |bencher| {
            bencher.iter_custom(|rounds| time_applies_after(&runtime, &there, &replayed, rounds, || stores.open()));
        });
        let Some(servers) = &mut servers else { continue };
        for (store, is_set) in [("mongo-standalone", false), ("mongo-set", true)] {
            group.bench_function(name(store), |bencher| {
                bencher.iter_custom(|rounds| {
                    time_applies_after(&runtime, &there, &replayed, rounds, || servers.open(&runtime, is_set))
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, duplicates);
criterion_main!(benches);
