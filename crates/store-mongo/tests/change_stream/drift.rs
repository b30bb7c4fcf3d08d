//! A change that does not fit the target's document is put right by the document that it left at the source.

use bson::{doc, rawdoc};
use oplogsync_core::{
    documents::Documents,
    testing::{
        chain::valid,
        documents::{id, namespace},
    },
};

use super::{
    follower::synced,
    source::{Source, set_of_one},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_does_not_fit_is_replaced_by_the_document_as_it_was_after_it() {
    let Some(set) = set_of_one("drift").await else { return };
    let source = Source::whole(&set.uri()).await;
    for id in 1..4 {
        source.insert("shop.orders", doc! { "_id": id, "a": { "b": 1 } }).await;
    }
    let (target, mut follower) = synced(&source).await;
    for id in 1..4 {
        // Somebody else's.
        target.put_foreign_document(&namespace("orders"), valid(rawdoc! { "_id": id, "a": 5 }));
    }
    source.update("shop.orders", 1, doc! { "$set": { "a.b": 2 } }).await;
    source.update("shop.orders", 1, doc! { "$set": { "a.c": 3 } }).await;
    // Two of them in one transaction, which is applied as one.
    let mut session = source.client.start_session().await.expect("there are sessions");
    session.start_transaction().await.expect("it begins");
    for id in 2..4 {
        let (orders, update) = (source.collection("shop.orders"), doc! { "$set": { "a.b": id } });
        orders.update_one(doc! { "_id": id }, update).session(&mut session).await.expect("it is updated");
    }
    session.commit_transaction().await.expect("it is committed");
    follower.catch_up(&source).await;
    source.expect_equal(&target).await;
    follower.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_does_not_fit_stops_the_target_where_the_source_has_forgotten() {
    let Some(set) = set_of_one("forgotten").await else { return };
    let source = Source::whole(&set.uri()).await;
    source.insert("shop.orders", doc! { "_id": 1, "a": { "b": 1 } }).await;
    let (target, follower) = synced(&source).await;
    follower.end().await;
    target.put_foreign_document(&namespace("orders"), valid(rawdoc! { "_id": 1, "a": 5 }));
    source.update("shop.orders", 1, doc! { "$set": { "a.b": 2 } }).await;
    source.collection("shop.orders").drop().await.expect("it is dropped");
    let words = super::follower::Follower::start(&source, &target).wait_for_stop().await;
    assert!(words.contains("not as it was at the source"), "{words}");
    assert!(target.get(&namespace("orders"), &[id(1)]).await.unwrap()[0].is_some());
}
