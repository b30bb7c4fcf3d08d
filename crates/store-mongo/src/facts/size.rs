//! [`CollectionSize`]: how large a collection is.

use bson::{Document, RawDocument, RawDocumentBuf, raw::cstr, rawdoc};

use super::{malformed, whole};
use crate::{error::Failure, query::Flow, scope::Place, store::MongoStore};

/// What is asked for; the rest, of the storage engine, is many times as large.
const FIELDS: [&str; 5] = ["count", "size", "storageSize", "totalIndexSize", "maxSize"];

/// How large a collection is, by the server's statistics: close, and not exact after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CollectionSize {
    /// Documents.
    pub documents: u64,
    /// Bytes of the documents.
    pub bytes: u64,
    /// Bytes of the documents on the disk, compressed.
    pub storage_bytes: u64,
    /// Bytes of the indexes on the disk.
    pub index_bytes: u64,
}

impl MongoStore {
    pub(super) async fn size(&self, place: &Place) -> Result<CollectionSize, Failure> {
        let stats = self.storage_stats(place).await?;
        let number = |field| whole(stats.get(field)).ok_or_else(|| malformed("$collStats has no size"));
        Ok(CollectionSize {
            documents: number("count")?,
            bytes: number("size")?,
            storage_bytes: number("storageSize")?,
            index_bytes: number("totalIndexSize")?,
        })
    }

    /// What the storage engine knows of a collection, [`FIELDS`] of it; summed over the shards behind a mongos.
    pub(super) async fn storage_stats(&self, place: &Place) -> Result<Document, Failure> {
        let stats = rawdoc! { "count": 1, "size": 1, "storageSize": 1, "totalIndexSize": 1, "maxSize": 1 };
        let stages =
            bson::rawbson!([{ "$collStats": { "storageStats": {} } }, { "$project": { "storageStats": stats } }]);
        let mut command = RawDocumentBuf::new();
        command.append(cstr!("aggregate"), place.collection.as_str());
        command.append(cstr!("pipeline"), stages);
        command.append(cstr!("cursor"), rawdoc! {});
        command.append(cstr!("maxTimeMS"), self.max_time_ms());
        let mut sums = Document::new();
        let take = |shard: &RawDocument| {
            let shard = Document::try_from(shard).map_err(|_| malformed("$collStats"))?;
            let stats = shard.get_document("storageStats").map_err(|_| malformed("$collStats has no storageStats"))?;
            for field in FIELDS {
                let both = [sums.get(field), stats.get(field)].map(whole);
                if let Some(sum) = both.into_iter().flatten().reduce(u64::saturating_add) {
                    sums.insert(field, i64::try_from(sum).unwrap_or(i64::MAX));
                }
            }
            Ok(Flow::More)
        };
        let done = self.query(&place.database, command, take).await;
        done.map_err(|failure| failure.needing(&format!("collStats on {place}")))?;
        Ok(sums)
    }
}
