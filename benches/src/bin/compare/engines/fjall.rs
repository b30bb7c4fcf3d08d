//! fjall alone, as it opens by default.

use std::path::Path;

use anyhow::Result;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use oplogsync_benches::RawBatch;

use super::Engine;

/// As operations come: fjall sorts in memory anyway.
pub(crate) struct Fjall {
    database: Database,
    keyspace: Keyspace,
}

impl Engine for Fjall {
    fn open(folder: &Path) -> Result<Self> {
        let database = Database::builder(folder.join("fjall")).open()?;
        let keyspace = database.keyspace("documents", KeyspaceCreateOptions::default)?;
        Ok(Self { database, keyspace })
    }

    fn write(&self, batch: &RawBatch) -> Result<()> {
        let mut write = self.database.batch();
        for (key, document) in batch {
            match document {
                Some(document) => write.insert(&self.keyspace, key.as_slice(), document.as_slice()),
                None => write.remove(&self.keyspace, key.as_slice()),
            }
        }
        Ok(write.commit()?)
    }
}

/// With an fsync after each batch.
pub(crate) struct FjallSynced(Fjall);

impl Engine for FjallSynced {
    fn open(folder: &Path) -> Result<Self> {
        Fjall::open(folder).map(Self)
    }

    fn write(&self, batch: &RawBatch) -> Result<()> {
        self.0.write(batch)?;
        Ok(self.0.database.persist(PersistMode::SyncAll)?)
    }
}
