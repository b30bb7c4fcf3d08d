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
use crate::engine::{BACKLOGS, Options, Store};

/// Set for the child: the bytes of a document, how many of them, and the folder of its store.
const CHILD: &str = "OPLOGSYNC_BACKLOG_CHILD";
const MIB: &str = "OPLOGSYNC_BACKLOG_MIB";
const MIB_DEFAULT: usize = 512;
/// What the whole process may have at its peak, two batches included.
const PEAK_MIB_MAX: usize = 256;

/// Replicates the backlog, or finds it there.
async fn work(document_bytes: usize, count: u64, folder: &Path) {
    let store = Store::open(folder, "a", Options::default()).unwrap();
    if store.checkpoint().await.unwrap().is_none() {
        let backlog = Backlog::new(log(), count, |index| insert(index, document_bytes));
        let feed = OplogFeed::new(ReadOnly(backlog), "source");
        let mut replicator = Replicator::new("a", feed, store.clone(), SystemHost, ReplicatorOptions::default());
        while replicator.step().await.unwrap().progress.behind > 0 {}
        replicator.close().await.unwrap();
    }
    assert_eq!(store.digest(&items()).await.unwrap().count, count);
    peak::tell();
}

/// In no order, so that each is about somewhere else.
fn insert(index: u64, bytes: usize) -> Operation {
    let id = index.wrapping_mul(0x9e37_79b9_7f4a_7c15).cast_signed();
    Operation::Insert { ns: items(), document: valid(rawdoc! { "_id": id, "filler": "x".repeat(bytes) }) }
}

fn peaks_of(test: &str, document_bytes: usize, mib_max: usize) {
    let mib = env::var(MIB).map_or(MIB_DEFAULT, |text| text.parse().unwrap()).min(mib_max);
    let count = mib * 1024 * 1024 / document_bytes;
    let folder = tempfile::tempdir().unwrap();
    for _ in ["replicate", "open again"] {
        let peak = peak::of_test(test, CHILD, format!("{document_bytes} {count} {}", folder.path().display()));
        eprintln!("{mib} MiB in documents of {document_bytes} bytes: {peak} MiB");
        assert!(peak < PEAK_MIB_MAX, "{peak} MiB of memory with documents of {document_bytes} bytes");
    }
}

#[tokio::test]
async fn a_backlog_is_replicated_in_little_memory() {
    if let Ok(child) = env::var(CHILD) {
        let mut parts = child.splitn(3, ' ');
        let mut next = || parts.next().unwrap();
        let (document_bytes, count) = (next().parse().unwrap(), next().parse().unwrap());
        return Box::pin(work(document_bytes, count, Path::new(next()))).await;
    }
    for (document_bytes, mib_max) in BACKLOGS {
        peaks_of("suite::memory::a_backlog_is_replicated_in_little_memory", *document_bytes, *mib_max);
    }
}
