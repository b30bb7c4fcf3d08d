//! [`Deployment`]: a server that fails on demand, a store that meets its failures, and one that looks on.

use std::time::{Duration, Instant};

use bson::{Document as BsonDocument, doc, rawdoc};
use mongodb::Client;
use oplogsync_core::{
    batch::Batch,
    catalog::{CollectionOptions, Index},
    checkpoint::{Checkpoint, Resume, Stop},
    command::Action,
    documents::Documents,
    entry::Entry,
    initial_sync::{Note, Piece, SyncTarget},
    lease::{Lease, LeaseName, Leases},
    limits::Limits,
    log::{Acknowledgement, Appended, Log},
    position::Position,
    retry::{Decision, decide_store},
    store_error::{Fault, StoreError},
    testing::{
        chain::{Chain, log_id, valid},
        documents::{DATABASE, id, namespace, only_id},
    },
};
use oplogsync_store_mongo::{MongoStore, Options, Scope};

use super::{
    Cell,
    call::{Call, Kind, TIME_MAX},
    injected::Injected,
};
use crate::{
    copies::no_note,
    fixture::{lease, owner, patch, words},
};

const ALL: Limits = Limits { entries_max: 10_000, bytes_max: usize::MAX };
/// More than the first batch of a cursor holds.
const MANY: i32 = 150;
/// How long a request may take on a standalone server, and on a replica set, where a transaction is to be
/// given up within it, on a connection that is new.
const REQUEST_MS: i32 = 200;
/// The same where no deadline is what it is about: machines are busy.
const UNHURRIED_MS: i32 = 5_000;
const TRANSACTION_REQUEST_MS: i32 = 1000;
/// The store waits a second longer than the server may work; a server that is blocked takes more than that.
const BLOCK_MORE_MS: i32 = 3000;
const PATIENT_MS: i32 = 30_000;
/// Commands of this application fail.
const FAILING: &str = "failing";

/// A call that met with a failure.
pub(super) struct Meeting {
    store: MongoStore,
    pub(super) result: Result<(), StoreError>,
    pub(super) took: Duration,
    /// How many commands met it.
    pub(super) commands: i32,
}

pub(super) struct Deployment {
    pub(super) name: &'static str,
    uri: String,
    client: Client,
    /// Sees no failures.
    oracle: MongoStore,
    /// The log that the node holds.
    log: Chain,
    entries: Vec<Entry>,
    /// The log that its documents follow, which is elsewhere.
    followed: Chain,
    count: i32,
    /// What the call under way is about.
    batch: Option<Batch>,
    held: Option<Lease>,
}

impl Deployment {
    pub(super) async fn new(name: &'static str, uri: String) -> Self {
        let client = Client::with_uri_str(&uri).await.unwrap();
        let oracle = connect(&uri, "oracle", "cells", PATIENT_MS).await;
        lease(&oracle).await;
        oracle.create_log(log_id(1)).await.expect("it is created");
        let mut log = Chain::new(log_id(1));
        let entries = log.noops(3).take();
        assert_eq!(oracle.append(&entries).await.expect("it is appended"), Appended::All);
        let mut followed = Chain::new(log_id(2));
        for number in 0..MANY {
            followed.insert(&namespace("items"), only_id(number));
        }
        oracle.apply(&followed.take_batch(), owner()).await.expect("it is applied");
        Self { name, uri, client, oracle, log, entries, followed, count: 0, batch: None, held: None }
    }

    /// Makes the call while its command fails.
    pub(super) async fn meet(&mut self, cell: Cell) -> Meeting {
        self.count += 1;
        let database = if cell.call == Call::CreateLog { format!("cell_{}", self.count) } else { "cells".to_owned() };
        let request_ms = match (cell.injected, cell.kind) {
            (Injected::Block, _) | (_, Kind::Commit) if self.oracle.is_transactional() => TRANSACTION_REQUEST_MS,
            (Injected::Block, _) => REQUEST_MS,
            _ => UNHURRIED_MS,
        };
        let store = connect(&self.uri, FAILING, &database, request_ms).await;
        self.prepare(cell.call).await;
        let mut data = cell.injected.data(request_ms + BLOCK_MORE_MS);
        data.extend(doc! { "failCommands": [cell.command], "appName": FAILING });
        if cell.kind == Kind::ReadInTransaction {
            // With a new session a server looks for its last transaction, by the same command.
            data.insert("namespace", "cells.items");
        }
        let before = self.fail(doc! { "skip": cell.skip }, data).await;
        let started = Instant::now();
        let result = self.call(&store, cell.call).await;
        let took = started.elapsed();
        let commands = self.fail("off", doc! {}).await - before;
        Meeting { store, result, took, commands }
    }

