//! The engine underneath, opened without the store: what somebody else, or a fault, does to a folder.

use std::{path::Path, thread, time::Duration};

/// The keys of single records; see the module `key` of the crate.
pub(crate) const FORMAT_KEY: &[u8] = &[0x00];
pub(crate) const LOG_KEY: &[u8] = &[0x10];
pub(crate) const CAPTURED_KEY: &[u8] = &[0x14];
pub(crate) const CHECKPOINT_KEY: &[u8] = &[0x20];
pub(crate) const COMMITS_KEY: &[u8] = &[0x01];
pub(crate) const STOP_KEY: &[u8] = &[0x21];

/// Opens the database of a store that was closed.
pub(crate) fn open(folder: &Path) -> sled::Db {
    for _ in 0..100 {
        if let Ok(db) = sled::open(folder) {
            return db;
        }
        // The engine lets go of its lock a moment after it was closed, and tells nobody.
        thread::sleep(Duration::from_millis(20));
    }
    panic!("the database in {} does not open", folder.display());
}

/// Changes the database of a store that was closed, and closes it again.
pub(crate) fn change(folder: &Path, change: impl FnOnce(&sled::Db)) {
    let db = open(folder);
    change(&db);
    db.flush().unwrap();
}
