//! [`DiskSpace`]: the file system under a server's data.

use bson::{Document, rawdoc};
use oplogsync_core::store_error::StoreError;

use super::whole;
use crate::{
    error::{Access, Failure},
    store::MongoStore,
};

/// The file system under a server's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// Bytes that it has.
    pub total_bytes: u64,
    /// Bytes that are taken or reserved.
    pub used_bytes: u64,
}

impl DiskSpace {
    /// Bytes that are free.
    pub fn free_bytes(&self) -> u64 {
        self.total_bytes.saturating_sub(self.used_bytes)
    }
}

impl MongoStore {
    /// The space under the primary's data. `None` where the server does not tell: behind a mongos, and
    /// for data in memory.
    ///
    /// # Errors
    /// [`Fault::Denied`](oplogsync_core::store_error::Fault::Denied) without the action `dbStats` on the node's database or,
    /// as long as that does not exist, on `local`.
    pub async fn disk_space(&self) -> Result<Option<DiskSpace>, StoreError> {
        self.read_disk_space().await.map_err(|failure| self.store_error("read how much space there is", failure))
    }

    async fn read_disk_space(&self) -> Result<Option<DiskSpace>, Failure> {
        let own = self.own("node").database;
        // A database that does not exist has no file system either, and `local` always exists.
        for database in [own.as_str(), "local"] {
            let reply = self.run(database, rawdoc! { "dbStats": 1 }, Access::Read, None).await;
            let reply = reply.map_err(|failure| failure.needing(&format!("dbStats on the database {database}")))?;
            if let Some(space) = space(&reply) {
                return Ok(Some(space));
            }
        }
        Ok(None)
    }
}

fn space(reply: &Document) -> Option<DiskSpace> {
    let total_bytes = whole(reply.get("fsTotalSize")).filter(|total| *total > 0)?;
    Some(DiskSpace { total_bytes, used_bytes: whole(reply.get("fsUsedSize"))? })
}
