//! sled alone, opened as our store opens it.

use std::path::Path;

use anyhow::Result;
use oplogsync_benches::{RawBatch, RawOperation};
use oplogsync_store_sled::free_garbage;

use super::Engine;

/// As operations come.
pub(crate) struct Sled(sled::Db);

/// Sorted by key first.
pub(crate) struct SledSorted(sled::Db);

/// Sorted by key first, with sled's own flush after each batch, which is no fsync.
pub(crate) struct SledSortedFlushed(sled::Db);

/// Sorted by key first, with the pages freed, as our store frees them, that nobody sees any more: left to itself sled would need more than 20 GiB
/// for ten million operations.
pub(crate) struct SledSortedFreed(sled::Db);

impl Engine for Sled {
    fn open(folder: &Path) -> Result<Self> {
        open(folder).map(Self)
    }

    fn write(&self, batch: &RawBatch) -> Result<()> {
        Ok(self.0.apply_batch(to_sled(batch.iter()))?)
    }
}

impl Engine for SledSorted {
    fn open(folder: &Path) -> Result<Self> {
        open(folder).map(Self)
    }

    fn write(&self, batch: &RawBatch) -> Result<()> {
        write_sorted(&self.0, batch)
    }
}

impl Engine for SledSortedFlushed {
    fn open(folder: &Path) -> Result<Self> {
        open(folder).map(Self)
    }

    fn write(&self, batch: &RawBatch) -> Result<()> {
        write_sorted(&self.0, batch)?;
        self.0.flush()?;
        Ok(())
    }
}

impl Engine for SledSortedFreed {
    fn open(folder: &Path) -> Result<Self> {
        open(folder).map(Self)
    }

    fn write(&self, batch: &RawBatch) -> Result<()> {
        write_sorted(&self.0, batch)?;
        free_garbage();
        Ok(())
    }
}

/// The settings of our own store.
fn open(folder: &Path) -> Result<sled::Db> {
    let config = sled::Config::new().path(folder.join("sled")).cache_capacity(64 * 1024 * 1024).flush_every_ms(None);
    Ok(config.open()?)
}

fn write_sorted(db: &sled::Db, batch: &RawBatch) -> Result<()> {
    let mut sorted: Vec<&RawOperation> = batch.iter().collect();
    // Stable: the last operation on a key stays the last.
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(db.apply_batch(to_sled(sorted.into_iter()))?)
}

fn to_sled<'a>(operations: impl Iterator<Item = &'a RawOperation>) -> sled::Batch {
    let mut batch = sled::Batch::default();
    for (key, document) in operations {
        match document {
            Some(document) => batch.insert(key.as_slice(), document.as_slice()),
            None => batch.remove(key.as_slice()),
        }
    }
    batch
}
