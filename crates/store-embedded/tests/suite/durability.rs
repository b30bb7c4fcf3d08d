//! When a write is on the disk, and what happens when it cannot get there.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use oplogsync_core::{
    log::{Acknowledgement, Appended, Log},
    store_error::Fault,
    testing::chain::Chain,
};
use tempfile::TempDir;

use crate::{
    engine::{Durability, Moment, Options, Step, Store, Watch},
    suite::history::log,
};

fn options(durability: Durability) -> Options {
    Options { durability }
}

/// A store with a log whose syncs are counted.
async fn counted(durability: Durability, pause: Duration) -> (TempDir, Store, Arc<AtomicU64>) {
    let folder = tempfile::tempdir().unwrap();
    let syncs = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&syncs);
    let watch: Watch = Arc::new(move |step, moment| {
        if (step, moment) == (Step::Sync, Moment::Before) {
            counter.fetch_add(1, Ordering::SeqCst);
            // A slow disk.
            std::thread::sleep(pause);
        }
        Ok(())
    });
    let store = Store::open_watched(folder.path(), "a", options(durability), watch).unwrap();
    store.create_log(log()).await.unwrap();
    syncs.store(0, Ordering::SeqCst);
    (folder, store, syncs)
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_writers_share_syncs() {
    let (_folder, store, syncs) = counted(Durability::Fsync, Duration::from_millis(20)).await;
    let at = Chain::new(log()).last();
    let writers = (0..64).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            store.acknowledge(&Acknowledgement { replica: format!("replica-{number}"), at }).await.unwrap();
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(store.acknowledgements().await.unwrap().len(), 64);
    let syncs = syncs.load(Ordering::SeqCst);
    assert!((1..=32).contains(&syncs), "64 writes took {syncs} syncs");
}

#[tokio::test]
async fn each_write_alone_is_synced_before_it_is_acknowledged() {
    let (_folder, store, syncs) = counted(Durability::Fsync, Duration::ZERO).await;
    let mut chain = Chain::new(log());
    for number in 1..=5 {
        store.append(&chain.noops(1).take()).await.unwrap();
        assert_eq!(syncs.load(Ordering::SeqCst), number);
    }
    store.log_ends().await.unwrap();
    assert_eq!(syncs.load(Ordering::SeqCst), 5, "what is durable is read without a sync");
}

#[tokio::test]
async fn at_an_interval_the_store_syncs_by_itself() {
    let (_folder, store, syncs) = counted(Durability::Interval(Duration::from_millis(10)), Duration::ZERO).await;
    store.append(&Chain::new(log()).noops(1).take()).await.unwrap();
    let begun = Instant::now();
    while syncs.load(Ordering::SeqCst) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "nothing was synced");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn at_an_interval_the_close_syncs_what_is_left() {
    let (folder, store, syncs) = counted(Durability::Interval(Duration::from_secs(3600)), Duration::ZERO).await;
    store.append(&Chain::new(log()).noops(1).take()).await.unwrap();
    assert_eq!(syncs.load(Ordering::SeqCst), 0);
    drop(store);
    assert_eq!(syncs.load(Ordering::SeqCst), 1);
    let store = Store::open(folder.path(), "a", options(Durability::Fsync)).unwrap();
    assert_eq!(store.log_ends().await.unwrap().unwrap().head.position.index, 1);
}

#[tokio::test]
async fn without_durability_nothing_is_synced() {
    let (_folder, store, syncs) = counted(Durability::None, Duration::ZERO).await;
    store.append(&Chain::new(log()).noops(1).take()).await.unwrap();
    drop(store);
    assert_eq!(syncs.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_failed_sync_is_final_until_the_store_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let full = Arc::new(AtomicBool::new(false));
    let disk = Arc::clone(&full);
    let watch: Watch = Arc::new(move |step, moment| {
        let fails = (step, moment) == (Step::Sync, Moment::Before) && disk.load(Ordering::SeqCst);
        if fails { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    });
    let store = Store::open_watched(folder.path(), "a", Options::default(), watch).unwrap();
    store.create_log(log()).await.unwrap();
    let mut chain = Chain::new(log());
    store.append(&chain.noops(3).take()).await.unwrap();

    full.store(true, Ordering::SeqCst);
    let fourth = chain.noops(1).take();
    let error = store.append(&fourth).await.unwrap_err();
    assert_eq!((error.fault(), error.node()), (&Fault::Full, "a"));

    // The disk has space again, but what the kernel dropped is not known.
    full.store(false, Ordering::SeqCst);
    assert_eq!(*store.append(&fourth).await.unwrap_err().fault(), Fault::Poisoned);
    assert_eq!(*store.log_ends().await.unwrap_err().fault(), Fault::Poisoned);

    drop(store);
    let store = Store::open(folder.path(), "a", Options::default()).unwrap();
    assert!(store.log_ends().await.unwrap().unwrap().head.position.index >= 3);
    assert_eq!(store.append(&fourth).await.unwrap(), Appended::All);
}
