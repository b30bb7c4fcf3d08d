//! Damaged records: each kind is found when the folder is opened. The damage of whole files is in `rot`.

use std::{fs, path::Path};

use oplogsync_core::{
    checkpoint::Stop,
    documents::Documents,
    log::Log,
    position::Position,
    store_error::{Fault, StoreError},
    testing::chain::Chain,
};
use oplogsync_store_sled::{Options, SledStore};

use crate::{
    copy::copy,
    history::{log, write},
    raw::{self, CHECKPOINT_KEY, COMMITS_KEY, FORMAT_KEY, LOG_KEY, STOP_KEY},
};

fn open(path: &Path) -> Result<SledStore, StoreError> {
    SledStore::open(path, "a", Options::default())
}

/// Flips the lowest bit in the middle of every record under a prefix.
fn flip(folder: &Path, prefix: &[u8]) {
    raw::change(folder, |db| {
        let records: Vec<_> = db.scan_prefix(prefix).map(Result::unwrap).collect();
        assert!(!records.is_empty());
        for (key, bytes) in records {
            let mut bytes = bytes.to_vec();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            db.insert(key, bytes).unwrap();
        }
    });
}

/// Opening fails; the error names the node, and its causes what is damaged.
fn assert_refused(folder: &Path, fault: &Fault, damaged: &str) {
    let error = open(folder).unwrap_err();
    assert_eq!((error.fault(), error.node()), (fault, "a"));
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains(damaged), "{cause:?} does not name {damaged:?}");
}

#[tokio::test]
async fn a_flipped_bit_in_any_kind_of_record_is_found_when_the_folder_is_opened() {
    let kinds: [(&[u8], &str); 9] = [
        (FORMAT_KEY, "the format record"),
        (COMMITS_KEY, "the count of commits"),
        (LOG_KEY, "the ends of the log"),
        (&[0x11], "the log entry at index 1"),
        (&[0x12], "the position of operation"),
        (CHECKPOINT_KEY, "the checkpoint"),
        (STOP_KEY, "the stop record"),
        (&[0x22], "the digest of shop.items"),
        (&[0x30], "a document of shop.items"),
    ];
    for (prefix, named) in kinds {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).unwrap();
        write(&store, 20).await;
        let stop = Stop { at: Position::default(), too_stale: false, reason: "an update found nothing".to_owned() };
        store.set_stop(&stop).await.unwrap();
        drop(store);
        flip(folder.path(), prefix);
        assert_refused(folder.path(), &Fault::Corrupt, named);
    }
}

#[tokio::test]
async fn a_missing_record_is_found_when_the_folder_is_opened() {
    let entry: Vec<u8> = [0x11].into_iter().chain(7_u64.to_be_bytes()).collect();
    let kinds: [(&[u8], &str); 6] = [
        (COMMITS_KEY, "writes were on the disk"),
        (FORMAT_KEY, "has not written"),
        (&entry, "the log entry at index 7"),
        (&[0x12], "the position of operation"),
        (&[0x22], "the digest of shop.items"),
        (&[0x30], "the digest of shop.items"),
    ];
    for (prefix, named) in kinds {
        let folder = tempfile::tempdir().unwrap();
        write(&open(folder.path()).unwrap(), 90).await;
        raw::change(folder.path(), |db| {
            let (key, _) = db.scan_prefix(prefix).next().unwrap().unwrap();
            assert!(db.remove(key).unwrap().is_some());
        });
        let fault = if prefix == FORMAT_KEY { Fault::Incompatible } else { Fault::Corrupt };
        assert_refused(folder.path(), &fault, named);
    }
}

#[tokio::test]
async fn an_older_database_under_a_newer_mark_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (store_folder, older) = (folder.path().join("store"), folder.path().join("older"));
    let store = open(&store_folder).unwrap();
    let entries = write(&store, 20).await;
    drop(store);
    copy(&store_folder, &older);
    let store = open(&store_folder).unwrap();
    let mut chain = Chain::after(log(), entries.last().unwrap().anchor());
    store.append(&chain.noops(1).take()).await.unwrap();
    drop(store);
    for name in ["db", "conf"] {
        fs::copy(older.join(name), store_folder.join(name)).unwrap();
    }
    for item in fs::read_dir(&store_folder).unwrap().map(Result::unwrap) {
        if item.file_name().to_string_lossy().starts_with("snap.") {
            fs::remove_file(item.path()).unwrap();
        }
    }
    assert_refused(&store_folder, &Fault::Corrupt, "writes were on the disk");
}

#[tokio::test]
async fn an_entry_of_an_unknown_version_is_not_guessed_at() {
    let folder = tempfile::tempdir().unwrap();
    write(&open(folder.path()).unwrap(), 20).await;
    raw::change(folder.path(), |db| {
        let key: Vec<u8> = [0x11].into_iter().chain(7_u64.to_be_bytes()).collect();
        let mut bytes = db.get(&key).unwrap().unwrap().to_vec();
        bytes[0] = 200;
        db.insert(key, bytes).unwrap();
    });
    assert_refused(folder.path(), &Fault::Incompatible, "the log entry at index 7");
}
