//! sled, as the tests of the embedded store meet it.

use std::{fs, path::Path, thread, time::Duration};

pub(crate) use oplogsync_store_sled::{Durability, Moment, Options, SledStore as Store, Step, Watch};

use crate::suite::raw::Records;

/// The long tests are made shorter by this factor.
pub(crate) const SHARE: usize = 1;
/// Where a panic of the engine comes from.
pub(crate) const SOURCES: &[&str] = &["/sled-0.34"];
/// The kinds of its files.
pub(crate) const FILES: &[&str] = &["db", "snapshot", "conf", "mark", "lock", "blob"];
/// Whether it needs a file of many MiB before anything is in it.
pub(crate) const TAKES_SPACE_AHEAD: bool = false;
/// The longest `_id` that it takes.
pub(crate) const ID_BYTES_MAX: Option<usize> = None;

/// How large the documents of a backlog are that is replicated in little memory, and how many MiB it has at most: the
/// engine remembers something of each page, which is much where documents are small; and a page of documents of more
/// than 8 KiB is larger than its cache counts.
pub(crate) const BACKLOGS: &[(usize, usize)] = &[(200, 128), (4 * 1024, usize::MAX)];

/// Makes the folder of a store ready to show what the engine does with much data.
pub(crate) fn prepare(_: &Path) {}

/// Leaves in the folder of a store what a kill in the middle of an open leaves: a half-written snapshot of what there
/// was, if it was ever open.
pub(crate) fn leave_behind(folder: &Path, was_open: bool) {
    if was_open {
        fs::write(folder.join("snap.00000000FFFFFFFF.generating"), [0x5A; 40]).unwrap();
    }
}

/// Which kind a file is.
pub(crate) fn kind_of(path: &Path) -> &'static str {
    match path.file_name().unwrap().to_str().unwrap() {
        "db" => "db",
        "conf" => "conf",
        "oplogsync.mark" => "mark",
        "oplogsync.lock" => "lock",
        name if name.starts_with("snap.") => "snapshot",
        name => {
            assert!(path.parent().unwrap().ends_with("blobs"), "{name} is a file of an unknown kind");
            "blob"
        }
    }
}

/// Whether most of the data is in files of this kind.
pub(crate) fn is_data(kind: &str) -> bool {
    kind == "db"
}

/// The engine, opened without the store.
pub(crate) struct Raw(sled::Db);

/// Opens the database of a store that was closed.
pub(crate) fn open(folder: &Path) -> Raw {
    for _ in 0..100 {
        if let Ok(db) = sled::open(folder) {
            return Raw(db);
        }
        // The engine lets go of its lock a moment after it was closed, and tells nobody.
        thread::sleep(Duration::from_millis(20));
    }
    panic!("the database in {} does not open", folder.display());
}

impl Raw {
    pub(crate) fn records(&self) -> Records {
        self.0.iter().map(Result::unwrap).map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
    }

    pub(crate) fn insert(&self, key: &[u8], value: &[u8]) {
        drop(self.0.insert(key, value).unwrap());
    }

    pub(crate) fn remove(&self, key: &[u8]) {
        assert!(self.0.remove(key).unwrap().is_some());
    }

    pub(crate) fn flush(&self) {
        self.0.flush().unwrap();
    }
}
