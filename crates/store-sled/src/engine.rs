//! [`Sled`]: one tree of sled, as the engine of a store.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    ops::Deref,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use oplogsync_store_embedded::{Changes, Engine, Failure, Limits, Range};

use crate::blobs::Blobs;

/// The engine's default of 1 GiB is too much for several nodes in one process.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// The engine takes nothing out of its cache until pages of one shard, of 256, were accessed 64 times, however large
/// they are, and a page has up to 16 records: of documents of some kilobytes it would hold a gigabyte. So each is accessed
/// once more for so many of its bytes. A page of more than 128 KiB is a file of its own, and counts as nothing: that
/// does not help it.
const BYTES_PER_ACCESS: usize = 512;
/// So many accesses of one page are looked at in any case.
const ACCESSES_MAX: usize = 64;
/// Of a batch sled keeps every page as it was before each of its records, until it has taken all: sixteen records or so
/// for each. Larger ones are no faster.
const BATCH_MAX: Limits = Limits { entries_max: 1000, bytes_max: 1024 * 1024 };
/// Rounds of freeing, of some 512 pieces each, before a writer goes on all the same: somebody is held up who may still
/// see a page, and there is nothing to be awaited.
const GARBAGE_ROUNDS_MAX: usize = 10_000;
/// The file of everything but large values.
const DB: &str = "db";
/// The file that tells how the other one is made.
const CONFIGURATION: &str = "conf";
/// The folder of large values.
const BLOBS: &str = "blobs";

/// One tree of sled.
#[derive(Debug)]
pub struct Sled {
    db: sled::Db,
    file: File,
    blobs: Blobs,
}

/// Bytes that sled has read.
#[derive(Debug)]
pub struct Bytes(sled::IVec);

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Engine for Sled {
    const NAME: &'static str = "sled";
    const KEY_BYTES_MAX: usize = usize::MAX;
    const BATCH_MAX: Limits = BATCH_MAX;

    type Bytes = Bytes;

    fn owns(name: &str) -> bool {
        matches!(name, CONFIGURATION | DB | BLOBS) || name.starts_with("snap.")
    }

    /// A half-written snapshot is taken for the newest (spacejam/sled issue 1533), and a half-written
    /// configuration for a damaged one. Neither holds data: a configuration is written before there
    /// is a database.
    fn leftovers(folder: &Path) -> io::Result<Vec<OsString>> {
        let mut names =
            fs::read_dir(folder)?.map(|item| item.map(|item| item.file_name())).collect::<io::Result<Vec<_>>>()?;
        let has_db = names.iter().any(|name| name == DB);
        names.retain(|name| {
            let name = name.to_string_lossy();
            let half_written = name.starts_with("snap.") && name.ends_with(".generating");
            half_written || (name == CONFIGURATION && !has_db)
        });
        Ok(names)
    }

    fn open(folder: &Path) -> Result<Self, Failure> {
        let config = sled::Config::new()
            .path(folder)
            .cache_capacity(CACHE_BYTES)
            // The engine's own thread hides its failures, and an end that it does not reach blocks the close.
            .flush_every_ms(None);
        let db = config.open().map_err(failure)?;
        let file = File::open(folder.join(DB)).map_err(Failure::Io)?;
        Ok(Self { db, file, blobs: Blobs::new(folder.join(BLOBS)) })
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Failure> {
        let Some(value) = self.db.get(key).map_err(failure)? else { return Ok(None) };
        access(&self.db, key, value.len())?;
        Ok(Some(Bytes(value)))
    }

    fn range(&self, keys: Range) -> impl Iterator<Item = Result<(Bytes, Bytes), Failure>> + use<> {
        let db = self.db.clone();
        self.db.range(keys).map(move |record| {
            let (key, value) = record.map_err(failure)?;
            access(&db, &key, value.len())?;
            Ok((Bytes(key), Bytes(value)))
        })
    }

    fn apply(&self, changes: Changes) -> Result<(), Failure> {
        let mut batch = sled::Batch::default();
        let mut large = Vec::new();
        for (key, value) in changes {
            match value {
                Some(value) => {
                    if value.len() >= BYTES_PER_ACCESS {
                        large.push((key.clone(), value.len()));
                    }
                    batch.insert(key, value);
                }
                None => batch.remove(key),
            }
        }
        self.db.apply_batch(batch).map_err(failure)?;
        free_garbage();
        large.iter().try_for_each(|(key, bytes)| access(&self.db, key, *bytes))
    }

    fn flush(&self) -> Result<(), Failure> {
        self.db.flush().map(drop).map_err(failure)
    }

    /// What the engine's own flush does is no `fsync`.
    fn sync(&self) -> Result<(), Failure> {
        self.blobs.sync().and_then(|()| self.file.sync_all()).map_err(Failure::Io)
    }

    fn sync_new(folder: &Path) -> io::Result<()> {
        File::open(folder.join(CONFIGURATION))?.sync_all()
    }
}

/// Accesses a record of so many bytes as often as these have to be.
fn access(db: &sled::Db, key: &[u8], bytes: usize) -> Result<(), Failure> {
    (0..(bytes / BYTES_PER_ACCESS).min(ACCESSES_MAX)).try_for_each(|_| db.get(key).map(drop)).map_err(failure)
}

/// Frees what the engine has put aside: each record of a batch replaces a page, and the old one is freed when nobody can
/// see it any more. The engine frees 512 pages for every 128 of its operations, and a batch is one operation: left to
/// itself it holds gigabytes. For benchmarks too.
#[doc(hidden)]
pub fn free_garbage() {
    let is_freed = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_freed);
    // What is put aside first is freed first, so that behind this nothing is left of before.
    sled::pin().defer(move || seen.store(true, Ordering::Relaxed));
    for _ in 0..GARBAGE_ROUNDS_MAX {
        sled::pin().flush();
        if is_freed.load(Ordering::Relaxed) {
            return;
        }
        thread::yield_now();
    }
}

fn failure(error: sled::Error) -> Failure {
    match error {
        // It could not get its own lock, which it reports as text only.
        sled::Error::Io(io) if io.to_string().starts_with("could not acquire lock") => Failure::InUse,
        sled::Error::Io(io) => Failure::Io(io),
        sled::Error::Unsupported(_) => Failure::Incompatible(error.into()),
        sled::Error::Corruption { .. } | sled::Error::ReportableBug(_) | sled::Error::CollectionNotFound(_) => {
            Failure::Corrupt(error.into())
        }
    }
}
