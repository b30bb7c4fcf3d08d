//! The records of a store that was closed: what somebody else, or a fault, does to a folder.

use std::{collections::BTreeMap, path::Path};

use crate::engine;

/// The keys of single records; see the module `key` of the store.
pub(crate) const FORMAT_KEY: &[u8] = &[0x00];
pub(crate) const LOG_KEY: &[u8] = &[0x10];
pub(crate) const CAPTURED_KEY: &[u8] = &[0x14];
pub(crate) const CHECKPOINT_KEY: &[u8] = &[0x20];
pub(crate) const COMMITS_KEY: &[u8] = &[0x01];
pub(crate) const STOP_KEY: &[u8] = &[0x21];

/// All records, by their keys.
pub(crate) type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// Reads all records.
pub(crate) fn read(folder: &Path) -> Records {
    engine::open(folder).records()
}

/// The keys of the records under a prefix, of which there must be some.
pub(crate) fn keys(records: &Records, prefix: &[u8]) -> Vec<Vec<u8>> {
    let keys: Vec<_> = records.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
    assert!(!keys.is_empty(), "there is nothing under {prefix:?}");
    keys
}

/// Changes the records.
pub(crate) fn change(folder: &Path, change: impl FnOnce(&mut Records)) {
    let engine = engine::open(folder);
    let before = engine.records();
    let mut after = before.clone();
    change(&mut after);
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        engine.remove(key);
    }
    for (key, value) in after.iter().filter(|(key, value)| before.get(*key) != Some(value)) {
        engine.insert(key, value);
    }
    engine.flush();
}
