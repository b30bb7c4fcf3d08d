//! Servers that fail or die in the middle of something.

use std::time::Duration;

use bson::{Document as BsonDocument, doc, rawdoc};
use mongodb::Client;
use oplogsync_core::{
    batch::Batch,
    command::Action,
    documents::Documents,
    feed::{FeedError, OplogFeed},
    host::SystemHost,
    limits::Limits,
    log::{Appended, Log},
    memory::MemoryStore,
    primary::{Primary, PrimaryOptions, WriteError},
    replicator::{ReplicateError, Replicator, ReplicatorOptions},
    retry::{Decision, decide_store},
    store_error::Fault,
    testing::{
        chain::{Chain, log_id},
        documents::{id, namespace, only_id},
    },
    write::Write,
};
use oplogsync_mongod::{
    ReplicaSet, Server,
    testing::{binary, test_options},
};

use crate::fixture::{Fixture, bytes, connect, patch, words};

const ALL: Limits = Limits { entries_max: 1000, bytes_max: usize::MAX };

async fn fail_command(client: &Client, skip: i32, data: BsonDocument) {
    let command = doc! { "configureFailPoint": "failCommand", "mode": { "skip": skip }, "data": data };
    client.database("admin").run_command(command).await.expect("the failpoint is set");
}

async fn heal(client: &Client) {
    let command = doc! { "configureFailPoint": "failCommand", "mode": "off" };
    client.database("admin").run_command(command).await.expect("the failpoint is off");
}

/// Documents 1 to 4, 7 and 8, and a batch that inserts, replaces, deletes, lets one come back, and changes parts.
async fn prepared(fixture: &Fixture) -> (Chain, Batch) {
    let ns = namespace("items");
    let mut chain = Chain::new(log_id(1));
    for number in [1, 2, 3, 4, 7] {
        chain.insert(&ns, only_id(number));
    }
    chain.insert(&ns, rawdoc! { "_id": 8, "sub": { "x": 0 } });
    fixture.apply(&chain.take_batch()).await.expect("it is applied");
    chain.insert(&ns, rawdoc! { "_id": 5, "a": 1 }).update(&ns, rawdoc! { "_id": 5, "a": 2 });
    chain.update(&ns, rawdoc! { "_id": 1, "a": 1 }).delete(&ns, id(2));
    chain.delete(&ns, id(3)).insert(&ns, only_id(3_i64)).insert(&ns, only_id(6)).delete(&ns, id(6));
    patch(&mut chain, id(7), rawdoc! { "i": { "a": 1, "b": 1 } });
    patch(&mut chain, id(7), rawdoc! { "i": { "a": 2 } });
    patch(&mut chain, id(8), rawdoc! { "i": { "a": [] } });
    patch(&mut chain, id(8), rawdoc! { "sa": { "a": true, "u0": 1 } });
    // What these have made, the first of them does not fit.
    patch(&mut chain, id(8), rawdoc! { "ssub": { "u": { "x": 1 } } });
    patch(&mut chain, id(8), rawdoc! { "d": { "sub": false } });
    patch(&mut chain, id(1), rawdoc! { "u": { "a": 2 } });
    let batch = chain.take_batch();
    (chain, batch)
}

fn after() -> Vec<Vec<u8>> {
    bytes([
        rawdoc! { "_id": 1, "a": 2 },
        only_id(3_i64),
        only_id(4),
        rawdoc! { "_id": 5, "a": 2 },
        rawdoc! { "_id": 7, "b": 1, "a": 2 },
        rawdoc! { "_id": 8, "a": [1] },
    ])
}

