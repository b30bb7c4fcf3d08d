//! What a kill leaves behind in the middle of an open, and sled would choke on.

use std::fs;

use oplogsync_core::log::Log;

use crate::{
    engine::{self, Options, Store},
    suite::history::{checked, write},
};

fn open(path: &std::path::Path) -> Store {
    Store::open(path, "a", Options::default()).unwrap()
}

#[tokio::test]
async fn a_half_written_snapshot_does_not_prevent_opening() {
    // spacejam/sled issue 1533: a kill while the engine wrote a snapshot.
    let folder = tempfile::tempdir().unwrap();
    let entries = write(&open(folder.path()), 100).await;
    let leftover = folder.path().join("snap.00000000FFFFFFFF.generating");
    fs::write(&leftover, [0x5A; 40]).unwrap();

    let store = open(folder.path());

    assert_eq!(checked(&store).await, (entries, 100));
    assert!(!leftover.exists());
}

#[test]
fn without_the_clean_up_a_half_written_snapshot_is_fatal() {
    // When this fails the engine has mended it, and the clean-up can go.
    let folder = tempfile::tempdir().unwrap();
    let engine = engine::open(folder.path());
    engine.insert(b"key", b"value");
    engine.flush();
    drop(engine);
    fs::write(folder.path().join("snap.00000000FFFFFFFF.generating"), [0x5A; 40]).unwrap();
    assert!(matches!(sled::open(folder.path()), Err(sled::Error::Corruption { .. })));
}

#[tokio::test]
async fn a_first_open_that_was_cut_off_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("oplogsync.lock"), "").unwrap();
    fs::create_dir(folder.path().join("blobs")).unwrap();
    fs::write(folder.path().join("conf"), "segment_size: 524288\nuse_comp").unwrap();
    assert_eq!(open(folder.path()).log_ends().await.unwrap(), None);
}