    /// Sets the failpoint; how often one was met until now.
    async fn fail(&self, mode: impl Into<bson::Bson>, data: BsonDocument) -> i32 {
        let command = doc! { "configureFailPoint": "failCommand", "mode": mode.into(), "data": data };
        let reply = self.client.database("admin").run_command(command).await.expect("the failpoint is set");
        reply.get_i32("count").expect("it is counted")
    }

    async fn prepare(&mut self, call: Call) {
        let (items, number) = (namespace("items"), self.count);
        match call {
            Call::Append => self.entries = self.log.noops(2).take(),
            Call::Trim => {
                self.entries = self.log.noops(2).take();
                assert_eq!(self.oracle.append(&self.entries).await.expect("it is appended"), Appended::All);
            }
            Call::Apply => {
                let document = rawdoc! { "_id": 0, "number": number };
                let inserted = format!("cell {number}");
                self.followed.update(&items, document).insert(&items, only_id(inserted)).delete(&items, id(1));
                patch(&mut self.followed, id(2), rawdoc! { "u": { "number": number } });
                // The next one finds it again.
                self.batch = Some(self.followed.take_batch());
            }
            Call::SwapLease => self.held = self.oracle.lease(LeaseName::Log).await.expect("it is read"),
            _ => {}
        }
    }

    fn stop(&self) -> Stop {
        let at = Position { term: 1, index: u64::try_from(self.count).unwrap() };
        Stop { at, too_stale: false, reason: "a test".to_owned() }
    }

    fn acknowledgement(&self) -> Acknowledgement {
        Acknowledgement { replica: format!("replica {}", self.count), at: self.entries[0].anchor() }
    }

    fn next_lease(&self) -> Lease {
        let beat = self.held.as_ref().map_or(0, |held| held.beat + 1);
        Lease { owner: owner(), holder: "a test".to_owned(), beat }
    }

    async fn call(&self, store: &MongoStore, call: Call) -> Result<(), StoreError> {
        let (items, many) = (namespace("items"), (0..MANY).map(id).collect::<Vec<_>>());
        match call {
            Call::Append => store.append(&self.entries).await.map(|appended| assert_eq!(appended, Appended::All)),
            Call::Read => store.read(1, ALL).await.map(drop),
            Call::Find => store.find(self.entries[0].op_id()).await.map(drop),
            Call::LogEnds => store.log_ends().await.map(drop),
            Call::CreateLog => store.create_log(log_id(3)).await.map(drop),
            Call::Trim => store.trim(&self.entries[0].anchor()).await,
            Call::Acknowledge => store.acknowledge(&self.acknowledgement()).await,
            Call::Acknowledgements => store.acknowledgements().await.map(drop),
            Call::SwapLease => {
                store.swap_lease(LeaseName::Log, self.held.as_ref(), Some(&self.next_lease())).await.map(drop)
            }
            Call::Lease => store.lease(LeaseName::Log).await.map(drop),
            Call::Apply => store.apply(self.batch.as_ref().expect("it is prepared"), owner()).await.map(drop),
            Call::Get => store.get(&items, &many).await.map(drop),
            Call::Digest => store.digest(&items).await.map(drop),
            Call::Scan => store.scan(&items, None, ALL).await.map(drop),
            Call::Namespaces => store.namespaces().await.map(drop),
            Call::Checkpoint => store.checkpoint().await.map(drop),
            Call::SetStop => store.set_stop(&self.stop()).await,
            Call::Resume => store.resume().await.map(drop),
            Call::Collections => store.collections().await.map(drop),
            Call::Size => store.size(&items).await.map(drop),
            Call::Notes => store.notes().await.map(drop),
            Call::PutNotes => store.put_notes(&[self.note(), no_note("nowhere")], owner()).await,
            Call::Copy => store.copy(&self.piece(true), &self.note(), owner()).await,
            Call::CopyAgain => store.copy(&self.piece(false), &self.note(), owner()).await,
            // It stands where it stood.
            Call::BeginAt => {
                let checkpoint = Checkpoint { log: self.followed.log(), anchor: self.followed.last() };
                store.begin_at(checkpoint, &Resume::default(), &[self.note()], owner()).await
            }
            Call::Create | Call::CreateIndexes | Call::DropIndexes | Call::Modify | Call::Rename | Call::Drop => {
                store.run(&self.action(call), owner()).await
            }
        }
    }

