//! [`Intact`]: a folder that nothing has happened to, and what must be read from it.

use std::path::{Path, PathBuf};

use bson::rawdoc;
use oplogsync_core::{
    catalog::CollectionOptions,
    command::Action,
    documents::Documents,
    initial_sync::{Note, SyncTarget},
    log::Log,
    spool::SpoolLog,
    store_error::StoreError,
    testing::{chain::owner_id, documents::namespace, manual_host::ManualHost},
    write::Write,
};

use crate::{
    engine::{self, Options, Store},
    suite::{
        copy::{copy, copy_at_rest},
        history::ALL,
        pair::{NODES, Pair, Run, Workload, unwatched},
        script::{Script, State, lease, state},
        whole::host,
    },
};

/// A folder of a closed store, and what is in it.
pub(super) struct Intact {
    pub(super) name: &'static str,
    pub(super) folder: PathBuf,
    state: State,
}

impl Intact {
    async fn read(name: &'static str, folder: PathBuf) -> Self {
        let store = Store::open(&folder, "a", Options::default()).unwrap();
        Self { name, state: state(&store).await, folder }
    }

    /// Whether a primary can go on in it.
    pub(super) fn is_primary(&self) -> bool {
        self.state.ends.is_some() && self.state.captured.is_none()
    }

    /// Everything that can be read is what was written, or an error; the first of the errors.
    pub(super) async fn check(&self, store: &Store) -> Option<StoreError> {
        let State { documents, digests, collections, checkpoint, resume, stop, notes, ends, entries, captured } =
            &self.state;
        let names: Vec<_> = digests.iter().map(|(ns, _)| ns.clone()).collect();
        let mut first = None;
        differs(store.log_ends().await, ends, "the ends of the log", &mut first);
        differs(store.read(0, ALL).await, entries, "the log", &mut first);
        differs(store.captured().await, captured, "what was captured", &mut first);
        differs(store.checkpoint().await, checkpoint, "the checkpoint", &mut first);
        differs(store.resume().await, resume, "what stands beside the checkpoint", &mut first);
        differs(store.stop().await, stop, "the stop", &mut first);
        differs(store.notes().await, notes, "the notes", &mut first);
        differs(store.collections().await, collections, "the collections", &mut first);
        differs(store.namespaces().await, &names, "the namespaces", &mut first);
        for (ns, digest) in digests {
            differs(store.digest(ns).await, digest, "a digest", &mut first);
            let expected = documents.iter().filter(|((of, _), _)| of == ns).map(|(_, document)| document.clone());
            differs(store.scan(ns, None, ALL).await, &expected.collect(), "the documents", &mut first);
        }
        first
    }
}

/// What was read must be what was written; an error is kept if it is the first.
fn differs<T: PartialEq>(read: Result<T, StoreError>, written: &T, what: &str, first: &mut Option<StoreError>) {
    match read {
        Ok(read) => assert!(read == *written, "{what} is read wrong"),
        Err(error) => drop(first.get_or_insert(error)),
    }
}

/// A folder for both nodes, in which the engine shows what it does with much data.
fn prepared(folder: &Path, name: &str) -> PathBuf {
    let folder = folder.join(name);
    for node in NODES {
        engine::prepare(&folder.join(node));
    }
    folder
}

/// Stores of different sizes and histories; each has been opened more than once, so that it has a snapshot.
pub(super) async fn all(folder: &Path) -> Vec<Intact> {
    const NEVER: u64 = u64::MAX;
    let workload =
        |writes, trim_every, reopen_every| Workload { writes, replicate_every: 10, trim_every, reopen_every };
    let mut all = Vec::new();
    for (name, workload) in [
        ("some writes", workload(10, NEVER, 5)),
        ("more writes", workload(120, NEVER, 50)),
        ("a trimmed log", workload(120, 30, 50)),
    ] {
        let folder = prepared(folder, name);
        Run::new(&folder, host(), unwatched(), &|_, _| ()).go(workload).await.unwrap();
        for node in NODES {
            all.push(Intact::read(name, folder.join(node)).await);
        }
    }
    all.push(left_behind("the folder of a killed process", &folder.join("killed"), worked).await);
    for (name, seed) in [("commands, copies and notes", 5), ("other commands, copies and notes", 8)] {
        all.push(Intact::read(name, scripted(&folder.join(name), seed).await).await);
    }
    all.push(left_behind("many collections and notes", &folder.join("records"), records).await);
    all.push(Intact::read("several segments", inserted(&prepared(folder, "segments"), 70, 9000).await).await);
    all.push(Intact::read("a large document", inserted(&prepared(folder, "large"), 1, 600_000).await).await);
    all
}

/// What a kill leaves of what `work` makes in a folder, whose store it returns: everything was synced, and
/// nothing was closed.
async fn left_behind<Held>(name: &'static str, folder: &Path, work: impl AsyncFnOnce(&Path) -> Held) -> Intact {
    let (live, left, read) = (prepared(folder, "live"), folder.join("left"), folder.join("read"));
    let store = work(&live).await;
    copy_at_rest(&live.join(NODES[0]), &left);
    drop(store);
    copy(&left, &read);
    Intact { folder: left, ..Intact::read(name, read).await }
}

/// A primary at work.
async fn worked(folder: &Path) -> Pair {
    let mut run = Run::new(folder, host(), unwatched(), &|_, _| ());
    run.go(Workload { writes: 60, replicate_every: 10, trim_every: 25, reopen_every: 35 }).await.unwrap();
    run.pair.unwrap()
}

/// Collections and notes in more than one of the engine's segments, which nothing else accounts for.
async fn records(folder: &Path) -> Store {
    let store = Store::open(folder.join(NODES[0]), "a", Options::default()).unwrap();
    lease(&store).await;
    let owner = owner_id(1);
    let note = |number: i32| Note { name: number.to_string(), document: Some(rawdoc! { "text": "x".repeat(1500) }) };
    for number in 0..10 {
        let notes: Vec<_> = (number * 50..number * 50 + 50).map(note).collect();
        store.put_notes(&notes, owner).await.unwrap();
        for collection in 0..10 {
            let options = rawdoc! { "validator": { "text": "x".repeat(1500) } };
            let options = CollectionOptions::new(&options).unwrap();
            let ns = namespace(&format!("c{number}{collection}"));
            store.run(&Action::Create { ns, options }, owner).await.unwrap();
        }
    }
    store
}

/// What calls of every kind leave, opened again now and then.
async fn scripted(folder: &Path, seed: u64) -> PathBuf {
    engine::prepare(folder);
    let mut script = Script::new(seed, 20);
    for _ in 0..4 {
        let store = Store::open(folder, "a", Options::default()).unwrap();
        lease(&store).await;
        for _ in 0..60 {
            let (call, expected) = script.next();
            assert_eq!(call.make(&store).await.map_err(|error| error.fault().clone()), expected);
        }
    }
    folder.to_owned()
}

/// Documents of one size: one that the engine keeps in a file of its own, or many that fill several of its segments.
async fn inserted(folder: &Path, documents: i32, bytes: usize) -> PathBuf {
    let mut run = Run::new(folder, ManualHost::hurried(3), unwatched(), &|_, _| ());
    run.open().await.unwrap();
    for id in 0..documents {
        let document = rawdoc! { "_id": id, "filler": "x".repeat(bytes) };
        let insert = Write::Insert { ns: namespace("items"), document };
        run.pair.as_ref().unwrap().primary.write(insert).await.unwrap();
        if id == documents / 2 {
            run.open().await.unwrap();
        }
    }
    folder.join(NODES[0])
}
