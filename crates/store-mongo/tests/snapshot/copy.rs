//! A copy under writers, cut off again and again, and then followed, is equal to the source.
//!
//! `OPLOGSYNC_COPY_KILLS=30` is a longer run; `OPLOGSYNC_SEED` repeats the choices.

use bson::{Document, doc};
use oplogsync_core::{
    initial_sync::{SyncOptions, SyncSource},
    limits::Limits,
    memory::MemoryStore,
    testing::random::Random,
};
use tokio::task::JoinSet;

use crate::{
    change_stream::{
        follower::Follower,
        load::Load,
        source::{Source, filter, set_of_one},
    },
    fixture::seeded,
};

const DOCUMENTS: i32 = 4_000;

fn kills() -> u64 {
    std::env::var("OPLOGSYNC_COPY_KILLS").map_or(8, |text| text.parse().expect("OPLOGSYNC_COPY_KILLS is a number"))
}

/// Small pieces and parts, so that there is something to be cut.
fn small() -> SyncOptions {
    let limits = Limits { entries_max: 25, ..SyncOptions::default().limits };
    SyncOptions { part_documents: 400, limits, ..SyncOptions::default() }
}

async fn fill(source: &Source) {
    for ns in ["shop.orders", "shop.items", "bank.accounts"] {
        let documents: Vec<Document> = (0..DOCUMENTS).map(|id| doc! { "_id": id, "n": 0, "list": [] }).collect();
        source.collection(ns).insert_many(documents).await.expect("they are inserted");
    }
    let indexes = doc! { "createIndexes": "orders", "indexes": [{ "key": { "n": 1 }, "name": "n" }] };
    source.command("shop", indexes).await;
    source.command("shop", doc! { "create": "seen", "viewOn": "orders", "pipeline": [] }).await;
    source.command("shop", doc! { "create": "strict", "validator": { "x": { "$exists": false } } }).await;
    // What is left out may be of any kind.
    source.command("other", doc! { "create": "capped", "capped": true, "size": 4096 }).await;
    source.command("other", doc! { "create": "series", "timeseries": { "timeField": "t" } }).await;
}

/// Collections come, go and change their names and indexes, so many times.
async fn change_collections(source: Source, mut random: Random, rounds: i32) {
    for round in 0..rounds {
        let database = ["shop", "bank"][usize::try_from(random.below(2)).unwrap()];
        let client = source.client.database(database);
        let name = format!("c{}", random.below(4));
        let run = async |command: Document| drop(client.run_command(command).await);
        match random.below(6) {
            0 => run(doc! { "drop": &name }).await,
            1 => {
                let to = format!("{database}.c{}", random.below(4));
                let rename = doc! { "renameCollection": format!("{database}.{name}"), "to": to, "dropTarget": true };
                drop(source.client.database("admin").run_command(rename).await);
            }
            2 => run(doc! { "createIndexes": &name, "indexes": [{ "key": { "n": 1 }, "name": "n" }] }).await,
            3 => run(doc! { "dropIndexes": &name, "index": "n" }).await,
            _ => {
                let documents: Vec<Document> = (0..20).map(|n| doc! { "n": n, "round": round }).collect();
                drop(client.collection(&name).insert_many(documents).await);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_cut_off_again_and_again_under_writers_goes_on_and_ends_equal() {
    let Some(set) = set_of_one("copied").await else { return };
    let mut random = seeded("snapshot::copy");
    let source = Source::through(&set.uri(), filter(&[], &["other"])).await;
    fill(&source).await;
    let mut load = Load::start(&source.client, &mut random, 2);
    load.wait_for(20).await;

    let target = MemoryStore::new("target");
    let mut begun = Vec::new();
    let mut copied = 0;
    for _ in 0..kills() {
        let mut follower = Follower::with(&source, &target, small());
        let more = 200 + random.below(2_000);
        follower.wait_until(|told| told.copied >= copied + more || told.caught_up || told.stopped.is_some()).await;
        load.wait_for(5).await;
        let told = follower.kill().await;
        assert_eq!(told.stopped, None);
        copied = copied.max(told.copied);
        begun.extend(told.begun);
    }
    let mut follower = Follower::with(&source, &target, small());
    let told = follower.wait_until(|told| told.caught_up || told.stopped.is_some()).await;
    begun.extend(told.begun);
    load.wait_for(20).await;
    let done = load.end().await;
    follower.catch_up(&source).await;
    source.expect_equal(&target).await;
    follower.end().await;
    // Each went on where the one before was.
    let before: Vec<u64> = begun.iter().map(|progress| progress.before.documents).collect();
    assert!(before.is_sorted() && before.last() > Some(&0), "{before:?}");
    eprintln!("{done} writes; copied when a copy began: {before:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn collections_that_come_and_go_while_they_are_copied_end_equal() {
    let Some(set) = set_of_one("coming").await else { return };
    let mut random = seeded("snapshot::copy");
    for round in 0..3 {
        let source = Source::through(&set.uri(), filter(&[], &["other"])).await;
        if round == 0 {
            fill(&source).await;
        }
        let mut changes = JoinSet::new();
        changes.spawn(change_collections(source.clone(), Random::new(random.draw()), 400));
        let load = Load::start(&source.client, &mut random, 1);
        let target = MemoryStore::new("target");
        let mut follower = Follower::with(&source, &target, small());
        changes.join_next().await.expect("it is done").expect("it ends in peace");
        load.end().await;
        follower.catch_up(&source).await;
        source.expect_equal(&target).await;
        follower.end().await;
    }
}

#[tokio::test]
async fn a_listing_shows_what_is_to_be_copied_and_how_large_it_is() {
    let Some(set) = set_of_one("listed").await else { return };
    let source = Source::through(&set.uri(), filter(&[], &["other"])).await;
    fill(&source).await;
    let listing = source.snapshots().list().await.expect("it is listed");
    let found: Vec<(String, u64, usize, bool)> = listing
        .collections
        .iter()
        .map(|listed| {
            let collection = &listed.collection;
            (collection.ns.to_string(), listed.size.documents, collection.indexes.len(), collection.options.is_view())
        })
        .collect();
    let count = u64::try_from(DOCUMENTS).unwrap();
    let expected = [
        ("bank.accounts", count, 0, false),
        ("shop.items", count, 0, false),
        ("shop.orders", count, 1, false),
        ("shop.seen", 0, 0, true),
        ("shop.strict", 0, 0, false),
    ];
    assert_eq!(found, expected.map(|(ns, documents, indexes, view)| (ns.to_owned(), documents, indexes, view)));
    assert!(listing.at <= listing.until);
}