    fn note(&self) -> Note {
        Note { name: "cell".to_owned(), document: Some(rawdoc! { "number": self.count }) }
    }

    fn piece(&self, is_fresh: bool) -> Piece {
        let documents = (0..3).map(|number| valid(rawdoc! { "_id": number, "of": self.count })).collect();
        Piece { ns: namespace(&format!("copy{}", self.count)), after: None, until: None, documents, is_fresh }
    }

    fn action(&self, call: Call) -> Action {
        let (ns, made) = (namespace("others"), namespace(&format!("made{}", self.count)));
        let index = Index::new(&rawdoc! { "v": 2, "key": { "n": 1 }, "name": "n_1" }).expect("it is an index");
        match call {
            Call::Create => Action::Create { ns: made, options: CollectionOptions::default() },
            Call::CreateIndexes => Action::CreateIndexes { ns, indexes: vec![index] },
            Call::DropIndexes => Action::DropIndexes { ns, names: vec!["n_1".to_owned()] },
            Call::Modify => Action::Modify { ns, changes: rawdoc! { "validator": { "number": self.count } } },
            Call::Rename => Action::Rename { ns: namespace("from"), to: made, drop_target: false },
            _ => Action::Drop { ns: made },
        }
    }

    /// Once the server is well again: nothing has happened where that was said, and the same call completes what was
    /// begun.
    pub(super) async fn repair(&mut self, cell: Cell, meeting: &Meeting) {
        let undone = meeting.result.as_ref().is_err_and(|error| *error.fault() == Fault::Unavailable);
        match cell.call {
            Call::Append => self.repair_append(undone).await,
            // A lost transaction is ended by the next one of the same store, as a replicator makes it.
            Call::Apply if cell.kind == Kind::Commit => self.repair_apply(undone, &meeting.store).await,
            Call::Apply => self.repair_apply(undone, &self.oracle.clone()).await,
            Call::Trim => {
                let floor = self.entries[0].anchor();
                self.oracle.trim(&floor).await.expect("it is trimmed");
                let ends = self.oracle.log_ends().await.unwrap().expect("there is a log");
                assert_eq!((ends.floor, ends.head), (floor, self.log.last()), "{cell:?}");
                assert_eq!(self.oracle.read(1, ALL).await.unwrap(), self.entries[1..], "{cell:?}");
            }
            Call::Acknowledge => {
                let mine = self.acknowledgement();
                self.oracle.acknowledge(&mine).await.expect("it is remembered");
                assert!(self.oracle.acknowledgements().await.unwrap().contains(&mine), "{cell:?}");
            }
            Call::SwapLease => {
                let (found, new) = (self.oracle.lease(LeaseName::Log).await.unwrap(), self.next_lease());
                assert!(found == self.held || found.as_ref() == Some(&new), "{cell:?}: {found:?}");
                let newer = Lease { beat: new.beat + 1, ..new };
                assert!(
                    self.oracle.swap_lease(LeaseName::Log, found.as_ref(), Some(&newer)).await.unwrap(),
                    "{cell:?}"
                );
            }
            Call::SetStop => {
                self.oracle.set_stop(&self.stop()).await.expect("it is remembered");
                assert_eq!(self.oracle.stop().await.unwrap(), Some(self.stop()), "{cell:?}");
            }
            Call::CreateLog => {
                let store = connect(&self.uri, "oracle", &format!("cell_{}", self.count), PATIENT_MS).await;
                assert_eq!(store.create_log(log_id(3)).await.expect("it is created").log, log_id(3));
                assert_eq!(store.create_log(log_id(4)).await.expect("it is there").log, log_id(3));
                store.client().database(&format!("cell_{}", self.count)).drop().await.unwrap();
            }
            Call::PutNotes | Call::BeginAt => {
                self.call(&self.oracle, cell.call).await.expect("they are written");
                assert_eq!(self.oracle.notes().await.unwrap(), [self.note()], "{cell:?}");
            }
            Call::Copy | Call::CopyAgain => {
                let is_noted = self.oracle.notes().await.unwrap() == [self.note()];
                let (ns, expected) = (self.piece(false).ns, self.piece(false).documents);
                let found = self.oracle.scan(&ns, None, ALL).await.unwrap();
                assert!(!undone || found.is_empty(), "{cell:?}: it was said that nothing was copied");
                assert!(!is_noted || found == expected, "{cell:?}: the note is never before the documents");
                self.call(&self.oracle, Call::CopyAgain).await.expect("it is copied");
                assert_eq!(self.oracle.scan(&ns, None, ALL).await.unwrap(), expected, "{cell:?}");
                assert_eq!(self.oracle.notes().await.unwrap(), [self.note()], "{cell:?}");
            }
            _ => self.call(&self.oracle, cell.call).await.expect("it can be read again"),
        }
    }

