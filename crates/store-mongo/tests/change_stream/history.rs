//! A source that no longer has the history that was followed, or is another one, is found out.

use std::{fs, io, path::Path};

use bson::{Timestamp, doc};
use oplogsync_core::{
    checkpoint::Checkpoint,
    clock::OpTime,
    documents::Documents,
    ids::OwnerId,
    initial_sync::SyncTarget,
    lease::{Lease, LeaseName, Leases},
    memory::MemoryStore,
    position::Anchor,
};
use oplogsync_mongod::{Options as ServerOptions, testing::test_options};

use super::{
    follower::{Follower, checkpoint, copy, synced},
    source::{Source, filter, set_of_one, set_with},
};

/// The time of the oldest entry of the set's oplog.
async fn oldest(source: &Source) -> OpTime {
    let oplog = source.client.database("local").collection::<bson::Document>("oplog.rs");
    let first = oplog.find_one(doc! {}).sort(doc! { "$natural": 1 }).await.expect("it is read").expect("there is one");
    let Timestamp { time, increment } = first.get_timestamp("ts").expect("it has a time");
    OpTime::from_timestamp(time, increment)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oplog_that_was_overrun_is_too_stale() {
    let small = ["--oplogSize", "1", "--syncdelay", "1"];
    let options = small.into_iter().fold(test_options(), ServerOptions::arg);
    let Some(set) = set_with("overrun", options).await else { return };
    let source = Source::whole(&set.uri()).await;
    source.insert("shop.orders", doc! { "_id": 0 }).await;
    let (target, follower) = synced(&source).await;
    follower.end().await;
    let at = checkpoint(&target).await;
    while oldest(&source).await <= at {
        for _ in 0..4 {
            source.insert("shop.orders", doc! { "text": "x".repeat(1_000_000) }).await;
        }
    }
    let words = Follower::start(&source, &target).wait_for_stop().await;
    assert!(words.contains("too stale") && words.contains("resync"), "{words}");
    let stop = target.stop().await.unwrap().expect("it is remembered");
    assert!(stop.too_stale);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_set_under_the_same_address_is_not_the_source_that_was_followed() {
    let Some(mut set) = set_of_one("same").await else { return };
    let port = set.members()[0].port();
    let source = Source::whole(&set.uri()).await;
    source.insert("shop.orders", doc! { "_id": 0 }).await;
    let (target, follower) = synced(&source).await;
    follower.end().await;
    set.members_mut()[0].stop().await.expect("it stops");
    drop(set);

    let other = set_with("same", test_options().port(port)).await.expect("it starts");
    let source = Source::whole(&other.uri()).await;
    let words = Follower::start(&source, &target).wait_for_stop().await;
    assert!(words.contains("not the source that was followed") && words.contains("replica set"), "{words}");
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_was_restored_from_a_backup_went_back_in_time() {
    let Some(mut set) = set_of_one("restored").await else { return };
    let data = set.members()[0].data().to_owned();
    let (backup, uri) = (data.with_file_name("backup"), set.uri());
    Source::whole(&uri).await.insert("shop.orders", doc! { "_id": 0 }).await;
    set.members_mut()[0].stop().await.expect("it stops");
    copy_folder(&data, &backup).expect("it is copied");
    set.members_mut()[0].restart().await.expect("it starts");
    set.wait_for_primary().await.expect("there is one");

    // One target stands at an event, the other at a time at which nothing happened that concerns it.
    let (whole, some) = (Source::whole(&uri).await, Source::through(&uri, filter(&["shop"], &[])).await);
    let ((at_event, follower), (at_time, mut other)) = (synced(&whole).await, synced(&some).await);
    let mut follower = follower;
    whole.insert("shop.orders", doc! { "_id": 1 }).await;
    whole.insert("other.things", doc! { "_id": 1 }).await;
    follower.catch_up(&whole).await;
    other.catch_up(&some).await;
    follower.end().await;
    other.end().await;

    set.members_mut()[0].stop().await.expect("it stops");
    fs::remove_dir_all(&data).expect("it is removed");
    fs::rename(&backup, &data).expect("it is restored");
    set.members_mut()[0].restart().await.expect("it starts");
    set.wait_for_primary().await.expect("there is one");
    whole.insert("shop.orders", doc! { "_id": 2 }).await;
    for (source, target) in [(&whole, &at_event), (&some, &at_time)] {
        let words = Follower::start(source, target).wait_for_stop().await;
        assert!(words.contains("went back in time") && words.contains("verify"), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_stays_behind_its_own_past_went_back_in_time() {
    let Some(set) = set_of_one("behind").await else { return };
    let source = Source::whole(&set.uri()).await;
    let target = MemoryStore::new("target");
    copy(&source, &target).await;
    let (found, resume) = (target.checkpoint().await.unwrap().unwrap(), target.resume().await.unwrap());
    let owner = OwnerId::from_bytes([9; 16]);
    let lease = Lease { owner, holder: "a test".to_owned(), beat: 0 };
    assert!(target.swap_lease(LeaseName::Documents, None, Some(&lease)).await.unwrap());
    let (seconds, increment) = found.anchor.optime.to_timestamp();
    let later = OpTime::from_timestamp(seconds + 3600, increment);
    let ahead = Checkpoint { anchor: Anchor { optime: later, ..found.anchor }, ..found };
    target.begin_at(ahead, &resume, &[], owner).await.expect("it is set");
    assert!(target.swap_lease(LeaseName::Documents, Some(&lease), None).await.unwrap());

    let mut follower = Follower::start(&source, &target);
    let words = follower.wait_for_stop().await;
    assert!(words.contains("went back in time") && words.contains("newest write"), "{words}");
    // Not at first sight: a new primary is behind for a moment.
    assert!(follower.end().await.retried.len() > 3);
}
