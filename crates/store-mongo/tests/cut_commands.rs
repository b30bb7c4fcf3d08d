//! Commands, copies and index builds that are cut off, or whose reply is lost, and are made again.

use std::{collections::BTreeMap, time::Duration};

use bson::{RawDocumentBuf, Timestamp, doc, rawdoc};
use mongodb::Client;
use oplogsync_core::{
    catalog::{Collection, CollectionOptions, Index},
    command::Action,
    documents::Documents,
    initial_sync::{Note, Piece, SyncTarget},
    limits::Limits,
    namespace::Namespace,
    store_error::Fault,
    testing::{
        chain::{Chain, log_id, valid},
        documents::{id, namespace, only_id},
    },
};
use oplogsync_mongod::{
    ReplicaSet, Server,
    testing::{binary, test_options},
};
use oplogsync_store_mongo::{MongoStore, Options, Scope};

use crate::{
    fixture::{Fixture, command, owner, words},
    proxy::{Proxy, Script},
};

const ALL: Limits = Limits { entries_max: 100_000, bytes_max: usize::MAX };

fn index(name: &str, more: &RawDocumentBuf) -> Index {
    let mut spec = rawdoc! { "v": 2, "key": { "a": 1 }, "name": name };
    more.iter().flatten().for_each(|(name, value)| spec.append(name, value));
    Index::new(&spec).expect("it is an index")
}

fn options(raw: &RawDocumentBuf) -> CollectionOptions {
    CollectionOptions::new(raw).expect("they can be replicated")
}

/// Every kind of command, on `items` and `others`, which hold a document each, and `items` an index.
fn actions() -> Vec<(&'static str, Action)> {
    let ns = namespace("items");
    let other = index("other", &rawdoc! { "unique": true });
    let made = options(&rawdoc! { "validator": { "a": 1 } });
    let view = options(&rawdoc! { "viewOn": "items", "pipeline": [] });
    let rename = |to: &str, drop_target| Action::Rename { ns: namespace("items"), to: namespace(to), drop_target };
    vec![
        ("create", Action::Create { ns: namespace("made"), options: made }),
        ("view", Action::Create { ns: namespace("view"), options: view }),
        ("drop", Action::Drop { ns: ns.clone() }),
        ("rename", rename("renamed", false)),
        ("replace", rename("others", true)),
        ("dropDatabase", Action::DropDatabase { database: ns.database_name() }),
        ("createIndexes", Action::CreateIndexes { ns: namespace("others"), indexes: vec![other] }),
        ("dropIndexes", Action::DropIndexes { ns: ns.clone(), names: vec!["first".to_owned(), "nowhere".to_owned()] }),
        ("collMod", Action::Modify { ns, changes: rawdoc! { "validator": { "b": 1 } } }),
        ("makeMod", Action::Modify { ns: namespace("never"), changes: rawdoc! { "validator": { "b": 1 } } }),
    ]
}

async fn prepared(uri: &str, database: &str) -> (Fixture, Chain) {
    let fixture = Fixture::new(uri, database).await;
    let mut chain = Chain::new(log_id(1));
    chain.insert(&namespace("items"), only_id(1)).insert(&namespace("others"), only_id(2));
    fixture.apply(&chain.take_batch()).await.expect("it is applied");
    let indexes = vec![index("first", &rawdoc! {})];
    fixture.store.run(&Action::CreateIndexes { ns: namespace("items"), indexes }, owner()).await.unwrap();
    (fixture, chain)
}

