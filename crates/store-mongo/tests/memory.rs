//! A backlog is replicated to a server in little memory, however large it is.
//!
//! `OPLOGSYNC_BACKLOG_MIB=1024` is the full length.

use std::env;

use bson::rawdoc;
use oplogsync_core::{
    documents::Documents,
    entry::Operation,
    feed::OplogFeed,
    host::SystemHost,
    replicator::{Replicator, ReplicatorOptions},
    retry::{Decision, decide},
    testing::{
        backlog::Backlog,
        chain::{log_id, valid},
        documents::namespace,
        peak,
        read_only::ReadOnly,
    },
};
use oplogsync_mongod::{
    Server,
    testing::{binary, test_options},
};

use crate::{change_stream::source::set_of_one, fixture::connect};

/// Set for the child: the bytes of a document, the database, and the URI of its server.
const CHILD: &str = "OPLOGSYNC_BACKLOG_CHILD";
const MIB: &str = "OPLOGSYNC_BACKLOG_MIB";
const MIB_DEFAULT: usize = 512;
/// What the whole process may have at its peak, two batches included.
const PEAK_MIB_MAX: usize = 256;
const DOCUMENT_BYTES: [usize; 2] = [4 * 1024, 100 * 1024];

async fn work(document_bytes: usize, database: &str, uri: &str) {
    let mib = env::var(MIB).map_or(MIB_DEFAULT, |text| text.parse().unwrap());
    let count = (mib * 1024 * 1024 / document_bytes) as u64;
    let (store, ns) = (connect(uri, database).await, namespace("items"));
    let insert = move |index: u64| {
        let document = rawdoc! { "_id": i64::try_from(index).unwrap(), "filler": "x".repeat(document_bytes) };
        Operation::Insert { ns: namespace("items"), document: valid(document) }
    };
    let feed = OplogFeed::new(ReadOnly(Backlog::new(log_id(1), count, insert)), "source");
    let mut replicator = Replicator::new("replica", feed, store.clone(), SystemHost, ReplicatorOptions::default());
    let mut failed = 0;
    loop {
        match Box::pin(replicator.step()).await {
            Ok(step) if step.progress.behind == 0 => break,
            Ok(_) => {}
            // As a run does: a busy server may need another try.
            Err(error) => {
                failed += 1;
                assert!(decide(&error) == Decision::Retry && failed < 10, "{error}: {error:?}");
            }
        }
    }
    replicator.close().await.unwrap();
    assert_eq!(store.size(&ns).await.unwrap().documents, count);
    store.client().database(database).drop().await.unwrap();
    peak::tell();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_replicated_to_a_server_in_little_memory() {
    if let Ok(child) = env::var(CHILD) {
        let mut words = child.split(' ');
        let [bytes, database, uri] = [(); 3].map(|()| words.next().unwrap());
        return work(bytes.parse().unwrap(), database, uri).await;
    }
    // Servers of its own: so much more would drive what other tests need out of a shared set's oplog.
    let (Some(binary), Some(set)) = (binary().await, set_of_one("memory").await) else { return };
    let standalone = Server::start(&binary, test_options()).await.unwrap();
    let standalone = format!("mongodb://127.0.0.1:{}/", standalone.port());
    for server in [standalone, set.uri()] {
        for bytes in DOCUMENT_BYTES {
            let child = format!("{bytes} backlog {server}");
            let test = "memory::a_backlog_is_replicated_to_a_server_in_little_memory";
            let peak = tokio::task::block_in_place(|| peak::of_test(test, CHILD, child));
            eprintln!("{server}, documents of {bytes} bytes: {peak} MiB");
            assert!(peak < PEAK_MIB_MAX, "{peak} MiB of memory with documents of {bytes} bytes");
        }
    }
}
