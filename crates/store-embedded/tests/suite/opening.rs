//! Opening a folder: ours, another's, in use, or left behind by a kill.

use std::{fs, os::unix::fs::PermissionsExt};

use bson::rawdoc;
use oplogsync_core::{
    batch::Batch,
    documents::Documents,
    entry::{Entry, Operation},
    log::Log,
    store_error::{Fault, StoreError},
    testing::{chain::Chain, documents::id},
};

use crate::{
    engine::{self, Options, Store},
    suite::{
        history::{checked, items, lease, log, write},
        raw::{self, FORMAT_KEY},
        tell::told,
    },
};

fn open(path: &std::path::Path) -> Result<Store, StoreError> {
    Store::open(path, "a", Options::default())
}

#[test]
fn a_folder_in_use_is_busy() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path()).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error.fault(), Fault::Busy { .. }), "{error:?}");
    assert!(told(&error).contains("another oplogsync is using this folder"), "{}", told(&error));
    assert!(told(&error).starts_with("a: cannot open the folder /"), "{}", told(&error));
}

#[tokio::test]
async fn a_folder_whose_engine_is_in_use_is_busy() {
    let folder = tempfile::tempdir().unwrap();
    write(&open(folder.path()).unwrap(), 10).await;
    let engine = engine::open(folder.path());
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error.fault(), Fault::Busy { .. }), "{error:?}");
    drop(engine);
    assert_eq!(checked(&open(folder.path()).unwrap()).await.1, 10);
}

#[tokio::test]
async fn a_closed_folder_opens_at_once_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let entries = write(&open(folder.path()).unwrap(), 10).await;
    for _ in 0..20 {
        let store = open(folder.path()).unwrap();
        assert_eq!(checked(&store).await.0, entries);
    }
}

#[test]
fn a_folder_with_the_files_of_another_program_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.txt"), "chapter 1").unwrap();
    let error = open(folder.path()).unwrap_err();
    assert_eq!(*error.fault(), Fault::Incompatible);
    assert!(told(&error).contains("`thesis.txt`"), "{}", told(&error));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_database_of_another_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    raw::change(folder.path(), |records| drop(records.insert(b"key".to_vec(), b"value".to_vec())));
    assert_eq!(*open(folder.path()).unwrap_err().fault(), Fault::Incompatible);
    // Even when it lies in a folder that was ours.
    fs::write(folder.path().join("oplogsync.lock"), "").unwrap();
    let error = open(folder.path()).unwrap_err();
    assert_eq!(*error.fault(), Fault::Incompatible, "{error:?}");
    assert_eq!(raw::read(folder.path())[b"key".as_slice()], b"value");
}

#[test]
fn a_folder_of_another_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    raw::change(folder.path(), |records| records.get_mut(FORMAT_KEY).unwrap()[0] += 1);
    let error = open(folder.path()).unwrap_err();
    assert_eq!(*error.fault(), Fault::Incompatible);
    assert!(told(&error).contains("the format record"), "{}", told(&error));
}

#[test]
fn a_path_that_is_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "").unwrap();
    let error = open(&path).unwrap_err();
    assert!(told(&error).contains(path.to_str().unwrap()), "{}", told(&error));
}

#[test]
fn a_new_folder_is_readable_by_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data").join("replica-1");
    let _store = open(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_restart_frees_the_leases() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    lease(&store).await;
    drop(store);
    // Only an owner that is gone can have let the folder go; a second lease from nobody succeeds.
    lease(&open(folder.path()).unwrap()).await;
}

#[tokio::test]
async fn a_document_of_the_largest_size_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let owner = lease(&store).await;
    store.create_log(log()).await.unwrap();
    let mut chain = Chain::new(log());
    let large = rawdoc! { "_id": 1, "text": "x".repeat(oplogsync_core::limits::DOCUMENT_BYTES_MAX - 100) };
    let batch: Batch = chain.insert(&items(), large).insert(&items(), rawdoc! { "_id": 2 }).take_batch();
    store.append(batch.entries()).await.unwrap();
    store.apply(&batch, owner).await.unwrap();
    drop(store);

    let store = open(folder.path()).unwrap();

    let found = store.get(&items(), &[id(1), id(2)]).await.unwrap();
    let written: Vec<_> = batch.entries().iter().map(Entry::operation).collect();
    for (found, written) in found.into_iter().zip(written) {
        assert!(matches!(written, Operation::Insert { document, .. } if Some(document) == found.as_ref()));
    }
    assert_eq!(store.read(1, crate::suite::history::ALL).await.unwrap(), batch.entries());
}
