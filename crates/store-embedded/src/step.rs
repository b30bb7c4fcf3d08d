//! [`Step`]: what a crash or a failing disk can come between.

use std::{fmt, io, sync::Arc};

use crate::trouble::Trouble;

/// A step of the work on a folder, after which the store, or what is on the disk, is other than before.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// A file is removed that a kill in the middle of an earlier open has left.
    CleanUp,
    /// The engine opens its files and recovers what is in them.
    Open,
    /// The engine takes the format of a new store.
    Begin,
    /// The engine takes the present format of a store from a version before.
    Upgrade,
    /// The folder's own entries are synced, of a new store.
    SyncFolder,
    /// The engine takes a new log.
    CreateLog,
    /// The engine takes entries of the log.
    Append,
    /// The engine takes documents, collections, digests and the checkpoint: one batch.
    Apply,
    /// The engine takes the removal of some documents of a dropped collection.
    Sweep,
    /// The engine takes how far a replica has come.
    Acknowledge,
    /// The engine takes a new floor of the log.
    Floor,
    /// The engine takes the removal of entries at or below the floor.
    Truncate,
    /// The engine takes why a replica has stopped.
    Stop,
    /// The engine takes notes of an initial sync.
    Note,
    /// The engine takes that there are no collections and no checkpoint any more.
    Wipe,
    /// The engine takes what a command outside of any batch makes of the collections.
    Run,
    /// The engine takes copied documents and the note about them, or one document that is mended.
    Copy,
    /// The engine takes the checkpoint after a copy.
    BeginAt,
    /// The engine takes the beginning of a copy of another log.
    BeginCapture,
    /// The engine takes entries of another log, and up to where they go.
    Capture,
    /// The engine writes what it has taken to its file.
    Flush,
    /// The files are synced to the disk: what they hold may be acknowledged.
    Sync,
    /// It is remembered beside the engine how much was synced.
    Mark,
}

/// When a step is watched.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// Nothing is done yet: an error is a step that fails.
    Before,
    /// It is done: an error is a step that is done and fails all the same.
    After,
}

/// Is told of every step and may fail it: for tests that count steps, look at the files between
/// them, or break the disk.
#[doc(hidden)]
pub type Watch = Arc<dyn Fn(Step, Moment) -> io::Result<()> + Send + Sync>;

/// The steps of one store, watched.
#[derive(Clone)]
pub(crate) struct Steps(Watch);

impl Steps {
    pub(crate) fn new(watch: Watch) -> Self {
        Self(watch)
    }

    pub(crate) fn unwatched() -> Self {
        Self(Arc::new(|_, _| Ok(())))
    }

    /// Does a step; `failed` is what it means that the disk fails it.
    pub(crate) fn take<T>(
        &self,
        step: Step,
        failed: fn(io::Error) -> Trouble,
        work: impl FnOnce() -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        (self.0)(step, Moment::Before).map_err(failed)?;
        let done = work()?;
        (self.0)(step, Moment::After).map_err(failed)?;
        Ok(done)
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps").finish_non_exhaustive()
    }
}
