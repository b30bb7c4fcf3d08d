//! Calls of every kind do to a store what they do to the reference store: when nothing happens to it, when it
//! is opened again and again, after a crash or a failure of the disk at any step, and when it is killed.

mod crash;
mod disk;
mod kill;
mod known;

use std::{collections::BTreeMap, env, path::Path};

use oplogsync_core::store_error::Fault;

use crate::{
    engine::{Durability, Options, Store},
    suite::{
        raw,
        script::{Call, Script, State, lease, state},
    },
};

const SEED: &str = "OPLOGSYNC_SEED";
const UNSYNCED: Options = Options { durability: Durability::None };
/// More than are deleted in one step.
const LARGE: i32 = 2200;

/// Opens a store and makes it ours.
async fn open(folder: &Path, options: Options) -> Store {
    let store = Store::open(folder, "a", options).unwrap();
    lease(&store).await;
    store
}

/// Nothing is left of what was dropped, and no record that nothing needs.
fn assert_swept(folder: &Path, state: &State) {
    let records = raw::read(folder);
    let count = |tag: u8| records.keys().filter(|key| key[0] == tag).count();
    let documents = state.documents.len();
    assert_eq!((count(0x30), count(0x31), count(0x26)), (0, documents, 0), "documents, dropped places");
    assert_eq!((count(0x22), count(0x25)), (state.digests.len(), state.digests.len()), "digests, places");
    assert_eq!((count(0x24), count(0x28)), (state.collections.len(), state.notes.len()), "collections, notes");
}

#[tokio::test]
async fn a_store_does_what_the_reference_store_does() {
    const CALLS: usize = 250;
    let first: u64 = env::var(SEED).map_or(0, |text| text.parse().unwrap());
    let mut kinds = BTreeMap::<String, usize>::new();
    for seed in first..first + 5 {
        eprintln!("again: {SEED}={seed}");
        let folder = tempfile::tempdir().unwrap();
        let mut script = Script::new(seed, LARGE);
        let mut store = open(folder.path(), UNSYNCED).await;
        for number in 0..CALLS {
            let (call, expected) = script.next();
            let answer = call.make(&store).await.map_err(|error| error.fault().clone());
            assert_eq!(answer, expected, "call {number}: {call:?}");
            assert!(state(&store).await == script.state(), "after call {number}: {call:?}");
            *kinds.entry(kind(&call, &answer)).or_default() += 1;
            if number % 50 == 49 {
                drop(store);
                store = open(folder.path(), UNSYNCED).await;
                assert!(state(&store).await == script.state(), "opened again after call {number}");
            }
        }
        drop(store);
        assert_swept(folder.path(), &script.state());
    }
    eprintln!("{kinds:#?}");
    let missing: Vec<_> = ALL_KINDS.iter().filter(|kind| !kinds.contains_key(**kind)).collect();
    assert!(missing.is_empty(), "{missing:?} never came");
}

const ALL_KINDS: [&str; 12] = [
    "Apply",
    "SetStop",
    "PutNotes",
    "Wipe",
    "Run",
    "Copy",
    "BeginAt",
    "BeginCapture",
    "Capture",
    "Trim",
    "Apply fails",
    "Copy fails",
];

fn kind(call: &Call, answer: &Result<(), Fault>) -> String {
    let text = format!("{call:?}");
    let name = text.split(['(', ' ']).next().unwrap();
    if answer.is_ok() { name.to_owned() } else { format!("{name} fails") }
}
