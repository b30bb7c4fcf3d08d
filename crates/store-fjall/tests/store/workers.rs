//! The engine's threads fail: it is told with the next write, nothing hangs, and nothing acknowledged is lost.

use std::{
    fs,
    time::{Duration, Instant},
};

use oplogsync_core::{log::Log, store_error::Fault, testing::chain::Chain};

use crate::{
    engine::{self, Options, Store},
    suite::{
        history::{checked, log, write},
        tell::told,
    },
};

/// More than go into a table.
const APPENDS_MAX: u64 = 10_000;
const CLOSE_MAX: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_table_that_cannot_be_written_poisons_the_store_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    engine::prepare(folder.path());
    let store = Store::open(folder.path(), "a", Options::default()).unwrap();
    let mut chain = Chain::after(log(), write(&store, 10).await.last().unwrap().anchor());
    let keyspace = folder.path().join("keyspaces").join("1");
    let (tables, aside) = (keyspace.join("tables"), folder.path().join("keyspaces").join("1").join("aside"));
    fs::rename(&tables, &aside).unwrap();

    let mut acknowledged = chain.last().position.index;
    let error = loop {
        let entries = chain.noops(10).take();
        match store.append(&entries).await {
            Ok(_) => acknowledged = entries.last().unwrap().position().index,
            Err(error) => break error,
        }
        assert!(acknowledged < APPENDS_MAX, "nobody tells that no table can be written");
    };

    assert_eq!(*error.fault(), Fault::Poisoned);
    assert!(told(&error).contains("has failed to write a table"), "{}", told(&error));
    assert_eq!(*store.log_ends().await.unwrap_err().fault(), Fault::Poisoned);
    let begun = Instant::now();
    drop(store);
    assert!(begun.elapsed() < CLOSE_MAX, "closing took {:?}", begun.elapsed());
    fs::rename(&aside, &tables).unwrap();
    let store = Store::open(folder.path(), "a", Options::default()).unwrap();
    assert!(checked(&store).await.0.len() as u64 >= acknowledged);
}
