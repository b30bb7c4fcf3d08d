//! What is visible on a standalone server need not be in its journal yet, and a crash of the server
//! can still take it back. Nothing of ours relies on it before.

use bson::{Document as BsonDocument, doc};
use mongodb::Client;
use oplogsync_core::{
    documents::Documents,
    feed::OplogFeed,
    host::SystemHost,
    limits::Limits,
    log::{Appended, Log},
    memory::MemoryStore,
    replicator::{Replicator, ReplicatorOptions},
    retry::{Decision, decide},
    store_error::{Fault, StoreError},
    testing::chain::{Chain, log_id},
};
use oplogsync_mongod::{
    Server,
    testing::{binary, test_options},
};

use crate::fixture::{connect_impatient, words};

const ALL: Limits = Limits { entries_max: 1000, bytes_max: usize::MAX };

async fn flusher(client: &Client, mode: &str) {
    let command = doc! { "configureFailPoint": "pauseJournalFlusherBeforeFlush", "mode": mode };
    client.database("admin").run_command(command).await.expect("the failpoint is set");
}

/// A server whose journal stands still, with a log of two entries in the journal.
struct Stalled {
    server: Server,
    client: Client,
    uri: String,
    chain: Chain,
}

impl Stalled {
    async fn start() -> Option<Self> {
        let server = Server::start(&binary().await?, test_options()).await.expect("it starts");
        let uri = server.uri();
        let client = Client::with_uri_str(&uri).await.unwrap();
        let store = connect_impatient(&uri, "journal").await;
        store.create_log(log_id(1)).await.expect("it is created");
        let mut chain = Chain::new(log_id(1));
        assert_eq!(store.append(&chain.noops(2).take()).await.expect("it is appended"), Appended::All);
        flusher(&client, "alwaysOn").await;
        Some(Self { server, client, uri, chain })
    }

    /// The outcome of appending a third entry, which cannot get into the journal.
    async fn append_third(&self) -> Result<Appended, StoreError> {
        connect_impatient(&self.uri, "journal").await.append(&self.chain.clone().noops(1).take()).await
    }

    /// Whether everybody can see it.
    async fn has_third(&self) -> bool {
        let oplog = self.client.database("journal").collection::<BsonDocument>("oplogsync.oplog");
        oplog.find_one(doc! { "_id": 3_i64 }).await.unwrap().is_some()
    }

    async fn expect_third_unjournaled(&self) {
        let error = self.append_third().await.expect_err("it is not journaled");
        assert_eq!(error.fault(), &Fault::Unknown, "{}", words(&error));
        assert!(self.has_third().await);
    }
}

#[tokio::test]
async fn a_reader_is_given_an_entry_only_when_it_is_in_the_journal() {
    let Some(stalled) = Stalled::start().await else { return };
    stalled.expect_third_unjournaled().await;
    let reader = connect_impatient(&stalled.uri, "journal").await;
    let error = reader.read(1, ALL).await.expect_err("what it would read can be lost");
    assert_eq!(error.fault(), &Fault::Unavailable, "{}", words(&error));
    let two = Limits { entries_max: 2, ..ALL };
    let error = reader.read(1, two).await.expect_err("nor does it know of the first two that they are journaled");
    assert_eq!(error.fault(), &Fault::Unavailable, "{}", words(&error));

    flusher(&stalled.client, "off").await;
    assert_eq!(reader.read(1, ALL).await.expect("it is journaled now").len(), 3);
    flusher(&stalled.client, "alwaysOn").await;
    assert_eq!(reader.read(1, ALL).await.expect("what is known to be journaled is read as it is").len(), 3);
}

#[tokio::test]
async fn an_append_that_finds_its_entries_counts_them_only_when_they_are_in_the_journal() {
    let Some(stalled) = Stalled::start().await else { return };
    stalled.expect_third_unjournaled().await;
    stalled.expect_third_unjournaled().await;
    flusher(&stalled.client, "off").await;
    assert_eq!(stalled.append_third().await.expect("they are journaled"), Appended::All);
}

#[tokio::test]
async fn a_replica_of_a_server_that_crashes_has_applied_nothing_that_the_crash_has_taken_back() {
    let Some(mut stalled) = Stalled::start().await else { return };
    let target = MemoryStore::new("replica");
    let feed = OplogFeed::new(connect_impatient(&stalled.uri, "journal").await, "source");
    let mut replica = Replicator::new("replica", feed, target.clone(), SystemHost, ReplicatorOptions::default());
    let stepping = async {
        while !stalled.has_third().await {}
        // It waits for the journal in vain.
        if let Err(error) = replica.step().await {
            assert_eq!(decide(&error), Decision::Retry, "{error}");
        }
    };
    let applied = async {
        while target.checkpoint().await.unwrap().is_none_or(|checkpoint| checkpoint.anchor.position.index < 3) {
            tokio::task::yield_now().await;
        }
    };
    let unjournaled = async {
        drop(stalled.append_third().await);
        std::future::pending::<()>().await;
    };
    // The server dies as soon as the replica has done what it could.
    tokio::select! { () = stepping => {}, () = applied => {}, () = unjournaled => {} }
    stalled.server.kill().expect("it is killed");
    stalled.server.restart().await.expect("it starts again");

    let store = connect_impatient(&stalled.uri, "journal").await;
    let ends = store.log_ends().await.expect("they are read").expect("there is a log");
    let mut others = Chain::after(log_id(1), ends.head).rival(2);
    assert_eq!(store.append(&others.noops(2).take()).await.expect("another writer goes on"), Appended::All);
    let reached = loop {
        match replica.step().await {
            Ok(step) if step.progress.behind == 0 => break step.progress.checkpoint,
            Ok(_) => {}
            Err(error) => assert_eq!(decide(&error), Decision::Retry, "{error}"),
        }
    };
    assert_eq!(reached, Some(others.last()));
}