#[tokio::test]
async fn cut_off_at_every_command_and_applied_again_the_documents_are_byte_equal() {
    let Some(binary) = binary().await else { return };
    let standalone = Server::start(&binary, test_options()).await.expect("it starts");
    let set = ReplicaSet::start(&binary, "crash", 1, test_options()).await.expect("it starts");
    for (kind, uri) in [("standalone", standalone.uri()), ("set", set.uri())] {
        let admin = Client::with_uri_str(&uri).await.unwrap();
        let mut cut_at_all = 0;
        for skip in 0..20 {
            let fixture = Fixture::new(&uri, &format!("{kind}_{skip}")).await;
            let (_, batch) = prepared(&fixture).await;
            let writes = ["findAndModify", "insert", "update", "delete"];
            let closing = doc! { "failCommands": &writes[..], "closeConnection": true, "appName": "oplogsync" };
            fail_command(&admin, skip, closing).await;
            let result = fixture.apply(&batch).await;
            heal(&admin).await;
            let Err(error) = result else {
                assert_eq!(fixture.items().await, after());
                break;
            };
            cut_at_all += 1;
            assert!(matches!(error.fault(), Fault::Unknown | Fault::Unavailable), "{skip}: {}", words(&error));
            let unfinished = fixture.store.unfinished().await.unwrap();
            assert!(unfinished.is_none_or(|end| end == batch.last().position.index), "{unfinished:?}");
            let again = fixture.apply(&batch).await.unwrap_or_else(|error| panic!("{kind} {skip}: {}", words(&error)));
            assert!(kind == "set" || again.changed + again.repeated >= 6, "{again:?}");
            assert_eq!(fixture.items().await, after(), "{kind} {skip}");
            assert_eq!(fixture.store.unfinished().await.unwrap(), None);
        }
        assert!((3..19).contains(&cut_at_all), "{kind}: it was cut {cut_at_all} times");
    }
}

#[tokio::test]
async fn a_commit_whose_reply_is_lost_is_asked_for_again() {
    let Some(binary) = binary().await else { return };
    let set = ReplicaSet::start(&binary, "commit", 1, test_options()).await.expect("it starts");
    let client = Client::with_uri_str(set.uri()).await.unwrap();
    for (number, data) in
        [doc! { "closeConnection": true }, doc! { "writeConcernError": { "code": 64, "errmsg": "slow" } }]
            .into_iter()
            .enumerate()
    {
        let fixture = Fixture::new(&set.uri(), &format!("commit_{number}")).await;
        let (_, batch) = prepared(&fixture).await;
        let mut data = data;
        data.extend(doc! { "failCommands": ["commitTransaction"], "appName": "oplogsync" });
        let command = doc! { "configureFailPoint": "failCommand", "mode": { "times": 3 }, "data": data };
        client.database("admin").run_command(command).await.expect("the failpoint is set");
        fixture.apply(&batch).await.expect("the commit is found out");
        assert_eq!(fixture.items().await, after());
        assert_eq!(fixture.checkpoint().await.map(|checkpoint| checkpoint.anchor), Some(batch.last()));
    }
}

#[tokio::test]
async fn an_unfinished_batch_must_be_finished_before_another() {
    let Some(binary) = binary().await else { return };
    let server = Server::start(&binary, test_options()).await.expect("it starts");
    let fixture = Fixture::new(&server.uri(), "unfinished").await;
    let (_, batch) = prepared(&fixture).await;
    let client = Client::with_uri_str(server.uri()).await.unwrap();
    fail_command(
        &client,
        1,
        doc! { "failCommands": ["findAndModify"], "closeConnection": true, "appName": "oplogsync" },
    )
    .await;
    assert!(fixture.apply(&batch).await.is_err());
    heal(&client).await;
    assert_eq!(fixture.store.unfinished().await.unwrap(), Some(batch.last().position.index));
    let part = Batch::new(batch.log(), *batch.after(), batch.entries()[..2].to_vec()).unwrap();
    // One who did not know of it, because the note came late, reads again and finishes it.
    let error = fixture.apply(&part).await.unwrap_err();
    assert!(matches!(error.fault(), Fault::CheckpointMoved { .. }), "{error:?}");
    assert_eq!(decide_store(&error), Decision::Retry);
    let again = fixture.apply(&batch).await.expect("the same batch is finished");
    assert!(again.repeated >= 2, "{again:?}");
    assert_eq!(fixture.items().await, after());
}

