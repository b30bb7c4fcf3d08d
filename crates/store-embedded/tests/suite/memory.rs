//! A backlog is replicated, and the store opened again, in little memory, however large it is.
//!
//! `OPLOGSYNC_BACKLOG_MIB=1024` is the full length.

use std::{env, path::Path};

use bson::rawdoc;
use oplogsync_core::{
    documents::Documents,
    entry::Operation,
    feed::OplogFeed,
    host::SystemHost,
    replicator::{Replicator, ReplicatorOptions},
    testing::{backlog::Backlog, chain::valid, peak, read_only::ReadOnly},
};

use super::history::{items, log};
use crate::engine::{BACKLOG_DOCUMENT_BYTES, Options, Store};

/// Set for the child: the bytes of a document, and the folder of its store.
const CHILD: &str = "OPLOGSYNC_BACKLOG_CHILD";
const MIB: &str = "OPLOGSYNC_BACKLOG_MIB";
const MIB_DEFAULT: usize = 512;
/// What the whole process may have at its peak, two batches included.
const PEAK_MIB_MAX: usize = 256;

/// Replicates the backlog, or finds it there.
async fn work(document_bytes: usize, folder: &Path) {
    let mib = env::var(MIB).map_or(MIB_DEFAULT, |text| text.parse().unwrap());
    let count = (mib * 1024 * 1024 / document_bytes) as u64;
    let store = Store::open(folder, "a", Options::default()).unwrap();
    if store.checkpoint().await.unwrap().is_none() {
        let backlog = Backlog::new(log(), count, |index| insert(index, count, document_bytes));
        let feed = OplogFeed::new(ReadOnly(backlog), "source");
        let mut replicator = Replicator::new("a", feed, store.clone(), SystemHost, ReplicatorOptions::default());
        while replicator.step().await.unwrap().progress.behind > 0 {}
        replicator.close().await.unwrap();
    }
    assert_eq!(store.digest(&items()).await.unwrap().count, count);
    peak::tell();
}

/// Spread over the whole collection, so that tables overlap and are merged.
fn insert(index: u64, count: u64, bytes: usize) -> Operation {
    const LANES: u64 = 512;
    let id = i64::try_from(index % LANES * count + index / LANES).unwrap();
    Operation::Insert { ns: items(), document: valid(rawdoc! { "_id": id, "filler": "x".repeat(bytes) }) }
}

fn peaks_of(test: &str, document_bytes: usize) {
    let folder = tempfile::tempdir().unwrap();
    for _ in ["replicate", "open again"] {
        let peak = peak::of_test(test, CHILD, format!("{document_bytes} {}", folder.path().display()));
        eprintln!("documents of {document_bytes} bytes: {peak} MiB");
        assert!(peak < PEAK_MIB_MAX, "{peak} MiB of memory with documents of {document_bytes} bytes");
    }
}

#[tokio::test]
async fn a_backlog_is_replicated_in_little_memory() {
    if let Ok(child) = env::var(CHILD) {
        let (document_bytes, folder) = child.split_once(' ').unwrap();
        return Box::pin(work(document_bytes.parse().unwrap(), Path::new(folder))).await;
    }
    for document_bytes in BACKLOG_DOCUMENT_BYTES {
        peaks_of("suite::memory::a_backlog_is_replicated_in_little_memory", *document_bytes);
    }
}
