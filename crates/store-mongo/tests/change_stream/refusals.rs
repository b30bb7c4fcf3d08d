//! What cannot be followed is told, with the way out.

use bson::doc;
use oplogsync_core::{feed::FeedError, initial_sync::SyncSource, memory::MemoryStore, store_error::Fault};
use oplogsync_mongod::testing::{shared_standalones, test_options};

use super::{
    follower::{Follower, synced},
    source::{Source, filter, set_of_one, set_with},
};
use crate::writers::chain;

#[tokio::test]
async fn a_standalone_server_is_refused_with_the_way_out() {
    let Some(servers) = shared_standalones(1).await else { return };
    let source = Source::database(servers[0].server(), servers[0].name()).await;
    let error = source.snapshots().start().await.expect_err("it has no change streams");
    let words = chain(&error);
    assert!(words.contains("mongod --replSet") && words.contains("kind = \"managed\""), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_cannot_be_followed_stops_the_target_by_its_name_unless_it_is_excluded() {
    let Some(set) = set_of_one("kinds").await else { return };
    let kinds = [
        ("capped", doc! { "create": "capped", "capped": true, "size": 4096 }),
        ("series", doc! { "create": "series", "timeseries": { "timeField": "t" } }),
        ("clustered", doc! { "create": "clustered", "clusteredIndex": { "key": { "_id": 1 }, "unique": true } }),
    ];
    for (name, create) in kinds {
        let all = Source::whole(&set.uri()).await;
        all.insert("shop.orders", doc! {}).await;
        let some = Source::through(&set.uri(), filter(&[], &[&format!("shop.{name}")])).await;
        let ((_, mut stopped), (target, mut follower)) = (synced(&all).await, synced(&some).await);
        all.command("shop", create).await;
        all.insert("shop.orders", doc! {}).await;
        let words = stopped.wait_for_stop().await;
        assert!(words.contains(&format!("shop.{name}")) && words.contains("[filter] exclude"), "{words}");
        follower.catch_up(&some).await;
        some.expect_equal(&target).await;
        follower.end().await;

        let error = all.snapshots().list().await.expect_err("it cannot be copied");
        assert_eq!(error.fault(), &Fault::Unreplicable { name: format!("shop.{name}") });
        let words = chain(&error);
        assert!(words.contains(&format!("shop.{name}")) && words.contains("[filter] exclude"), "{words}");
        all.command("shop", doc! { "drop": name }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_more_than_16_mib_stops_the_target_with_the_way_out() {
    let Some(set) = set_of_one("huge").await else { return };
    let source = Source::whole(&set.uri()).await;
    source.insert("shop.orders", doc! { "_id": 1, "a": "x" }).await;
    let (_target, mut follower) = synced(&source).await;
    // The id is in the event four times: in the document, in its key, and in the token, in two letters a byte.
    source.insert("shop.orders", doc! { "_id": "x".repeat(5 * 1024 * 1024) }).await;
    let words = follower.wait_for_stop().await;
    assert!(words.contains("6.0.9") && words.contains("[filter] exclude"), "{words}");
}

/// Copied and followed: what a name looks like is the server's to say.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_server_calls_a_collection_it_is_replicated() {
    let Some(set) = set_of_one("names").await else { return };
    let source = Source::whole(&set.uri()).await;
    let names = ["od:d.orders", "a*b.orders", "a<b|c?.orders", "shop.en.d.", "shop.a..b", "shop.a b", "shop.\u{fc}\t"];
    for name in names {
        source.insert(name, doc! { "_id": 1 }).await;
    }
    let (target, mut follower) = synced(&source).await;
    for name in names {
        source.update(name, 1, doc! { "$set": { "x": 1 } }).await;
    }
    source.command("od:d", doc! { "create": "new." }).await;
    source.command("od:d", doc! { "dropDatabase": 1 }).await;
    follower.catch_up(&source).await;
    source.expect_equal(&target).await;
    assert_eq!(source.contents().await.len(), names.len() - 1);
    follower.end().await;
}

/// An event has the change once: in the form of the server's oplog, and not in its public one.
#[tokio::test(flavor = "multi_thread")]
async fn an_update_of_nearly_16_mib_arrives() {
    let Some(set) = set_with("updates", test_options().cache_gb(1.0)).await else { return };
    let source = Source::whole(&set.uri()).await;
    source.insert("shop.orders", doc! { "_id": 1 }).await;
    let (target, mut follower) = synced(&source).await;
    for mebibytes in [9, 15] {
        let text = "x".repeat(mebibytes * 1024 * 1024);
        source.update("shop.orders", 1, doc! { "$set": { "text": text, "n": 1 } }).await;
        source.update("shop.orders", 1, doc! { "$unset": { "text": 1 } }).await;
    }
    source.update("shop.orders", 1, doc! { "$set": { "text": "y".repeat(15 * 1024 * 1024) } }).await;
    follower.catch_up(&source).await;
    source.expect_equal(&target).await;
    follower.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_was_never_copied_is_told_so() {
    use oplogsync_core::{feed::Feed, limits::Limits};
    let Some(set) = set_of_one("never").await else { return };
    let source = Source::whole(&set.uri()).await;
    let error = source.feed().fetch(None, None, Limits::default()).await.expect_err("it has no beginning");
    assert!(matches!(error, FeedError::NoBeginning { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_filter_is_found_out() {
    let Some(set) = set_of_one("filters").await else { return };
    let source = Source::whole(&set.uri()).await;
    let (target, follower): (MemoryStore, Follower) = synced(&source).await;
    follower.end().await;
    let other = Source::through(&set.uri(), filter(&["shop"], &[])).await;
    let words = Follower::start(&other, &target).wait_for_stop().await;
    assert!(words.contains("[filter]"), "{words}");
}
