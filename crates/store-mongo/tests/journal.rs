//! What is visible on a standalone server need not be in its journal yet, and a crash of the server
//! can still take it back. Nothing of ours relies on it before.

use bson::{Document as BsonDocument, doc};
use mongodb::Client;
use oplogsync_core::{
    limits::Limits,
    log::{Appended, Log},
    store_error::Fault,
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

/// A server whose journal stands still, with a log of two entries in the journal, and a third one that can
/// be seen and is not.
struct Stalled {
    _server: Server,
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
        let error = store.append(&chain.clone().noops(1).take()).await.expect_err("it is not journaled");
        assert_eq!(error.fault(), &Fault::Unknown, "{}", words(&error));
        let oplog = client.database("journal").collection::<BsonDocument>("oplogsync.oplog");
        assert!(oplog.find_one(doc! { "_id": 3_i64 }).await.unwrap().is_some(), "but everybody can see it");
        Some(Self { _server: server, client, uri, chain })
    }
}

#[tokio::test]
async fn a_reader_is_given_an_entry_only_when_it_is_in_the_journal() {
    let Some(stalled) = Stalled::start().await else { return };
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
    let Some(mut stalled) = Stalled::start().await else { return };
    let writer = connect_impatient(&stalled.uri, "journal").await;
    let third = stalled.chain.noops(1).take();
    let error = writer.append(&third).await.expect_err("they can be lost");
    assert_eq!(error.fault(), &Fault::Unknown, "{}", words(&error));
    flusher(&stalled.client, "off").await;
    assert_eq!(writer.append(&third).await.expect("they are journaled"), Appended::All);
}
