//! A target that is ended behind any entry goes on with the next one.

use bson::doc;
use oplogsync_core::{documents::Documents, limits::Limits, memory::MemoryStore};

use super::{
    follower::{checkpoint, copy, replicator},
    source::{Source, set_of_one},
};

/// Every kind of event once, with two transactions, among which nothing may be done twice.
async fn write(source: &Source) {
    for id in 0..10 {
        source.insert("shop.orders", doc! { "_id": id, "list": [1, 2] }).await;
        source.update("shop.orders", id, doc! { "$push": { "list": id } }).await;
    }
    source.command("shop", doc! { "create": "options", "validator": { "x": 1 } }).await;
    source.command("shop", doc! { "createIndexes": "orders", "indexes": [{ "key": { "x": 1 }, "name": "x" }] }).await;
    for base in [100, 200] {
        let mut session = source.client.start_session().await.expect("there are sessions");
        session.start_transaction().await.expect("it begins");
        for id in base..base + 5 {
            let document = doc! { "_id": id };
            source.collection("shop.orders").insert_one(document).session(&mut session).await.expect("it is inserted");
        }
        let update = doc! { "$inc": { "n": 1 } };
        let orders = source.collection("shop.orders");
        let all = orders.update_many(doc! { "_id": { "$gte": base } }, update);
        all.session(&mut session).await.expect("they are updated");
        session.commit_transaction().await.expect("it is committed");
    }
    source.command("admin", doc! { "renameCollection": "shop.orders", "to": "shop.sold" }).await;
    source.insert("shop.orders", doc! { "_id": 0, "again": true }).await;
    for id in 0..10 {
        source.collection("shop.sold").delete_one(doc! { "_id": id }).await.expect("it is deleted");
        source.insert("shop.sold", doc! { "_id": id, "n": 0 }).await;
    }
    source.command("shop", doc! { "dropIndexes": "sold", "index": "x" }).await;
    source.command("shop", doc! { "drop": "orders" }).await;
    source.insert("shop.orders", doc! { "_id": 0, "last": true }).await;
}

