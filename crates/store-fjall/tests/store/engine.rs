//! fjall, as the tests of the embedded store meet it.

use std::{fs, path::Path};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
pub(crate) use oplogsync_store_fjall::{Durability, FjallStore as Store, Moment, Options, Step, Watch};

use crate::suite::raw::Records;

/// The long tests are made shorter by this factor: opening takes its time, for some files are synced.
pub(crate) const SHARE: usize = 3;
/// Where a panic of the engine comes from.
pub(crate) const SOURCES: &[&str] = &["/fjall-3", "/lsm-tree-3", "/sfa-1", "/byteview-0", "/crossbeam-skiplist-0"];
/// The kinds of its files.
pub(crate) const FILES: &[&str] = &["journal", "table", "manifest", "version", "mark", "lock"];
/// Whether it needs a file of many MiB before anything is in it: a journal has its whole length when it is begun.
pub(crate) const TAKES_SPACE_AHEAD: bool = true;
/// The longest `_id` that it takes: a key has a length of two bytes, and nine stand before the `_id`.
pub(crate) const ID_BYTES_MAX: Option<usize> = Some(u16::MAX as usize - 9);
/// How large the documents of a backlog are that is replicated in little memory, and how many MiB it has at most.
pub(crate) const BACKLOGS: &[(usize, usize)] = &[(200, 256), (4 * 1024, usize::MAX), (100 * 1024, usize::MAX)];

/// A table for every few batches, so that tables are written and merged all the time.
const MEMTABLE_BYTES: u64 = 16 * 1024;

/// Makes the folder of a store ready to show what the engine does with much data. The engine remembers how its
/// keyspace was made.
pub(crate) fn prepare(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("oplogsync.lock"), "").unwrap();
    drop(opened(folder, KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES)));
}

/// Leaves in the folder of a store what a kill in the middle of an open leaves: a first journal, and nothing that
/// would say that there is a database.
pub(crate) fn leave_behind(folder: &Path, was_open: bool) {
    if !was_open && !folder.join("version").exists() {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("oplogsync.lock"), "").unwrap();
        fs::write(folder.join("0.jnl"), [0; 40]).unwrap();
    }
}

/// Which kind a file is.
pub(crate) fn kind_of(path: &Path) -> &'static str {
    let in_tables = path.parent().unwrap().ends_with("tables");
    match path.file_name().unwrap().to_str().unwrap() {
        "oplogsync.mark" => "mark",
        "oplogsync.lock" | "lock" => "lock",
        "version" => "version",
        name if name.strip_suffix(".jnl").is_some() => "journal",
        _ if in_tables => "table",
        name => {
            assert!(name == "current" || name.starts_with('v'), "{name} is a file of an unknown kind");
            "manifest"
        }
    }
}

/// Whether most of the data is in files of this kind.
pub(crate) fn is_data(kind: &str) -> bool {
    matches!(kind, "journal" | "table")
}

/// The engine, opened without the store.
pub(crate) struct Raw {
    keyspace: Keyspace,
    db: Database,
}

/// Opens the database of a store that was closed.
pub(crate) fn open(folder: &Path) -> Raw {
    opened(folder, KeyspaceCreateOptions::default())
}

fn opened(folder: &Path, options: KeyspaceCreateOptions) -> Raw {
    let db = Database::builder(folder).worker_threads(1).open().unwrap();
    let keyspace = db.keyspace("oplogsync", || options).unwrap();
    Raw { keyspace, db }
}

impl Raw {
    pub(crate) fn records(&self) -> Records {
        let records = self.keyspace.iter().map(|record| record.into_inner().unwrap());
        records.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
    }

    pub(crate) fn insert(&self, key: &[u8], value: &[u8]) {
        self.keyspace.insert(key, value).unwrap();
    }

    pub(crate) fn remove(&self, key: &[u8]) {
        assert!(self.keyspace.contains_key(key).unwrap());
        self.keyspace.remove(key).unwrap();
    }

    pub(crate) fn flush(&self) {
        self.db.persist(PersistMode::SyncAll).unwrap();
    }
}
