//! A filter that is confined to databases, to one of them, or to one collection makes a stream of that level.

use bson::doc;
use oplogsync_core::filter::Filter;
use oplogsync_mongod::testing::shared_replica_set;

use super::{
    follower::synced,
    source::{Source, filter, set_of_one},
};

/// Something in three databases.
async fn write(source: &Source, round: i32) {
    for ns in ["shop.orders", "shop.items", "bank.accounts", "other.things"] {
        source.insert(ns, doc! { "_id": round, "ns": ns }).await;
        source.update(ns, round, doc! { "$set": { "round": round } }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_all_levels_leave_what_their_filters_let_pass() {
    let Some(set) = set_of_one("levels").await else { return };
    let includes: [&[&str]; 5] =
        [&[], &["shop", "bank.accounts"], &["shop"], &["shop.orders", "shop.it*"], &["shop.orders"]];
    let mut followers = Vec::new();
    write(&Source::whole(&set.uri()).await, 0).await;
    for include in includes {
        let source = Source::through(&set.uri(), filter(include, &["*.secret"])).await;
        let (target, follower) = synced(&source).await;
        followers.push((source, target, follower));
    }
    for round in 1..5 {
        write(&followers[0].0, round).await;
        followers[0].0.insert("shop.secret", doc! { "_id": round }).await;
    }
    let first = followers[0].0.clone();
    first.command("shop", doc! { "createIndexes": "orders", "indexes": [{ "key": { "x": 1 }, "name": "x" }] }).await;
    for (source, target, follower) in &mut followers {
        follower.catch_up(source).await;
        source.expect_equal(target).await;
    }
    for (_, _, follower) in followers {
        follower.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_goes_and_comes_back_is_followed_on() {
    let Some(set) = set_of_one("gone").await else { return };
    let source = Source::through(&set.uri(), filter(&["shop.orders"], &[])).await;
    source.insert("shop.orders", doc! { "_id": 0 }).await;
    let (target, mut follower) = synced(&source).await;
    for round in 0..3 {
        source.command("shop", doc! { "drop": "orders" }).await;
        source.insert("shop.orders", doc! { "_id": round }).await;
        source
            .command("admin", doc! { "renameCollection": "shop.orders", "to": "shop.moved", "dropTarget": true })
            .await;
        source.insert("shop.orders", doc! { "_id": round, "again": true }).await;
        follower.catch_up(&source).await;
        source.expect_equal(&target).await;
    }
    source.command("shop", doc! { "drop": "orders" }).await;
    // What comes from under another name has to be copied.
    source.command("admin", doc! { "renameCollection": "shop.moved", "to": "shop.orders" }).await;
    source.update("shop.orders", 2, doc! { "$set": { "x": 1 } }).await;
    follower.catch_up(&source).await;
    source.expect_equal(&target).await;
    let told = follower.end().await;
    assert_eq!(told.retried, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_and_comes_back_is_followed_on() {
    let Some(set) = set_of_one("dropped").await else { return };
    let source = Source::through(&set.uri(), filter(&["shop"], &[])).await;
    source.insert("shop.orders", doc! { "_id": 0 }).await;
    let (target, mut follower) = synced(&source).await;
    for round in 0..3 {
        source.client.database("shop").drop().await.expect("it is dropped");
        for ns in ["shop.orders", "shop.items"] {
            source.insert(ns, doc! { "_id": round }).await;
        }
    }
    follower.catch_up(&source).await;
    source.expect_equal(&target).await;
    follower.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_one_database_is_followed_under_its_name_in_the_log() {
    let Some(database) = shared_replica_set().await else { return };
    let source = Source::database(database.server(), database.name()).await;
    let physical = |collection: &str| format!("{}.{collection}", database.name());
    source.insert(&physical("orders"), doc! { "_id": 0 }).await;
    let (target, mut follower) = synced(&source).await;
    source.insert(&physical("orders"), doc! { "_id": 1 }).await;
    source.update(&physical("orders"), 1, doc! { "$set": { "x": 1 } }).await;
    source.command("admin", doc! { "renameCollection": physical("orders"), "to": physical("sold") }).await;
    source.insert(&physical("oplogsync.own"), doc! { "_id": 1 }).await;
    source.insert("somewhere.else", doc! {}).await;
    follower.catch_up(&source).await;
    source.expect_equal(&target).await;
    follower.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn renamings_hold_at_every_level() {
    let Some(set) = set_of_one("renamed").await else { return };
    let renaming = |include: &[&str], exclude: &[&str], names: &[(&str, &str)]| {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let names: Vec<_> = names.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        Filter::new(&texts(include), &texts(exclude), &names).unwrap()
    };
    let filters = [
        renaming(&[], &["store", "bank.books"], &[("shop", "store"), ("bank.accounts", "bank.books")]),
        renaming(&["shop.orders"], &[], &[("shop.orders", "shop.sold")]),
    ];
    for filter in filters {
        let source = Source::through(&set.uri(), filter).await;
        source.client.database("shop").drop().await.expect("it is dropped");
        write(&source, 0).await;
        let (target, mut follower) = synced(&source).await;
        write(&source, 1).await;
        source.command("shop", doc! { "collMod": "orders", "validator": { "x": { "$exists": false } } }).await;
        follower.catch_up(&source).await;
        source.expect_equal(&target).await;
        follower.end().await;
        for ns in ["bank.accounts", "other.things"] {
            source.collection(ns).drop().await.expect("it is dropped");
        }
    }
}