/// Follows with a new feed for each batch; how many there were.
async fn follow_by_steps(source: &Source, target: &MemoryStore, limits: Limits) -> usize {
    let now = source.now().await;
    let mut batches = 0;
    while checkpoint(target).await < now {
        let mut replicator = replicator(source, target, limits);
        let step = replicator.step().await.expect("it goes on");
        batches += usize::from(step.entries > 0);
        replicator.close().await.expect("it gives its lease back");
    }
    batches
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_is_ended_behind_any_entry_goes_on_with_the_next_one() {
    let Some(set) = set_of_one("resume").await else { return };
    let source = Source::whole(&set.uri()).await;
    source.insert("shop.orders", doc! { "_id": "before" }).await;
    let (one, some) = (MemoryStore::new("target"), MemoryStore::new("target"));
    copy(&source, &one).await;
    copy(&source, &some).await;
    write(&source).await;

    let batches = follow_by_steps(&source, &one, Limits { entries_max: 1, ..Limits::default() }).await;
    assert!(batches >= 50, "{batches} entries and transactions");
    source.expect_equal(&one).await;
    follow_by_steps(&source, &some, Limits { entries_max: 7, ..Limits::default() }).await;
    source.expect_equal(&some).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_targets_of_one_source_make_the_same_log_of_it() {
    let Some(set) = set_of_one("same").await else { return };
    let source = Source::whole(&set.uri()).await;
    let (one, other) = (MemoryStore::new("target"), MemoryStore::new("target"));
    copy(&source, &one).await;
    // The same beginning.
    let (begin, resume) = (one.checkpoint().await.unwrap().unwrap(), one.resume().await.unwrap());
    write(&source).await;
    let ends = {
        let now = source.now().await;
        let (feed, limits) = (source.feed(), [Limits { entries_max: 3, ..Limits::default() }, Limits::default()]);
        let mut ends = Vec::new();
        for limits in limits {
            ends.push(last_entry(&feed, begin, resume.token.clone(), limits, now).await);
        }
        ends
    };
    assert_eq!(ends[0], ends[1]);
    drop(other);
}

/// The anchor of the last entry up to `now` that is no no-op.
async fn last_entry(
    feed: &oplogsync_store_mongo::ChangeStreamFeed,
    begin: oplogsync_core::checkpoint::Checkpoint,
    token: Option<oplogsync_core::checkpoint::Token>,
    limits: Limits,
    now: oplogsync_core::clock::OpTime,
) -> oplogsync_core::position::Anchor {
    use oplogsync_core::{entry::Operation, feed::Feed};
    let (mut at, mut token, mut last) = (begin, token, begin.anchor);
    while at.anchor.optime < now {
        let fetch = feed.fetch(Some(at), token.as_ref(), limits).await.expect("it is fetched");
        let Some(batch) = fetch.batch else {
            feed.changed(&at.anchor).await;
            continue;
        };
        if batch.entries().iter().all(|entry| *entry.operation() != Operation::Noop) {
            last = batch.last();
        }
        at.anchor = batch.last();
        token = batch.token().cloned();
    }
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_begun_is_yielded_whole_by_a_new_feed() {
    let Some(set) = set_of_one("begun").await else { return };
    let source = Source::whole(&set.uri()).await;
    let target = MemoryStore::new("target");
    copy(&source, &target).await;
    // More than one answer of the server holds.
    source.insert("shop.orders", doc! { "_id": 0 }).await;
    for id in 1..50 {
        source.insert("shop.orders", doc! { "_id": id, "text": "x".repeat(500_000) }).await;
    }
    let (at, resume) = (target.checkpoint().await.unwrap(), target.resume().await.unwrap());
    for entries_max in [1, 2, 45, 50] {
        let begun = Limits { entries_max, bytes_max: usize::MAX };
        let after = expect_begun(&source, (at, resume.token.clone()), Limits { entries_max: 1, ..begun }, 1).await;
        // The creation of the collection stands alone.
        expect_begun(&source, after, begun, entries_max).await;
    }
}

/// A new feed yields exactly so many entries; where it is then.
async fn expect_begun(source: &Source, (at, token): Begin, limits: Limits, entries: usize) -> Begin {
    use oplogsync_core::feed::Feed;
    let fetch = source.feed().fetch(at, token.as_ref(), limits).await.expect("it is fetched");
    let batch = fetch.batch.expect("there is one");
    assert_eq!(batch.entries().len(), entries);
    let after = oplogsync_core::checkpoint::Checkpoint { log: batch.log(), anchor: batch.last() };
    (Some(after), batch.token().cloned())
}

type Begin = (Option<oplogsync_core::checkpoint::Checkpoint>, Option<oplogsync_core::checkpoint::Token>);

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_begun_and_ends_with_the_sources_last_transaction_is_yielded_whole() {
    let Some(set) = set_of_one("ended").await else { return };
    let source = Source::whole(&set.uri()).await;
    source.insert("shop.orders", doc! { "_id": 0 }).await;
    let target = MemoryStore::new("target");
    copy(&source, &target).await;
    let begin = (target.checkpoint().await.unwrap(), target.resume().await.unwrap().token);
    source.insert("shop.orders", doc! { "_id": 1 }).await;
    let mut session = source.client.start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    for id in 2..5 {
        source.collection("shop.orders").insert_one(doc! { "_id": id }).session(&mut session).await.unwrap();
    }
    session.commit_transaction().await.unwrap();
    // As often as the end of a transaction may be told late.
    for _ in 0..10 {
        let limits = Limits { entries_max: 4, bytes_max: usize::MAX };
        expect_begun(&source, begin.clone(), limits, 4).await;
    }
}