#[tokio::test]
async fn a_source_that_no_longer_holds_the_batch_that_was_begun_stops_the_replica() {
    let Some(binary) = binary().await else { return };
    let server = Server::start(&binary, test_options()).await.expect("it starts");
    let fixture = Fixture::new(&server.uri(), "restored").await;
    let ns = namespace("items");
    let mut chain = Chain::new(log_id(1));
    let before = chain.insert(&ns, only_id(1)).insert(&ns, only_id(2)).take_batch();
    let begun = chain.insert(&ns, only_id(3)).insert(&ns, only_id(4)).take_batch();
    fixture.apply(&before).await.expect("it is applied");
    let client = Client::with_uri_str(server.uri()).await.unwrap();
    let closed = doc! { "failCommands": ["findAndModify"], "closeConnection": true, "appName": "oplogsync" };
    fail_command(&client, 1, closed).await;
    assert!(fixture.apply(&begun).await.is_err());
    heal(&client).await;
    // The source comes back from a backup: without the batch, or with a part of it.
    for kept in [0, 1] {
        let source = MemoryStore::new("db1");
        source.create_log(log_id(1)).await.unwrap();
        source.append(&[before.entries(), &begun.entries()[..kept]].concat()).await.unwrap();
        let options = ReplicatorOptions { lease_term: Duration::from_millis(200), ..ReplicatorOptions::default() };
        let feed = OplogFeed::new(source, "db1");
        let mut replicator = Replicator::new("restored", feed, fixture.store.clone(), SystemHost, options);

        let stopped = replicator.run(std::future::pending(), &()).await.unwrap_err();

        assert!(matches!(stopped, ReplicateError::Feed(FeedError::WentBack { .. })), "{kept} kept: {stopped:?}");
        assert!(fixture.store.stop().await.unwrap().is_some());
        replicator.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_server_killed_between_data_and_checkpoint_has_lost_nothing_and_the_repeat_completes_it() {
    let Some(binary) = binary().await else { return };
    let mut server = Server::start(&binary, test_options()).await.expect("it starts");
    let batch = {
        let fixture = Fixture::new(&server.uri(), "killed").await;
        let (_, batch) = prepared(&fixture).await;
        let client = Client::with_uri_str(server.uri()).await.unwrap();
        let blocking = doc! { "failCommands": ["findAndModify"], "blockConnection": true, "blockTimeMS": 60_000, "appName": "oplogsync" };
        fail_command(&client, 1, blocking).await;
        // What can be read need not be in the journal yet. But the checkpoint goes out only when it is.
        let written = async {
            let at_checkpoint = doc! { "currentOp": 1, "command.findAndModify": { "$exists": true } };
            loop {
                let there = fixture.items().await == after();
                let found = client.database("admin").run_command(at_checkpoint.clone()).await.unwrap();
                if there && !found.get_array("inprog").unwrap().is_empty() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            result = fixture.apply(&batch) => panic!("the checkpoint is blocked: {result:?}"),
            () = written => {}
        }
        server.kill().expect("it is killed");
        batch
    };
    server.restart().await.expect("it starts again");
    let fixture = Fixture::new(&server.uri(), "killed").await;
    assert_eq!(fixture.items().await, after(), "what was journaled is there");
    assert_eq!(fixture.store.unfinished().await.unwrap(), Some(batch.last().position.index));
    let again = fixture.apply(&batch).await.expect("it is applied again");
    assert_eq!(fixture.items().await, after());
    assert!(again.repeated > 0, "{again:?}");
}

#[tokio::test]
async fn an_append_whose_reply_was_lost_is_unknown_and_the_same_call_completes_it() {
    let Some(binary) = binary().await else { return };
    let server = Server::start(&binary, test_options()).await.expect("it starts");
    let set = ReplicaSet::start(&binary, "append", 1, test_options()).await.expect("it starts");
    for uri in [server.uri(), set.uri()] {
        let fixture = Fixture::new(&uri, "append").await;
        let client = Client::with_uri_str(&uri).await.unwrap();
        fixture.store.create_log(log_id(1)).await.unwrap();
        let entries = Chain::new(log_id(1)).noops(5).take();
        let cut = |data: BsonDocument| {
            let mut data = data;
            data.extend(doc! { "failCommands": ["insert"], "appName": "oplogsync" });
            data
        };
        fail_command(&client, 0, cut(doc! { "closeConnection": true })).await;
        assert_eq!(fixture.store.append(&entries).await.unwrap_err().fault(), &Fault::Unknown);
        fail_command(&client, 0, cut(doc! { "writeConcernError": { "code": 64, "errmsg": "slow" } })).await;
        assert_eq!(fixture.store.append(&entries).await.unwrap_err().fault(), &Fault::Unknown);
        fail_command(&client, 0, cut(doc! { "errorCode": 13 })).await;
        assert_eq!(fixture.store.append(&entries).await.unwrap_err().fault(), &Fault::Denied);
        fail_command(&client, 0, cut(doc! { "errorCode": 14031 })).await;
        assert_eq!(fixture.store.append(&entries).await.unwrap_err().fault(), &Fault::Full);
        heal(&client).await;
        assert_eq!(fixture.store.append(&entries).await.expect("it is completed"), Appended::All);
        assert_eq!(fixture.store.append(&entries).await.expect("it is complete"), Appended::All);
        assert_eq!(fixture.store.read(1, ALL).await.unwrap(), entries);
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_unavailable_within_seconds_and_nothing_was_appended() {
    let Some(binary) = binary().await else { return };
    let mut server = Server::start(&binary, test_options()).await.expect("it starts");
    let fixture = Fixture::new(&server.uri(), "gone").await;
    fixture.store.create_log(log_id(1)).await.unwrap();
    let entries = Chain::new(log_id(1)).noops(2).take();
    server.kill().expect("it is killed");
    let error = fixture.store.append(&entries).await.unwrap_err();
    assert_eq!(error.fault(), &Fault::Unavailable, "{}", words(&error));
    server.restart().await.expect("it starts again");
    assert_eq!(fixture.store.read(1, ALL).await.unwrap(), []);
    assert_eq!(fixture.store.append(&entries).await.expect("it goes on"), Appended::All);
}

/// The statistics of a server that died do not count what its journal gives back.
#[tokio::test]
async fn a_rename_onto_documents_that_a_killed_server_does_not_count_is_refused_and_not_logged() {
    let Some(binary) = binary().await else { return };
    let mut server = Server::start(&binary, test_options()).await.expect("it starts");
    let open = async |server: &Server| {
        let store = connect(&server.uri(), "uncounted").await;
        let primary = Primary::open(store.clone(), SystemHost, PrimaryOptions::default()).await.expect("it opens");
        (store, primary)
    };
    let (items, goods) = (namespace("items"), namespace("goods"));
    let (store, primary) = open(&server).await;
    for ns in [&items, &goods] {
        let insert = Write::Insert { ns: ns.clone(), document: only_id(1) };
        primary.write(insert).await.expect("it is written");
    }
    drop((store, primary));
    server.kill().expect("it is killed");
    server.restart().await.expect("it opens again");
    let (store, primary) = open(&server).await;
    assert_eq!(store.size(&goods).await.unwrap().documents, 0, "what this is about");
    let head = store.log_ends().await.unwrap().unwrap().head;

    let rename = Action::Rename { ns: items.clone(), to: goods, drop_target: false };
    let error = primary.run(rename).await.expect_err("there is a document");
    let WriteError::Refused(why) = &error else { panic!("{error}: {error:?}") };
    assert_eq!(why.code, 48, "{why}");
    assert_eq!(store.log_ends().await.unwrap().unwrap().head, head);
    let drop = Action::Drop { ns: items };
    primary.run(drop).await.expect("there is a document to drop");
}
