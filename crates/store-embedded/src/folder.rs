//! [`Folder`]: the folder of a store, held by one process, and made safe to open.

use std::{
    collections::HashSet,
    ffi::{OsStr, OsString},
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use oplogsync_core::store_error::Fault;
use tempfile::TempDir;

use crate::{
    engine::Engine,
    mark::Mark,
    step::{Step, Steps},
    trouble::{Trouble, io_fault},
};

/// Marks the folder as ours, and is locked by the process that uses it.
const LOCK_FILE: &str = "oplogsync.lock";
/// Remembers how much was synced, outside of the engine.
const MARK_FILE: &str = "oplogsync.mark";
#[cfg(unix)]
const MODE: u32 = 0o700;
/// A folder that was closed a moment ago, also by a process just killed, can still be locked.
const LOCK_WAIT: Duration = Duration::from_secs(1);
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// A folder that this process alone uses.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Held for its lock.
    _lock: Option<File>,
    /// Held for its removal.
    _temporary: Option<TempDir>,
}

/// The folder holds something else.
#[derive(Debug, thiserror::Error)]
#[error("the folder holds `{name}`, which is not oplogsync's (on {engine}): give the node a folder of its own")]
struct Foreign {
    name: String,
    engine: &'static str,
}

/// The folder is locked.
#[derive(Debug, thiserror::Error)]
#[error("another oplogsync is using this folder: stop it, or give this node a folder of its own")]
struct InUse;

impl Folder {
    /// Takes the folder at `path`, creates it if there is none, and removes what a kill in the
    /// middle of an earlier open has left.
    pub(crate) fn take<E: Engine>(path: &Path, steps: &Steps) -> Result<Self, Trouble> {
        let existed = path.exists();
        create(path)?;
        refuse_foreign::<E>(path)?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path.join(LOCK_FILE));
        let lock = file.map_err(unavailable)?;
        with_patience(|| match lock.try_lock() {
            Ok(()) => Ok(Some(())),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(unavailable(error)),
        })?;
        remove_leftovers::<E>(path, steps)?;
        let folder = Self { path: path.to_owned(), _lock: Some(lock), _temporary: None };
        if !existed && let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_path(parent).map_err(Trouble::syncing)?;
        }
        Ok(folder)
    }

    /// A new folder that is removed in the end.
    pub(crate) fn temporary() -> Result<Self, Trouble> {
        let folder = tempfile::Builder::new().prefix("oplogsync-memory-").tempdir().map_err(unavailable)?;
        restrict(folder.path()).map_err(unavailable)?;
        Ok(Self { path: folder.path().to_owned(), _lock: None, _temporary: Some(folder) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Remembers beside the engine how much was synced.
    pub(crate) fn mark(&self) -> Result<Mark, Trouble> {
        Mark::open(&self.path.join(MARK_FILE)).map_err(unavailable)
    }

    /// Makes the folder's own entries durable, once the engine has created its files.
    pub(crate) fn sync_entries<E: Engine>(&self) -> io::Result<()> {
        E::sync_new(&self.path)?;
        sync_path(&self.path)
    }
}

/// Tries until `attempt` gets what somebody else still holds, for about a second.
pub(crate) fn with_patience<T>(mut attempt: impl FnMut() -> Result<Option<T>, Trouble>) -> Result<T, Trouble> {
    let begun = Instant::now();
    loop {
        if let Some(got) = attempt()? {
            return Ok(got);
        }
        if begun.elapsed() > LOCK_WAIT {
            break;
        }
        thread::sleep(LOCK_PAUSE);
    }
    Err(Trouble::new(Fault::Busy { holder: "another oplogsync".to_owned() }).because(InUse))
}

fn create(path: &Path) -> Result<(), Trouble> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, MODE);
    builder.create(path).map_err(unavailable)?;
    if names(path).map_err(unavailable)?.is_empty() {
        restrict(path).map_err(unavailable)?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn restrict(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn restrict(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(MODE))
}

/// Refuses, before anything is written, a folder with files that are neither ours nor the engine's, and
/// a database that somebody else has made with it.
fn refuse_foreign<E: Engine>(path: &Path) -> Result<(), Trouble> {
    let names = names(path).map_err(unavailable)?;
    let marked = names.contains(OsStr::new(LOCK_FILE));
    let foreign = names.iter().map(|name| name.to_string_lossy()).find(|name| {
        let known = matches!(&**name, LOCK_FILE | MARK_FILE) || E::owns(name);
        !known || !marked
    });
    match foreign {
        Some(name) => {
            let foreign = Foreign { name: name.into_owned(), engine: E::NAME };
            Err(Trouble::new(Fault::Incompatible).because(foreign))
        }
        None => Ok(()),
    }
}

/// Removes what a kill leaves in the middle of an open and what the next open would choke on. To be called under
/// our lock only.
fn remove_leftovers<E: Engine>(path: &Path, steps: &Steps) -> Result<(), Trouble> {
    for name in E::leftovers(path).map_err(unavailable)? {
        let remove = || fs::remove_file(path.join(&name)).map_err(unavailable);
        steps.take(Step::CleanUp, unavailable, remove)?;
    }
    Ok(())
}

fn names(path: &Path) -> io::Result<HashSet<OsString>> {
    fs::read_dir(path)?.map(|item| item.map(|item| item.file_name())).collect()
}

fn sync_path(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The folder cannot be used, and nothing has happened.
pub(crate) fn unavailable(error: io::Error) -> Trouble {
    Trouble::new(io_fault(&error, Fault::Unavailable)).because(error)
}
