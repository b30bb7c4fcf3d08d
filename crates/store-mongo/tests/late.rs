//! Processes and servers that are paused: what they do late must do no harm, and nobody waits for
//! them beyond his deadline.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use bson::{RawDocumentBuf, doc, rawdoc};
use futures_util::poll;
use mongodb::Client;
use oplogsync_core::{
    documents::Documents,
    lease::{Lease, LeaseName, Leases},
    limits::Limits,
    log::{Appended, Log},
    store_error::Fault,
    testing::{
        chain::{Chain, log_id, owner_id, valid},
        documents::{namespace, only_id},
    },
};
use oplogsync_mongod::{
    ReplicaSet, Server,
    testing::{binary, test_options},
};

use crate::fixture::{Fixture, connect_impatient, lease, owner, words};

const ALL: Limits = Limits { entries_max: 1000, bytes_max: usize::MAX };

/// The documents of the log's entries, as a writer on another server would send them.
async fn as_sent(entries: &Chain, fixture: &Fixture) -> Vec<RawDocumentBuf> {
    let elsewhere = Fixture::new(&fixture.server, &format!("{}_elsewhere", fixture.database)).await;
    elsewhere.store.create_log(log_id(1)).await.expect("it is created");
    let entries = entries.clone().take();
    assert_eq!(elsewhere.store.append(&entries).await.expect("it is appended"), Appended::All);
    let oplog = elsewhere.raw_collection("oplogsync.oplog");
    let mut documents = Vec::new();
    for entry in &entries {
        let index = i64::try_from(entry.position().index).unwrap();
        documents.push(oplog.find_one(doc! { "_id": index }).await.unwrap().expect("the entry is there"));
    }
    documents
}

/// A writer is paused with its insert on the way; a rival writes on, and trims all that it wrote.
#[tokio::test]
async fn an_insert_that_arrives_behind_a_trim_does_not_pass_the_floor() {
    for fixture in Fixture::both().await {
        fixture.store.create_log(log_id(1)).await.expect("it is created");
        let mut rival = Chain::new(log_id(1)).rival(2);
        let paused = as_sent(Chain::new(log_id(1)).noops(7), &fixture).await;
        assert_eq!(fixture.store.append(&rival.noops(4).take()).await.unwrap(), Appended::All);
        fixture.store.trim(&rival.last()).await.expect("it is trimmed");

        let late = fixture.raw_collection("oplogsync.oplog").insert_many(&paused).await;
        assert!(late.is_err(), "the floor stands in its way");
        let ends = fixture.store.log_ends().await.unwrap().expect("there is a log");
        assert_eq!((ends.floor, ends.head), (rival.last(), rival.last()));
        assert_eq!(fixture.store.read(1, ALL).await.unwrap(), []);

        let more = rival.noops(3).take();
        assert_eq!(fixture.store.append(&more).await.unwrap(), Appended::All);
        fixture.store.trim(&more[1].anchor()).await.expect("it is trimmed again");
        assert_eq!(fixture.store.read(1, ALL).await.unwrap(), more[2..]);
        let kept = fixture.collection("oplogsync.oplog").count_documents(doc! {}).await.unwrap();
        assert_eq!(kept, 2, "the floor and the entry above it");
    }
}

#[tokio::test]
async fn a_commit_that_gets_no_answer_in_time_is_unknown() {
    let Some(binary) = binary().await else { return };
    let set = ReplicaSet::start(&binary, "late", 1, test_options()).await.expect("it starts");
    let client = Client::with_uri_str(set.uri()).await.unwrap();
    let store = connect_impatient(&set.uri(), "late").await;
    lease(&store).await;
    let batch = Chain::new(log_id(1)).insert(&namespace("items"), only_id(1)).take_batch();
    let command = doc! { "configureFailPoint": "failCommand", "mode": { "times": 1 }, "data": {
        "failCommands": ["commitTransaction"], "appName": "oplogsync", "blockConnection": true, "blockTimeMS": 6_000,
    } };
    client.database("admin").run_command(command).await.expect("the failpoint is set");
    let started = Instant::now();
    let error = store.apply(&batch, owner()).await.expect_err("nobody answers");
    assert_eq!(error.fault(), &Fault::Unknown, "{}", words(&error));
    assert!(started.elapsed() < Duration::from_secs(5), "it took {:?}", started.elapsed());
}