    async fn repair_append(&self, undone: bool) {
        let first = self.entries[0].position().index;
        let found = self.oracle.read(first, ALL).await.expect("it is read");
        assert!(self.entries.starts_with(&found), "{found:?}");
        assert!(!undone || found.is_empty(), "it was said that nothing was appended");
        assert_eq!(self.oracle.append(&self.entries).await.expect("it is appended"), Appended::All);
        assert_eq!(self.oracle.read(first, ALL).await.unwrap(), self.entries);
    }

    async fn repair_apply(&mut self, undone: bool, store: &MongoStore) {
        let batch = self.batch.take().expect("it is prepared");
        let mut checkpoint = self.oracle.checkpoint().await.unwrap();
        assert!(!undone || checkpoint.map(|found| found.anchor) != Some(batch.last()), "nothing was to be applied");
        let started = Instant::now();
        while checkpoint.map(|found| found.anchor) != Some(batch.last()) {
            if let Err(error) = store.apply(&batch, owner()).await {
                assert_eq!(decide_store(&error), Decision::Retry, "{}", words(&error));
                assert!(started.elapsed() < TIME_MAX, "{}", words(&error));
            }
            checkpoint = self.oracle.checkpoint().await.unwrap();
        }
        let ids = [id(0), id(format!("cell {}", self.count)), id(1), id(2)];
        let found = self.oracle.get(&namespace("items"), &ids).await.unwrap();
        let expected = [
            Some(valid(rawdoc! { "_id": 0, "number": self.count })),
            Some(valid(only_id(format!("cell {}", self.count)))),
            None,
            Some(valid(rawdoc! { "_id": 2, "number": self.count })),
        ];
        assert_eq!(found, expected);
        assert_eq!(self.oracle.unfinished().await.unwrap(), None);
        let back = self.followed.insert(&namespace("items"), only_id(1)).take_batch();
        self.oracle.apply(&back, owner()).await.expect("it goes on");
    }
}

async fn connect(uri: &str, application: &str, database: &str, request_ms: i32) -> MongoStore {
    let scope = Scope::Database { logical: DATABASE.to_owned(), physical: database.to_owned() };
    let request_timeout = Duration::from_millis(request_ms.try_into().unwrap());
    let options = Options { request_timeout, ..Options::default() };
    let joint = if uri.contains('?') { '&' } else { '?' };
    // After some errors the driver waits for the next heartbeat, and a transaction is to be given up before its deadline.
    let uri = format!("{uri}{joint}appName={application}&heartbeatFrequencyMS=500");
    MongoStore::connect(&uri, "cell", scope, options).await.expect("the server takes us")
}