/// Everything that a node holds.
async fn holdings(fixture: &Fixture) -> (Vec<Collection>, BTreeMap<String, Vec<Vec<u8>>>) {
    let mut documents = BTreeMap::new();
    for ns in fixture.store.namespaces().await.expect("they are listed") {
        let found = fixture.store.scan(&ns, None, ALL).await.expect("they are read");
        documents.insert(ns.to_string(), found.iter().map(|found| found.as_bytes().to_vec()).collect());
    }
    (fixture.store.collections().await.expect("they are listed"), documents)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_reply_was_lost_is_run_again_and_comes_to_the_same() {
    let Some(binary) = binary().await else { return };
    let standalone = Server::start(&binary, test_options()).await.expect("it starts");
    let set = ReplicaSet::start(&binary, "replies", 1, test_options()).await.expect("it starts");
    for (kind, port) in [("alone", standalone.port()), ("set", set.members()[0].port())] {
        let direct = format!("mongodb://127.0.0.1:{port}/?directConnection=true");
        for (name, action) in actions() {
            // Once as it should be; then each of its commands has its reply cut.
            let proxy = Proxy::start(port, Script::new()).await;
            let behind = format!("mongodb://127.0.0.1:{}/?directConnection=true&heartbeatFrequencyMS=500", proxy.port);
            let (fixture, chain) = prepared(&direct, &format!("{kind}_{name}")).await;
            let batch = command(&mut chain.clone(), action.clone());
            let through = crate::fixture::connect(&behind, &fixture.database).await;
            proxy.script.plan(None);
            through.apply(&batch, owner()).await.unwrap_or_else(|error| panic!("{name}: {}", words(&error)));
            let (expected, commands) = (holdings(&fixture).await, proxy.script.commands());
            let writes =
                commands.iter().filter(|(command, _)| !["find", "listCollections"].contains(&command.as_str()));
            for (cut, nth) in writes.flat_map(|(cut, count)| (1..=*count).map(move |nth| (cut.clone(), nth))) {
                let at = format!("{kind} {name}: {cut} {nth}");
                let (fixture, mut chain) = prepared(&direct, &format!("{kind}_{name}_{cut}{nth}")).await;
                let batch = command(&mut chain, action.clone());
                let through = crate::fixture::connect(&behind, &fixture.database).await;
                proxy.script.plan(Some((cut, nth)));
                let error = through.apply(&batch, owner()).await.expect_err("the reply is lost");
                assert_eq!(error.fault(), &Fault::Unknown, "{at}: {}", words(&error));
                // The last reply is that of the checkpoint.
                if fixture.checkpoint().await.map(|checkpoint| checkpoint.anchor) != Some(batch.last()) {
                    fixture.apply(&batch).await.unwrap_or_else(|error| panic!("{at}: {}", words(&error)));
                }
                assert_eq!(holdings(&fixture).await, expected, "{at}");
                assert_eq!(fixture.checkpoint().await.map(|checkpoint| checkpoint.anchor), Some(batch.last()), "{at}");
                assert_eq!(fixture.store.unfinished().await.unwrap(), None, "{at}");
                // What comes next is applied.
                fixture.apply(&chain.insert(&namespace("next"), only_id(1)).take_batch()).await.expect("it goes on");
            }
        }
    }
}

/// Into another database a server copies, and is not done at once: cut off at the end both are there.
#[tokio::test(flavor = "multi_thread")]
async fn a_rename_into_another_database_that_was_cut_off_is_finished() {
    let Some(binary) = binary().await else { return };
    let server = Server::start(&binary, test_options()).await.expect("it starts");
    let store = MongoStore::connect(&server.uri(), "db1", Scope::Server, Options::default()).await.unwrap();
    crate::fixture::lease(&store).await;
    let (ns, to) = (namespace("items"), Namespace::new("elsewhere.items").unwrap());
    let mut chain = Chain::new(log_id(1));
    store.apply(&chain.insert(&ns, only_id(1)).take_batch(), owner()).await.expect("it is applied");
    let batch = command(&mut chain, Action::Rename { ns: ns.clone(), to: to.clone(), drop_target: false });
    let admin = Client::with_uri_str(server.uri()).await.unwrap();
    let data = doc! { "failCommands": ["renameCollection"], "closeConnection": true, "appName": "oplogsync" };
    fail(&admin, doc! { "times": 1 }, data).await;
    assert_eq!(store.apply(&batch, owner()).await.unwrap_err().fault(), &Fault::Unknown);
    admin.database("elsewhere").collection("items").insert_one(doc! { "_id": 1 }).await.unwrap();
    store.apply(&batch, owner()).await.unwrap_or_else(|error| panic!("{}", words(&error)));
    assert_eq!(store.namespaces().await.unwrap(), std::slice::from_ref(&to));
    assert_eq!(store.scan(&to, None, ALL).await.unwrap(), [valid(only_id(1))]);
}

async fn fail(client: &Client, mode: impl Into<bson::Bson>, data: bson::Document) {
    let command = doc! { "configureFailPoint": "failCommand", "mode": mode.into(), "data": data };
    client.database("admin").run_command(command).await.expect("the failpoint is set");
}

fn note() -> Note {
    Note { name: "range".to_owned(), document: Some(rawdoc! { "until": 2_000 }) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_cut_off_leaves_no_note_and_is_made_again() {
    let Some(binary) = binary().await else { return };
    let standalone = Server::start(&binary, test_options()).await.expect("it starts");
    let set = ReplicaSet::start(&binary, "copies", 1, test_options()).await.expect("it starts");
    let ns = namespace("items");
    let text = |number: i32, text: &str| valid(rawdoc! { "_id": number, "text": text });
    // More than two commands hold, where nothing can be there yet.
    let (long, short) = ("new ".repeat(4_300), "new");
    let piece_of = |is_fresh, new: &str| {
        let mut documents: Vec<_> = (0..1_999).map(|number| text(number, new)).collect();
        // A server would change this one if it were told to insert it.
        documents.push(valid(rawdoc! { "_id": 1_999, "at": Timestamp { time: 0, increment: 0 } }));
        Piece { ns: ns.clone(), after: None, until: Some(id(2_000)), documents, is_fresh }
    };
    for (kind, uri) in [("standalone", standalone.uri()), ("set", set.uri())] {
        let admin = Client::with_uri_str(&uri).await.unwrap();
        for is_fresh in [true, false] {
            let piece = |is_new| piece_of(is_new, if is_fresh { &long } else { short });
            let mut cuts = 0;
            for skip in 0..30 {
                let at = format!("{kind}, fresh: {is_fresh}, {skip}");
                let fixture = Fixture::new(&uri, &format!("{kind}_{is_fresh}_{skip}")).await;
                let beside = text(3_000, "beside");
                let mut before: Vec<_> = [1_500, 2_000].map(|number| text(number, "old")).to_vec();
                before.retain(|_| !is_fresh);
                before.push(beside.clone());
                let whole = Piece { ns: ns.clone(), after: None, until: None, documents: before, is_fresh: true };
                fixture.store.copy(&whole, &Note { name: "old".to_owned(), document: None }, owner()).await.unwrap();
                let data = doc! { "failCommands": ["insert", "update", "delete"], "closeConnection": true, "appName": "oplogsync" };
                fail(&admin, doc! { "skip": skip }, data).await;
                let copied = fixture.store.copy(&piece(is_fresh), &note(), owner()).await;
                fail(&admin, "off", doc! {}).await;
                let is_cut = copied.is_err();
                if let Err(error) = copied {
                    cuts += 1;
                    assert_eq!(error.fault(), &Fault::Unknown, "{at}: {}", words(&error));
                    assert_eq!(fixture.store.notes().await.unwrap(), [], "{at}");
                    fixture.store.copy(&piece(false), &note(), owner()).await.expect("it is made again");
                }
                let expected: Vec<_> = piece(false).documents.into_iter().chain([beside]).collect();
                assert_eq!(fixture.store.scan(&ns, None, ALL).await.unwrap(), expected, "{at}");
                assert_eq!(fixture.store.notes().await.unwrap(), [note()], "{at}");
                if !is_cut {
                    break;
                }
            }
            assert!((5..30).contains(&cuts), "{kind}, fresh: {is_fresh}: it was cut {cuts} times");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wipe_that_was_cut_off_is_made_again() {
    let Some(binary) = binary().await else { return };
    let server = Server::start(&binary, test_options()).await.expect("it starts");
    let admin = Client::with_uri_str(server.uri()).await.unwrap();
    let mut cuts = 0;
    for skip in 0..10 {
        let (fixture, _) = prepared(&server.uri(), &format!("wipe_{skip}")).await;
        let data = doc! { "failCommands": ["update", "drop", "listCollections"], "closeConnection": true, "appName": "oplogsync" };
        fail(&admin, doc! { "skip": skip }, data).await;
        let wiped = fixture.store.wipe(owner()).await;
        fail(&admin, "off", doc! {}).await;
        let is_cut = wiped.is_err();
        if let Err(error) = wiped {
            cuts += 1;
            assert_eq!(error.fault(), &Fault::Unknown, "{skip}: {}", words(&error));
            // A checkpoint says what there is: it is gone before anything is.
            let (collections, _) = holdings(&fixture).await;
            assert!(fixture.checkpoint().await.is_none() || collections.len() == 2, "{collections:?}");
            fixture.store.wipe(owner()).await.expect("it is made again");
        }
        assert_eq!((holdings(&fixture).await, fixture.checkpoint().await), ((vec![], BTreeMap::new()), None));
        if !is_cut {
            break;
        }
    }
    assert_eq!(cuts, 4, "an update, a list, and two drops");
}

/// It outlives every deadline, and the process that has asked for it, and the server.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_build_is_waited_for_and_goes_on_after_it_was_cut_off() {
    let Some(binary) = binary().await else { return };
    let standalone = Server::start(&binary, test_options()).await.expect("it starts");
    let set = ReplicaSet::start(&binary, "builds", 1, test_options()).await.expect("it starts");
    tokio::join!(builds(standalone.uri()), builds(set.uri()));
}

async fn builds(uri: String) {
    let (fixture, mut chain) = prepared(&uri, "builds").await;
    let store = crate::fixture::connect_impatient(&uri, "builds").await;
    let client = Client::with_uri_str(&uri).await.unwrap();
    let hang = async |mode: &str| {
        let command = doc! { "configureFailPoint": "hangAfterStartingIndexBuildUnlocked", "mode": mode };
        client.database("admin").run_command(command).await.expect("the failpoint is set");
    };
    let unique = index("unique", &rawdoc! { "unique": true });
    let batch = command(&mut chain, Action::CreateIndexes { ns: namespace("others"), indexes: vec![unique.clone()] });
    hang("alwaysOn").await;
    // Its requests may take a second, and the server half a minute.
    let cut = tokio::time::timeout(Duration::from_secs(4), store.apply(&batch, owner())).await;
    assert!(cut.is_err(), "the build hangs: {cut:?}");
    assert_eq!(fixture.store.unfinished().await.unwrap(), Some(batch.last().position.index));
    let again = async { store.apply(&batch, owner()).await };
    let release = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        hang("off").await;
    };
    let (again, ()) = tokio::join!(again, release);
    again.unwrap_or_else(|error| panic!("{}", words(&error)));
    let (collections, _) = holdings(&fixture).await;
    let others = collections.into_iter().find(|found| found.ns == namespace("others")).expect("it is there");
    assert_eq!(others.indexes, [unique]);
    assert_eq!(fixture.store.unfinished().await.unwrap(), None);
}

#[tokio::test]
async fn a_server_killed_while_it_builds_an_index_builds_it_when_it_is_asked_again() {
    let Some(binary) = binary().await else { return };
    let mut server = Server::start(&binary, test_options()).await.expect("it starts");
    let (fixture, mut chain) = prepared(&server.uri(), "killed").await;
    let client = Client::with_uri_str(server.uri()).await.unwrap();
    let hang = doc! { "configureFailPoint": "hangAfterStartingIndexBuildUnlocked", "mode": "alwaysOn" };
    client.database("admin").run_command(hang).await.expect("the failpoint is set");
    let indexes = vec![index("built", &rawdoc! {})];
    let batch = command(&mut chain, Action::CreateIndexes { ns: namespace("others"), indexes: indexes.clone() });
    let building = async {
        let at_the_build = doc! { "currentOp": 1, "command.createIndexes": "others" };
        loop {
            let found = client.database("admin").run_command(at_the_build.clone()).await.unwrap();
            if !found.get_array("inprog").unwrap().is_empty() {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        applied = fixture.apply(&batch) => panic!("the build hangs: {applied:?}"),
        () = building => {}
    }
    server.kill().expect("it is killed");
    server.restart().await.expect("it starts again");
    let fixture = Fixture::new(&server.uri(), "killed").await;
    assert_eq!(fixture.store.unfinished().await.unwrap(), Some(batch.last().position.index));
    fixture.apply(&batch).await.unwrap_or_else(|error| panic!("{}", words(&error)));
    let (collections, _) = holdings(&fixture).await;
    let others = collections.into_iter().find(|found| found.ns == namespace("others")).expect("it is there");
    assert_eq!(others.indexes, indexes);
}
