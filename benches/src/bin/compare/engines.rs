//! The embedded engines alone: the same operations in their own batches.

mod fjall;
#[cfg(feature = "lmdb")]
mod heed;
#[cfg(feature = "rocksdb")]
mod rocksdb;
mod sled;

use std::{path::Path, time::Instant};

use anyhow::Result;
use oplogsync_benches::RawBatch;

#[cfg(feature = "lmdb")]
pub(crate) use self::heed::Lmdb;
#[cfg(feature = "rocksdb")]
pub(crate) use self::rocksdb::RocksDb;
pub(crate) use self::{
    fjall::{Fjall, FjallSynced},
    sled::{Sled, SledSorted, SledSortedFlushed, SledSortedFreed},
};
use crate::{context::temporary_folder, rounds::Sample};

/// An engine that is given batches.
pub(crate) trait Engine: Sized {
    /// Opens a new database in an empty folder.
    fn open(folder: &Path) -> Result<Self>;

    /// Writes a batch as one, without waiting for the disk unless the engine's name says so.
    fn write(&self, batch: &RawBatch) -> Result<()>;
}

/// Writes all batches into a new database; opening and closing are not counted.
pub(crate) fn run<E: Engine>(batches: &[RawBatch]) -> Result<Sample> {
    let folder = temporary_folder()?;
    let engine = E::open(folder.path())?;
    let start = Instant::now();
    for batch in batches {
        engine.write(batch)?;
    }
    let took = start.elapsed();
    Ok(Sample { operations: batches.iter().map(|batch| batch.len() as u64).sum(), took })
}
