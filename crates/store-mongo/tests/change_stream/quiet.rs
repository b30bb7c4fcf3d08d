//! While nothing happens that concerns a target, its checkpoint moves all the same, and not too often.

use std::time::{Duration, Instant};

use bson::doc;
use oplogsync_core::{
    clock::OpTime, documents::Documents, entry::Operation, feed::Feed, limits::Limits, memory::MemoryStore,
};
use tokio::time::timeout;

use super::{
    follower::{Follower, checkpoint, copy, synced},
    source::{Source, filter, set_of_one},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_concern_the_target_moves_its_checkpoint() {
    let Some(set) = set_of_one("quiet").await else { return };
    let source = Source::through(&set.uri(), filter(&[], &["noise"])).await;
    source.insert("shop.orders", doc! { "_id": 1 }).await;
    source.insert("noise.all", doc! { "_id": "before" }).await;
    let (target, mut follower) = synced(&source).await;
    let before = target.checkpoint().await.unwrap().unwrap();
    for id in 0..500 {
        source.insert("noise.all", doc! { "_id": id }).await;
    }
    follower.catch_up(&source).await;
    let after = target.checkpoint().await.unwrap().unwrap();
    assert!(after.anchor.optime > before.anchor.optime);
    let entries = after.anchor.position.index - before.anchor.position.index;
    assert!((1..100).contains(&entries), "{entries} entries that do nothing");
    source.expect_equal(&target).await;
    follower.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_on_which_nothing_happens_yields_one_entry_and_then_none() {
    let Some(set) = set_of_one("silent").await else { return };
    let mut source = Source::through(&set.uri(), filter(&["shop"], &[])).await;
    source.options.noop_interval = Duration::from_secs(3600);
    source.insert("shop.orders", doc! { "_id": 1 }).await;
    let target = MemoryStore::new("target");
    copy(&source, &target).await;
    source.insert("other.things", doc! { "_id": 1 }).await;
    let now = source.now().await;

    let feed = source.feed();
    let (mut at, mut token) = (target.checkpoint().await.unwrap().unwrap(), target.resume().await.unwrap().token);
    let mut noops = 0;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        let fetch = feed.fetch(Some(at), token.as_ref(), Limits::default()).await.expect("it is fetched");
        if let Some(batch) = fetch.batch {
            assert_eq!(batch.entries().len(), 1);
            assert_eq!(batch.entries()[0].operation(), &Operation::Noop);
            noops += 1;
            at.anchor = batch.last();
            token = batch.token().cloned();
        }
        source.insert("other.things", doc! {}).await;
    }
    assert_eq!(noops, 1);
    assert!(at.anchor.optime >= now, "{:?}", at.anchor);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_was_ended_long_ago_has_moved_to_where_the_source_was_then() {
    let Some(set) = set_of_one("idle").await else { return };
    let source = Source::whole(&set.uri()).await;
    let (target, follower) = synced(&source).await;
    follower.end().await;
    let before: OpTime = checkpoint(&target).await;
    // Its own database never concerns anybody.
    source.insert("oplogsync.private", doc! { "_id": 1 }).await;
    let mut follower = Follower::start(&source, &target);
    follower.catch_up(&source).await;
    assert!(checkpoint(&target).await > before);
    assert_eq!(target.namespaces().await.unwrap(), []);
    follower.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_after_a_long_time_of_nothing_is_told_at_once() {
    let Some(set) = set_of_one("sudden").await else { return };
    let mut source = Source::through(&set.uri(), filter(&["shop"], &[])).await;
    // Many answers that tell of nothing.
    source.options.await_time = Duration::from_millis(20);
    source.options.noop_interval = Duration::from_secs(3600);
    source.insert("shop.orders", doc! { "_id": 1 }).await;
    let target = MemoryStore::new("target");
    copy(&source, &target).await;

    let feed = source.feed();
    let (mut at, mut token) = (target.checkpoint().await.unwrap().unwrap(), target.resume().await.unwrap().token);
    while let Some(batch) = feed.fetch(Some(at), token.as_ref(), Limits::default()).await.expect("it is fetched").batch
    {
        at.anchor = batch.last();
        token = batch.token().cloned();
    }
    let quiet = timeout(Duration::from_secs(1), feed.changed(&at.anchor)).await;
    assert!(quiet.is_err(), "nothing has happened");
    let changed = async {
        let insert = source.insert("shop.orders", doc! { "_id": 2 });
        tokio::join!(feed.changed(&at.anchor), insert);
    };
    timeout(Duration::from_secs(30), changed).await.expect("it is told, though nobody asks");
    let fetch = feed.fetch(Some(at), token.as_ref(), Limits::default()).await.expect("it is fetched");
    assert_eq!(fetch.batch.expect("there it is").entries().len(), 1);
}
