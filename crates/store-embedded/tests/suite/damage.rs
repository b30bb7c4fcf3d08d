//! Damaged records: each kind is found when the folder is opened. The damage of whole files is in `rot`.

mod furnish;

use std::{fs, path::Path};

use bson::rawdoc;
use oplogsync_core::{
    catalog::CollectionOptions,
    command::Action,
    document::Document,
    documents::Documents,
    initial_sync::{Note, Piece, SyncTarget},
    log::Log,
    store_error::{Fault, StoreError},
    testing::{chain::Chain, documents::namespace},
};

use self::furnish::{capture, furnish};
use crate::{
    engine::{Options, Store},
    suite::{
        copy::copy,
        history::{lease, log, write},
        raw::{self, CAPTURED_KEY, CHECKPOINT_KEY, COMMITS_KEY, FORMAT_KEY, LOG_KEY, STOP_KEY},
    },
};

/// Remembers, beside the engine, how much was synced.
const MARK: &str = "oplogsync.mark";

fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open(path, "a", Options::default())
}

/// Flips the lowest bit in the middle of every record under a prefix.
fn flip(folder: &Path, prefix: &[u8]) {
    raw::change(folder, |records| {
        for key in raw::keys(records, prefix) {
            let bytes = records.get_mut(&key).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
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
    let kinds: [(&[u8], &str); 15] = [
        (FORMAT_KEY, "the format record"),
        (COMMITS_KEY, "the count of commits"),
        (LOG_KEY, "the ends of the log"),
        (&[0x11], "the log entry at index 1"),
        (&[0x12], "the position of operation"),
        (CHECKPOINT_KEY, "the checkpoint"),
        (STOP_KEY, "the stop record"),
        (&[0x22], "the digest of shop.items"),
        (&[0x23], "the record beside the checkpoint"),
        (&[0x24], "the description of shop.items"),
        (&[0x25], "the place of shop.items"),
        (&[0x26], "the record of a dropped collection"),
        (&[0x27], "the number of the next place"),
        (&[0x28], "the note sync"),
        (&[0x31], "a document of shop.items"),
    ];
    let whole = tempfile::tempdir().unwrap();
    furnish(whole.path()).await;
    for (prefix, named) in kinds {
        let folder = tempfile::tempdir().unwrap();
        copy(whole.path(), folder.path());
        flip(folder.path(), prefix);
        assert_refused(folder.path(), &Fault::Corrupt, named);
    }
    drop(open(whole.path()).unwrap());
}

#[tokio::test]
async fn a_flipped_bit_in_a_captured_log_is_found_when_the_folder_is_opened() {
    let whole = tempfile::tempdir().unwrap();
    capture(whole.path()).await;
    let kinds: [(&[u8], &str); 3] = [
        (CAPTURED_KEY, "the ends of the captured log"),
        (&[0x11], "the log entry at index 41"),
        (&[0x12], "the position of operation"),
    ];
    for (prefix, named) in kinds {
        let folder = tempfile::tempdir().unwrap();
        copy(whole.path(), folder.path());
        flip(folder.path(), prefix);
        assert_refused(folder.path(), &Fault::Corrupt, named);
    }
    drop(open(whole.path()).unwrap());
}

/// Removes the first record under a prefix.
fn remove(folder: &Path, prefix: &[u8]) {
    raw::change(folder, |records| {
        let first = raw::keys(records, prefix).swap_remove(0);
        records.remove(&first);
    });
}

#[tokio::test]
async fn a_missing_record_is_found_when_the_folder_is_opened() {
    let entry: Vec<u8> = [0x11].into_iter().chain(7_u64.to_be_bytes()).collect();
    let kinds: [(&[u8], &str); 15] = [
        (COMMITS_KEY, "writes were on the disk"),
        (FORMAT_KEY, "has not written"),
        (LOG_KEY, "the ends of the log"),
        (&entry, "the log entry at index 7"),
        (&[0x12], "the position of operation"),
        (&[0x22], "the digest of shop.items"),
        (&[0x25], "the digest of shop.items"),
        (&[0x26], "a document of the collection at place 1"),
        (&[0x27], "the number of the next place"),
        (&[0x31], "the digest of shop.items"),
        // What nothing else tells of.
        (CHECKPOINT_KEY, "the count of commits"),
        (STOP_KEY, "the count of commits"),
        (&[0x23], "the count of commits"),
        (&[0x24], "the count of commits"),
        (&[0x28], "the count of commits"),
    ];
    let whole = tempfile::tempdir().unwrap();
    furnish(whole.path()).await;
    for (prefix, named) in kinds {
        let folder = tempfile::tempdir().unwrap();
        copy(whole.path(), folder.path());
        remove(folder.path(), prefix);
        let fault = if prefix == FORMAT_KEY { Fault::Incompatible } else { Fault::Corrupt };
        assert_refused(folder.path(), &fault, named);
    }
}

#[tokio::test]
async fn a_captured_log_without_its_ends_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    capture(folder.path()).await;
    remove(folder.path(), CAPTURED_KEY);
    assert_refused(folder.path(), &Fault::Corrupt, "the ends of the log");
}

#[tokio::test]
async fn a_record_from_before_is_found_when_the_folder_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    furnish(folder.path()).await;
    let records = raw::read(folder.path());
    let before = [0x20, 0x28].map(|tag| raw::keys(&records, &[tag]).swap_remove(0));
    let store = open(folder.path()).unwrap();
    let owner = lease(&store).await;
    let mut chain = Chain::after(log(), store.checkpoint().await.unwrap().unwrap().anchor);
    store.apply(&chain.noops(1).take_batch(), owner).await.unwrap();
    let note = Note { name: "sync".to_owned(), document: Some(rawdoc! { "phase": "catchUp" }) };
    store.put_notes(&[note], owner).await.unwrap();
    drop(store);
    for key in before {
        let bytes = records[&key].clone();
        let other = tempfile::tempdir().unwrap();
        copy(folder.path(), other.path());
        raw::change(other.path(), |records| drop(records.insert(key, bytes)));
        assert_refused(other.path(), &Fault::Corrupt, "the count of commits");
    }
    drop(open(folder.path()).unwrap());
}

/// What no damage makes: the records are whole, and contradict each other.
#[tokio::test]
async fn records_that_contradict_each_other_are_refused() {
    let whole = tempfile::tempdir().unwrap();
    furnish(whole.path()).await;
    // A record of another store has the right checksum where its key is the same.
    let other = tempfile::tempdir().unwrap();
    let store = open(other.path()).unwrap();
    let owner = lease(&store).await;
    for (number, ns) in ["orders", "items"].map(namespace).into_iter().enumerate() {
        let documents = vec![Document::new(rawdoc! { "_id": i32::try_from(number).unwrap() }).unwrap()];
        let piece = Piece { ns, after: None, until: None, documents, is_fresh: true };
        store.copy(&piece, &Note { name: "sync".to_owned(), document: None }, owner).await.unwrap();
    }
    let view = CollectionOptions::new(&rawdoc! { "viewOn": "orders", "pipeline": [] }).unwrap();
    store.run(&Action::Drop { ns: namespace("items") }, owner).await.unwrap();
    store.run(&Action::Create { ns: namespace("items"), options: view }, owner).await.unwrap();
    let documents = vec![Document::new(rawdoc! { "_id": 5 }).unwrap()];
    let piece = Piece { ns: namespace("goods"), after: None, until: None, documents, is_fresh: true };
    store.copy(&piece, &Note { name: "sync".to_owned(), document: None }, owner).await.unwrap();
    drop(store);
    let records = raw::read(other.path());
    let key = |tag: u8, ns: &str| [&[tag], ns.as_bytes()].concat();
    for (key, named) in [
        (key(0x24, "shop.items"), "the description of shop.items"),
        (key(0x22, "shop.goods"), "the digest of shop.goods"),
        (key(0x25, "shop.goods"), "the digest of shop.goods"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        copy(whole.path(), folder.path());
        let bytes = records[&key].clone();
        raw::change(folder.path(), |records| drop(records.insert(key, bytes)));
        assert_refused(folder.path(), &Fault::Corrupt, named);
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
    let mark = fs::read(store_folder.join(MARK)).unwrap();
    fs::remove_dir_all(&store_folder).unwrap();
    copy(&older, &store_folder);
    fs::write(store_folder.join(MARK), mark).unwrap();
    assert_refused(&store_folder, &Fault::Corrupt, "writes were on the disk");
}

#[tokio::test]
async fn an_entry_of_an_unknown_version_is_not_guessed_at() {
    let folder = tempfile::tempdir().unwrap();
    write(&open(folder.path()).unwrap(), 20).await;
    raw::change(folder.path(), |records| {
        let key: Vec<u8> = [0x11].into_iter().chain(7_u64.to_be_bytes()).collect();
        records.get_mut(&key).unwrap()[0] = 200;
    });
    assert_refused(folder.path(), &Fault::Incompatible, "the log entry at index 7");
}
