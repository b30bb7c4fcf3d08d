//! The operations of a transaction come in one batch, however many there are.

use std::time::Duration;

use bson::{Document, doc};
use mongodb::{Client, ClientSession};
use oplogsync_mongod::testing::test_options;

use super::{
    follower::{Follower, synced},
    source::{Source, set_of_one, set_with},
};

/// Inserts, updates and deletes, over three collections of two databases.
async fn write(client: &Client, session: &mut ClientSession, operations: i32, base: i32) {
    let collection = |n: i32| {
        let (database, name) =
            [("shop", "orders"), ("shop", "items"), ("bank", "accounts")][usize::try_from(n % 3).unwrap()];
        client.database(database).collection::<Document>(name)
    };
    for n in 0..operations {
        let target = collection(n);
        let id = base + n;
        match n % 10 {
            8 => {
                let (id, target) = (id - 6, collection(n - 6));
                let update = doc! { "$set": { "x.y": n } };
                let done =
                    target.update_one(doc! { "_id": id }, update).session(&mut *session).await.expect("it is updated");
                assert_eq!(done.matched_count, 1);
            }
            9 => {
                let (id, target) = (id - 6, collection(n - 6));
                let done = target.delete_one(doc! { "_id": id }).session(&mut *session).await.expect("it is deleted");
                assert_eq!(done.deleted_count, 1);
            }
            _ => drop(
                target.insert_one(doc! { "_id": id, "n": n }).session(&mut *session).await.expect("it is inserted"),
            ),
        }
    }
}

async fn transaction(source: &Source, operations: i32, base: i32) {
    let mut session = source.client.start_session().await.expect("there are sessions");
    session.start_transaction().await.expect("it begins");
    write(&source.client, &mut session, operations, base).await;
    session.commit_transaction().await.expect("it is committed");
}

/// Fails unless the only batch of several entries since the one of this number has so many.
async fn expect_one_batch(source: &Source, follower: &mut Follower, before: usize, operations: usize) {
    follower.catch_up(source).await;
    let told = follower.told.borrow().clone();
    let sizes: Vec<usize> = told.batches[before..].iter().copied().filter(|size| *size > 1).collect();
    assert_eq!(sizes, [operations], "the batches since");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_three_to_five_thousand_operations_is_one_batch() {
    let Some(set) = set_of_one("transactions").await else { return };
    let source = Source::whole(&set.uri()).await;
    for ns in ["shop.orders", "shop.items", "bank.accounts"] {
        source.insert(ns, doc! { "_id": "before" }).await;
    }
    let (target, mut follower) = synced(&source).await;
    for (at, operations) in [3, 40, 999, 1_000, 1_001, 5_000].into_iter().enumerate() {
        let before = follower.told.borrow().batches.len();
        transaction(&source, operations, i32::try_from(at).unwrap() * 10_000).await;
        expect_one_batch(&source, &mut follower, before, usize::try_from(operations).unwrap()).await;
    }
    source.expect_equal(&target).await;
    follower.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_the_server_tells_in_two_answers_is_one_batch() {
    let Some(set) = set_with("large", test_options().cache_gb(1.0)).await else { return };
    let source = Source::whole(&set.uri()).await;
    source.insert("shop.orders", doc! { "_id": "before" }).await;
    let (target, mut follower) = synced(&source).await;
    let before = follower.told.borrow().batches.len();
    let mut session = source.client.start_session().await.expect("there are sessions");
    session.start_transaction().await.expect("it begins");
    for n in 0..40 {
        let document = doc! { "_id": n, "text": "x".repeat(500_000) };
        source.collection("shop.orders").insert_one(document).session(&mut session).await.expect("it is inserted");
    }
    session.commit_transaction().await.expect("it is committed");
    expect_one_batch(&source, &mut follower, before, 40).await;
    source.expect_equal(&target).await;
    follower.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_does_not_wait_for_what_comes_after_it() {
    let Some(set) = set_of_one("prompt").await else { return };
    let mut source = Source::whole(&set.uri()).await;
    source.options.await_time = Duration::from_secs(60);
    for ns in ["shop.orders", "shop.items", "bank.accounts"] {
        source.insert(ns, doc! { "_id": "before" }).await;
    }
    let (_target, mut follower) = synced(&source).await;
    transaction(&source, 7, 0).await;
    let now = source.now().await;
    // The server answers of itself after a minute.
    let waited = tokio::time::timeout(Duration::from_secs(20), follower.wait_for(now)).await;
    assert!(waited.is_ok(), "{:?}", follower.told.borrow());
    follower.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_creates_its_collections_arrives() {
    let Some(set) = set_of_one("creating").await else { return };
    let source = Source::whole(&set.uri()).await;
    let (target, mut follower) = synced(&source).await;
    transaction(&source, 50, 0).await;
    follower.catch_up(&source).await;
    source.expect_equal(&target).await;
    follower.end().await;
}
