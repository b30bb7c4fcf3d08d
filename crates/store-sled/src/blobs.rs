//! [`Blobs`]: large values, which are files of their own.

use std::{
    collections::HashSet,
    ffi::OsString,
    fs::{self, File},
    io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// The folder of large values, which the engine writes and never syncs.
#[derive(Debug)]
pub(crate) struct Blobs {
    folder: PathBuf,
    synced: Mutex<HashSet<OsString>>,
}

impl Blobs {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, synced: Mutex::default() }
    }

    /// Syncs those that are new since the last time; a written one never changes.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let names = fs::read_dir(&self.folder)?.map(|item| item.map(|item| item.file_name()));
        let present = names.collect::<io::Result<HashSet<_>>>()?;
        let mut any = false;
        for name in present.difference(&synced) {
            match File::open(self.folder.join(name)) {
                Ok(blob) => blob.sync_all()?,
                // It was superseded since the folder was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            any = true;
        }
        if any {
            File::open(&self.folder)?.sync_all()?;
        }
        *synced = present;
        Ok(())
    }
}