#[tokio::test]
async fn a_server_that_is_paused_holds_nobody_up_and_the_repeat_completes_the_batch() {
    let Some(binary) = binary().await else { return };
    let mut standalone = Server::start(&binary, test_options()).await.expect("it starts");
    let mut set = ReplicaSet::start(&binary, "paused", 1, test_options()).await.expect("it starts");
    let uris = [standalone.uri(), set.uri()];
    for (server, uri) in [&mut standalone, &mut set.members_mut()[0]].into_iter().zip(uris) {
        let store = connect_impatient(&uri, "paused").await;
        lease(&store).await;
        let client = Client::with_uri_str(&uri).await.unwrap();
        let command = doc! { "configureFailPoint": "failCommand", "mode": { "times": 1 }, "data": {
            "failCommands": ["insert"], "appName": "oplogsync", "blockConnection": true, "blockTimeMS": 4_000,
        } };
        client.database("admin").run_command(command).await.expect("the failpoint is set");
        let mut chain = Chain::new(log_id(1));
        let batch = chain.insert(&namespace("items"), only_id(1)).take_batch();
        let started = Instant::now();
        let (result, ()) = tokio::join!(store.apply(&batch, owner()), async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            server.pause().expect("it is paused");
        });
        let (error, took) = (result.expect_err("nobody answers"), started.elapsed());
        server.resume().expect("it goes on");
        let heal = doc! { "configureFailPoint": "failCommand", "mode": "off" };
        client.database("admin").run_command(heal).await.expect("the failpoint is off");
        assert!(matches!(error.fault(), Fault::Unknown | Fault::Unavailable), "{}", words(&error));
        assert!(took < Duration::from_secs(10), "it took {took:?}");
        let applied = loop {
            match store.apply(&batch, owner()).await {
                Ok(applied) => break applied,
                Err(error) if started.elapsed() > Duration::from_secs(60) => panic!("{}", words(&error)),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        assert_eq!(applied.changed + applied.repeated, 1);
        let found = store.scan(&namespace("items"), None, ALL).await.unwrap();
        assert_eq!(found.len(), 1);
    }
}

/// The process stops between its note and its data, for longer than its lease lives; another one
/// takes over, finishes the batch, and changes the document once more.
#[tokio::test]
async fn an_applier_that_wakes_up_behind_its_rival_does_not_write_its_old_images() {
    let Some(binary) = binary().await else { return };
    let server = Server::start(&binary, test_options()).await.expect("it starts");
    let fixture = Fixture::new(&server.uri(), "woken").await;
    let ns = namespace("items");
    let mut chain = Chain::new(log_id(1));
    fixture.apply(&chain.insert(&ns, only_id(1)).take_batch()).await.expect("it is applied");
    let batch = chain.update(&ns, rawdoc! { "_id": 1, "a": 1 }).take_batch();
    let next = chain.update(&ns, rawdoc! { "_id": 1, "a": 2 }).take_batch();
    let rival = Fixture::new(&server.uri(), "woken").await;

    let mut paused = pin!(fixture.apply(&batch));
    while rival.store.unfinished().await.unwrap().is_none() {
        assert!(poll!(paused.as_mut()).is_pending(), "it has not come to its note yet");
        // Time for what it has sent to arrive, while it does not go on.
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    let held = rival.store.lease(LeaseName::Documents).await.unwrap();
    let taken = Lease { owner: owner_id(9), holder: "a rival".to_owned(), beat: 1 };
    assert!(rival.store.swap_lease(LeaseName::Documents, held.as_ref(), Some(&taken)).await.unwrap());
    for batch in [&batch, &next] {
        rival.store.apply(batch, owner_id(9)).await.expect("the rival goes on");
    }
    let error = paused.await.expect_err("it is not its turn any more");
    assert!(matches!(error.fault(), Fault::CheckpointMoved { .. } | Fault::Busy { .. }), "{}", words(&error));
    assert_eq!(rival.items().await, [valid(rawdoc! { "_id": 1, "a": 2 }).as_bytes()]);
}
