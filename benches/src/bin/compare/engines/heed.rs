//! LMDB alone, through heed, without a sync after each transaction.

use std::path::Path;

use anyhow::Result;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, types::Bytes};
use oplogsync_benches::RawBatch;

use super::Engine;

/// Room for all that is written; the file stays as small as what is in it.
const MAP_BYTES: usize = 16 * 1024 * 1024 * 1024;

/// One transaction for each batch.
pub(crate) struct Lmdb {
    env: Env,
    documents: Database<'static, Bytes, Bytes>,
}

impl Engine for Lmdb {
    fn open(folder: &Path) -> Result<Self> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES);
        #[expect(unsafe_code, reason = "the folder is new, and nobody else opens it or changes its files")]
        let env = unsafe { options.flags(EnvFlags::NO_SYNC).open(folder)? };
        let transaction = env.write_txn()?;
        let created = env.create_databases_and_commit(transaction, |opener, transaction| {
            opener.create_database::<Bytes, Bytes>(transaction, None).map(CommitOrAbort::<_, ()>::Commit)
        })?;
        let documents = created.unwrap_commit();
        Ok(Self { env, documents })
    }

    fn write(&self, batch: &RawBatch) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        for (key, document) in batch {
            match document {
                Some(document) => self.documents.put(&mut transaction, key, document)?,
                None => drop(self.documents.delete(&mut transaction, key)?),
            }
        }
        Ok(transaction.commit()?)
    }
}
