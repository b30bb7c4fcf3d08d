//! [`Fjall`]: one keyspace of fjall, as the engine of a store.

use std::{
    ffi::OsString,
    fmt,
    fs::File,
    io,
    ops::Deref,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use fjall::{AbstractTree, Database, KeyspaceCreateOptions, LsmError, PersistMode, Slice};
use oplogsync_store_embedded::{Changes, Engine, Failure, Range};

use crate::leftovers::{JOURNAL_EXTENSION, KEYSPACES, LOCK, VERSION, leftovers};

/// The keyspace that holds everything.
const KEYSPACE: &str = "oplogsync";
/// What was read is kept in so much memory.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;
/// What was written stays in memory up to here, and is written to a table then. Several of those can wait.
const MEMTABLE_BYTES: u64 = 16 * 1024 * 1024;
/// The least that the engine permits. What is in journals only is in memory too, also after an open.
const JOURNALS_BYTES: u64 = 64 * 1024 * 1024;
/// One thread writes tables and merges them: of two, one would do nothing but wait for the other, in a loop.
const WORKERS: usize = 1;
/// So many may wait to be written, or to be merged, before a writer waits. The engine's own limits are just above,
/// where a writer waits for ever if its threads have failed.
const WAITING_MEMTABLES_MAX: usize = 1;
const WAITING_TABLES_MAX: usize = 16;
const PAUSE: Duration = Duration::from_millis(1);
/// Longer than any merge that frees tables: behind it the engine's own limit holds.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the engine tells of a failure of its threads, and no more.
const POISONED: &str = "the engine has failed to write a table, or to write at all: the disk may be full";

/// One keyspace of fjall.
// The keyspace goes before the database, which waits for its threads.
pub struct Fjall {
    keyspace: fjall::Keyspace,
    db: Database,
}

/// Bytes that fjall has read.
#[derive(Debug)]
pub struct Bytes(Slice);

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Fjall {
    /// Sees to it that little is in memory only. Waits for the engine's threads, for a while; an error if they have
    /// failed.
    fn make_room(&self) -> Result<(), Failure> {
        // The engine leaves this to its thread, which does not come to it while it merges tables: until then it would
        // take all that is written into memory.
        if self.keyspace.tree.active_memtable().size() > MEMTABLE_BYTES
            && self.keyspace.sealed_memtable_count() <= WAITING_MEMTABLES_MAX
        {
            self.keyspace.rotate_memtable().map_err(failure)?;
        }
        let until = Instant::now() + PATIENCE;
        while (self.keyspace.sealed_memtable_count() > WAITING_MEMTABLES_MAX
            || self.keyspace.l0_table_count() > WAITING_TABLES_MAX)
            && Instant::now() < until
        {
            self.flush()?;
            thread::sleep(PAUSE);
        }
        Ok(())
    }
}

impl Engine for Fjall {
    const NAME: &'static str = "fjall";
    const KEY_BYTES_MAX: usize = u16::MAX as usize;

    type Bytes = Bytes;

    fn owns(name: &str) -> bool {
        matches!(name, LOCK | VERSION | KEYSPACES) || name.ends_with(JOURNAL_EXTENSION)
    }

    fn leftovers(folder: &Path) -> io::Result<Vec<OsString>> {
        leftovers(folder)
    }

    fn open(folder: &Path) -> Result<Self, Failure> {
        let database = Database::builder(folder)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNALS_BYTES)
            .worker_threads(WORKERS);
        let db = database.open().map_err(failure)?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        let keyspace = db.keyspace(KEYSPACE, options).map_err(failure)?;
        Ok(Self { keyspace, db })
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Failure> {
        Ok(self.keyspace.get(key).map_err(failure)?.map(Bytes))
    }

    fn range(&self, keys: Range) -> impl Iterator<Item = Result<(Bytes, Bytes), Failure>> + use<> {
        self.keyspace.range(keys).map(|record| {
            let (key, value) = record.into_inner().map_err(failure)?;
            Ok((Bytes(key), Bytes(value)))
        })
    }

    /// They are handed to the kernel, so that a kill takes nothing away.
    fn apply(&self, changes: Changes) -> Result<(), Failure> {
        self.make_room()?;
        let mut batch = self.db.batch();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(&self.keyspace, key, value),
                None => batch.remove(&self.keyspace, key),
            }
        }
        batch.commit().map_err(failure)
    }

    /// Fails too when one of the engine's threads has failed.
    fn flush(&self) -> Result<(), Failure> {
        self.db.persist(PersistMode::Buffer).map_err(failure)
    }

    fn sync(&self) -> Result<(), Failure> {
        self.db.persist(PersistMode::SyncAll).map_err(failure)
    }

    /// The engine has synced the others itself.
    fn sync_new(folder: &Path) -> io::Result<()> {
        File::open(folder.join(KEYSPACES))?.sync_all()
    }
}

impl Drop for Fjall {
    fn drop(&mut self) {
        // One of the engine's threads can let go of the journal last, some time after this. Nothing is to be left
        // then that it would write: the journal may be that of a later open. What fails here was told before.
        let _ = self.flush();
    }
}

impl fmt::Debug for Fjall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fjall").finish_non_exhaustive()
    }
}

fn failure(error: fjall::Error) -> Failure {
    use fjall::Error;
    match error {
        Error::Io(error) | Error::Storage(LsmError::Io(error)) => of_io(error),
        Error::Locked => Failure::InUse,
        Error::Poisoned => Failure::Poisoned(POISONED.into()),
        // Some files tell of their version, and all of them at their beginning, where damage can be too.
        Error::InvalidVersion(Some(_)) => Failure::Incompatible(error.into()),
        // Everything else is content that was not written so.
        _ => Failure::Corrupt(error.into()),
    }
}

fn of_io(error: io::Error) -> Failure {
    match error.kind() {
        // The engine misses a file that it has written, finds one where it has made none, or cannot read a number in it.
        io::ErrorKind::NotFound
        | io::ErrorKind::AlreadyExists
        | io::ErrorKind::InvalidData
        | io::ErrorKind::InvalidInput => Failure::Corrupt(error.into()),
        _ => Failure::Io(error),
    }
}
