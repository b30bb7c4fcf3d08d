//! Applying batches to a real mongod: alone, and as a replica set of one member.
//!
//! `cargo bench -p oplogsync-benches --bench apply_mongo`

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use oplogsync_benches::{Kind, Workload, throughput_of, time_applies};
use oplogsync_mongod::testing::{Database, shared_replica_set, shared_standalones};
use oplogsync_store_mongo::{MongoStore, Options, Scope};
use tokio::runtime::Runtime;

const ENTRIES: usize = 10_000;

async fn databases() -> Option<(Database, Database)> {
    Some((shared_standalones(1).await?.pop()?, shared_replica_set().await?))
}

/// A new database of the same server.
fn open(runtime: &Runtime, database: &Database, number: u64) -> MongoStore {
    let physical = format!("{}_{number}", database.name());
    let scope = Scope::Database { logical: "shop".to_owned(), physical };
    let options = Options { request_timeout: Duration::from_secs(30), ..Options::default() };
    runtime.block_on(MongoStore::connect(database.server(), "bench", scope, options)).expect("the server takes us")
}

fn apply_mongo(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let Some((standalone, set)) = runtime.block_on(databases()) else { return };
    let mut group = criterion.benchmark_group("apply");
    group.sample_size(10);
    let mut number = 0;
    for (kind, label) in [(Kind::Mix, "mix=60-30-10"), (Kind::Inserts, "inserts")] {
        let batches = Workload::new(kind).batches(ENTRIES, 1000);
        group.throughput(throughput_of(&batches));
        for (store, database) in [("mongo-standalone", &standalone), ("mongo-set", &set)] {
            let mut next = || {
                number += 1;
                open(&runtime, database, number)
            };
            let name = BenchmarkId::from_parameter(format!("store={store}/{label}/batch=1000"));
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|rounds| time_applies(&runtime, &batches, rounds, &mut next));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, apply_mongo);
criterion_main!(benches);
