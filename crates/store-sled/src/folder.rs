//! [`Folder`]: the folder of a store, held by one process, and made safe to open.

use std::{
    collections::HashSet,
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use oplogsync_core::store_error::Fault;
use tempfile::TempDir;

use crate::{
    group_commit::Ticket,
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
const LOCK_TRIES: u32 = 40;
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
#[error("the folder holds `{name}`, which is not oplogsync's: give the node a folder of its own")]
struct Foreign {
    name: String,
}

/// The folder is locked.
#[derive(Debug, thiserror::Error)]
#[error("another oplogsync is using this folder: stop it, or give this node a folder of its own")]
struct InUse;

impl Folder {
    /// Takes the folder at `path`, creates it if there is none, and removes what a kill in the
    /// middle of an earlier open has left.
    pub(crate) fn take(path: &Path, steps: &Steps) -> Result<Self, Trouble> {
        let existed = path.exists();
        create(path)?;
        refuse_foreign(path)?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path.join(LOCK_FILE));
        let lock = file.map_err(unavailable)?;
        with_patience(|| match lock.try_lock() {
            Ok(()) => Ok(Some(())),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(unavailable(error)),
        })?;
        remove_leftovers(path, steps)?;
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

    /// The files of the engine, once it has opened them.
    pub(crate) fn files(&self) -> Result<Files, Trouble> {
        let db = File::open(self.path.join("db")).map_err(unavailable)?;
        let mark = Mark::open(&self.path.join(MARK_FILE)).map_err(unavailable)?;
        Ok(Files { db, mark, blobs: self.path.join("blobs"), synced_blobs: Mutex::default() })
    }

    /// Makes the folder's own entries durable, once the engine has created its files.
    pub(crate) fn sync_entries(&self) -> io::Result<()> {
        File::open(self.path.join("conf"))?.sync_all()?;
        sync_path(&self.path)
    }
}

/// The engine's files, as far as acknowledged data is in them.
#[derive(Debug)]
pub(crate) struct Files {
    db: File,
    mark: Mark,
    /// Large values are files of their own, which the engine writes and never syncs.
    blobs: PathBuf,
    synced_blobs: Mutex<HashSet<OsString>>,
}

impl Files {
    /// Syncs them. What the engine's own flush does is no `fsync`.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.sync_blobs()?;
        self.db.sync_all()
    }

    /// Remembers up to which write they are synced.
    pub(crate) fn set_mark(&self, synced: Ticket) -> io::Result<()> {
        self.mark.set(synced)
    }

    /// Up to which write they were synced, as far as it is remembered.
    pub(crate) fn mark(&self) -> Result<Ticket, Trouble> {
        self.mark.get()
    }

    /// Syncs the large values that are new since the last time; a written one never changes.
    fn sync_blobs(&self) -> io::Result<()> {
        let mut synced = self.synced_blobs.lock().unwrap_or_else(PoisonError::into_inner);
        let present = names(&self.blobs)?;
        let mut any = false;
        for name in present.difference(&synced) {
            match File::open(self.blobs.join(name)) {
                Ok(blob) => blob.sync_all()?,
                // It was superseded since the folder was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            any = true;
        }
        if any {
            sync_path(&self.blobs)?;
        }
        *synced = present;
        Ok(())
    }
}

/// Tries until `attempt` gets what somebody else still holds, for about a second.
pub(crate) fn with_patience<T>(mut attempt: impl FnMut() -> Result<Option<T>, Trouble>) -> Result<T, Trouble> {
    for tried in 0..LOCK_TRIES {
        if tried > 0 {
            thread::sleep(LOCK_PAUSE);
        }
        if let Some(got) = attempt()? {
            return Ok(got);
        }
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

/// Refuses, before anything is written, a folder with files that are neither ours nor sled's, and
/// a sled database that somebody else has made.
fn refuse_foreign(path: &Path) -> Result<(), Trouble> {
    let names = names(path).map_err(unavailable)?;
    let marked = names.contains(LOCK_FILE.as_ref() as &std::ffi::OsStr);
    let foreign = names.iter().map(|name| name.to_string_lossy()).find(|name| {
        let known = matches!(&**name, LOCK_FILE | MARK_FILE | "conf" | "db" | "blobs") || name.starts_with("snap.");
        !known || !marked
    });
    match foreign {
        Some(name) => Err(Trouble::new(Fault::Incompatible).because(Foreign { name: name.into_owned() })),
        None => Ok(()),
    }
}

/// Removes what a kill leaves in the middle of an open and what the next open would choke on:
/// a half-written snapshot is taken for the newest (spacejam/sled issue 1533), and a half-written
/// configuration for a damaged one. Neither holds data: a configuration is written before there
/// is a database. To be called under our lock only.
fn remove_leftovers(path: &Path, steps: &Steps) -> Result<(), Trouble> {
    let names = names(path).map_err(unavailable)?;
    let has = |name: &str| names.iter().any(|present| present == name);
    for name in &names {
        let text = name.to_string_lossy();
        let half_written = text.starts_with("snap.") && text.ends_with(".generating");
        if half_written || (text == "conf" && !has("db")) {
            let remove = || fs::remove_file(path.join(name)).map_err(unavailable);
            steps.take(Step::CleanUp, unavailable, remove)?;
        }
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
