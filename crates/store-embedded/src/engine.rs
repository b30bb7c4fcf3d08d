//! [`Engine`]: what an embedded store asks of a key-value engine.

use std::{error::Error, ffi::OsString, fmt, io, ops::Deref, path::Path};

use oplogsync_core::limits::Limits;

use crate::{changes::Changes, place::Range};

type Cause = Box<dyn Error + Send + Sync>;

/// An ordered key-value engine in a folder of its own.
///
/// It is called without async, by many threads at once: by any number that read, by one that applies changes, and
/// by one that flushes and syncs. It may panic: every call is contained, and nothing is asked of it afterwards.
///
/// ### To ensure correctness
/// - Changes are applied as one, also after a kill or a loss of power: all of them are there or none.
/// - What is lost is the newest: changes that are found at an open stand on all those that were applied before.
/// - A read that begins after changes were applied sees them.
/// - After a failure to write it may refuse everything, but does not tell later that a flush or a sync has succeeded.
/// - Dropping it ends its threads and frees its files.
pub trait Engine: fmt::Debug + Send + Sync + Sized + 'static {
    /// Its name, for messages.
    const NAME: &'static str;
    /// The longest key that it takes. The keys of documents are the only ones that can be long.
    const KEY_BYTES_MAX: usize;
    /// How much a batch should have at most, for what it takes to apply one: see
    /// [`Documents::batch_max`](oplogsync_core::documents::Documents::batch_max).
    const BATCH_MAX: Limits = Limits::NONE;

    /// Bytes that were read.
    type Bytes: Deref<Target = [u8]>;

    /// Whether it may have made a file with this name in its folder.
    fn owns(name: &str) -> bool;

    /// Which of its files hold nothing and would prevent an open: what a kill in the middle of an earlier one has
    /// left. They are removed before the open.
    ///
    /// # Errors
    /// When the folder cannot be read.
    fn leftovers(folder: &Path) -> io::Result<Vec<OsString>>;

    /// Opens what is in the folder, which holds at most files that it [owns](Self::owns) and two of ours, and
    /// creates what is not there.
    ///
    /// # Errors
    /// [`Failure::InUse`] when somebody else still holds its own lock: it is tried again for a while.
    fn open(folder: &Path) -> Result<Self, Failure>;

    /// The value at a key.
    ///
    /// # Errors
    /// When it cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Self::Bytes>, Failure>;

    /// The records of a range in the ascending order of their keys, each with its key.
    fn range(&self, keys: Range) -> impl Iterator<Item = Result<(Self::Bytes, Self::Bytes), Failure>> + use<Self>;

    /// Takes changes, as one. They need not be durable when it returns.
    ///
    /// # Errors
    /// When it cannot be told whether it has taken them.
    fn apply(&self, changes: Changes) -> Result<(), Failure>;

    /// Writes what it has taken to its files.
    ///
    /// # Errors
    /// When the file system fails, or has failed.
    fn flush(&self) -> Result<(), Failure>;

    /// Syncs its files, so that all that was flushed survives a loss of power.
    ///
    /// # Errors
    /// As for [`Engine::flush`].
    fn sync(&self) -> Result<(), Failure>;

    /// Syncs the files that only a first open writes. The folder itself is synced after it.
    ///
    /// # Errors
    /// When the file system fails.
    fn sync_new(folder: &Path) -> io::Result<()>;
}

/// Why an engine has failed.
#[derive(Debug)]
pub enum Failure {
    /// The file system has failed.
    Io(io::Error),
    /// Its files are damaged, or it is at fault itself.
    Corrupt(Cause),
    /// Its files are of a version that it does not read.
    Incompatible(Cause),
    /// Somebody else has opened it.
    InUse,
    /// It has failed before, perhaps in a thread of its own, and refuses to go on.
    Poisoned(Cause),
}
