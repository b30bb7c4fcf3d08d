//! `RocksDB` alone, as it opens by default.

use std::path::Path;

use anyhow::Result;
use oplogsync_benches::RawBatch;
use rocksdb::{DB, WriteBatch};

use super::Engine;

/// Its log is written and not synced.
pub(crate) struct RocksDb(DB);

impl Engine for RocksDb {
    fn open(folder: &Path) -> Result<Self> {
        Ok(Self(DB::open_default(folder.join("rocksdb"))?))
    }

    fn write(&self, batch: &RawBatch) -> Result<()> {
        let mut write = WriteBatch::default();
        for (key, document) in batch {
            match document {
                Some(document) => write.put(key, document),
                None => write.delete(key),
            }
        }
        Ok(self.0.write(write)?)
    }
}
