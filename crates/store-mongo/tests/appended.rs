//! A change stream on the log wakes who waits for entries.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use oplogsync_core::{
    log::{Appended, Log},
    testing::chain::{Chain, log_id},
};
use oplogsync_mongod::{
    ReplicaSet,
    testing::{binary, shared_replica_set, shared_standalones, test_options},
};
use oplogsync_store_mongo::MongoStore;

use crate::fixture::connect;

/// Nobody waits longer, however busy the machine is.
const LIMIT: Duration = Duration::from_secs(30);

async fn woken(store: &MongoStore, index: u64) {
    tokio::time::timeout(LIMIT, store.appended(index)).await.expect("it is woken");
}

/// A store whose log holds one entry, another one that appends, and what goes on.
async fn prepared(uri: &str, database: &str) -> (MongoStore, MongoStore, Chain) {
    let (store, writer) = tokio::join!(connect(uri, database), connect(uri, database));
    writer.create_log(log_id(1)).await.expect("it is created");
    let mut chain = Chain::new(log_id(1));
    append(&writer, &mut chain).await;
    (store, writer, chain)
}

async fn append(writer: &MongoStore, chain: &mut Chain) {
    assert_eq!(writer.append(&chain.noops(1).take()).await.expect("it is appended"), Appended::All);
}

#[tokio::test]
async fn who_waits_for_entries_of_a_replica_set_is_woken_again_and_again() {
    let Some(database) = shared_replica_set().await else { return };
    let (store, writer, mut chain) = prepared(database.server(), database.name()).await;
    woken(&store, 0).await;
    let (mut acknowledged, mut heard) = (Vec::new(), Vec::new());
    for index in 1..=50 {
        let mut waiting = std::pin::pin!(woken(&store, index));
        let soon = tokio::time::timeout(Duration::from_millis(20), &mut waiting).await;
        assert!(soon.is_err(), "there is no entry {}", index + 1);
        let started = Instant::now();
        let after = async |work: Pin<&mut dyn Future<Output = ()>>| {
            work.await;
            started.elapsed()
        };
        let appending = std::pin::pin!(append(&writer, &mut chain));
        let (written, told) = tokio::join!(after(appending), after(waiting));
        acknowledged.push(written);
        heard.push(told);
    }
    acknowledged.sort();
    heard.sort();
    let middle_and_end = |times: &[Duration]| (times[times.len() / 2], times[times.len() - 1]);
    eprintln!(
        "50 appends, median and longest: acknowledged after {:?}, woken after {:?}",
        middle_and_end(&acknowledged),
        middle_and_end(&heard)
    );
    woken(&store, 20).await;
}

#[tokio::test]
async fn all_who_wait_are_woken_each_for_what_he_waits_for() {
    let Some(database) = shared_replica_set().await else { return };
    let (store, writer, mut chain) = prepared(database.server(), database.name()).await;
    let others = store.clone();
    // It holds the stream, and waits for more than there will be.
    let mut far = Box::pin(store.appended(1_000));
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut far).await.is_err());
    let near = async {
        woken(&others, 0).await;
        append(&writer, &mut chain).await;
        woken(&others, 1).await;
        append(&writer, &mut chain).await;
        woken(&others, 2).await;
    };
    tokio::select! {
        () = &mut far => panic!("there are not so many entries"),
        () = near => {}
    }
    drop(far);
    append(&writer, &mut chain).await;
    woken(&others, 3).await;
}

#[tokio::test]
async fn on_a_standalone_server_nobody_is_woken() {
    let Some(servers) = shared_standalones(1).await else { return };
    let (store, _writer, _chain) = prepared(servers[0].server(), servers[0].name()).await;
    assert!(tokio::time::timeout(Duration::from_millis(300), store.appended(0)).await.is_err());
}

#[tokio::test]
async fn a_stream_that_ends_is_opened_anew_by_the_next_one() {
    let Some(binary) = binary().await else { return };
    let mut set = ReplicaSet::start(&binary, "news", 1, test_options()).await.expect("it starts");
    let (store, writer, mut chain) = prepared(&set.uri(), "news").await;
    woken(&store, 0).await;
    assert!(tokio::time::timeout(Duration::from_millis(300), store.appended(1)).await.is_err());
    let member = &mut set.members_mut()[0];
    member.kill().expect("it is killed");
    assert!(tokio::time::timeout(Duration::from_millis(500), store.appended(1)).await.is_err(), "it does not spin");
    member.restart().await.expect("it starts again");
    let started = Instant::now();
    while writer.append(&chain.clone().noops(1).take()).await.is_err() {
        assert!(started.elapsed() < LIMIT, "it becomes primary again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    chain.noops(1).take();
    let started = Instant::now();
    while tokio::time::timeout(Duration::from_secs(1), store.appended(1)).await.is_err() {
        assert!(started.elapsed() < LIMIT, "it is told of the entry");
    }
    let mut waiting = std::pin::pin!(store.appended(2));
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut waiting).await.is_err());
    append(&writer, &mut chain).await;
    tokio::time::timeout(LIMIT, waiting).await.expect("it is woken by the new stream");
}
