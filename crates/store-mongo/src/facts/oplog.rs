//! [`OplogWindow`]: how far back the oplog of a replica set reaches.

use std::time::Duration;

use bson::{RawDocument, RawDocumentBuf, Timestamp, raw::cstr, rawdoc};
use oplogsync_core::store_error::StoreError;

use super::{malformed, whole};
use crate::{error::Failure, query::Flow, scope::Place, server::Topology, store::MongoStore};

/// The server's own oplog, not ours: what change streams read, and how long they can be away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OplogWindow {
    /// When its oldest entry was written: `time` is in seconds since 1970.
    pub oldest: Timestamp,
    /// When its newest entry was written.
    pub newest: Timestamp,
    /// Bytes of its entries.
    pub bytes: u64,
    /// Bytes that it may have; then the oldest entries go.
    pub bytes_max: u64,
}

impl OplogWindow {
    /// From the oldest entry to the newest.
    pub fn span(&self) -> Duration {
        Duration::from_secs(u64::from(self.newest.time.saturating_sub(self.oldest.time)))
    }

    /// Whether it is so far from full that nothing was taken away from its beginning, and what was written so far
    /// does not tell how fast it grows.
    pub fn is_young(&self) -> bool {
        self.bytes < self.bytes_max / 2
    }

    /// How full it is, in percent.
    pub fn filled_percent(&self) -> u64 {
        self.bytes.saturating_mul(100).checked_div(self.bytes_max).unwrap_or(100).min(100)
    }

    /// How far back it will reach when it is full, if as much is written as was since its oldest
    /// entry: how long a reader may be away. As long as the present span when it is full.
    pub fn headroom(&self) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let growth = (self.bytes_max as f64 / self.bytes.max(1) as f64).max(1.0);
        Duration::try_from_secs_f64(self.span().as_secs_f64() * growth).unwrap_or(Duration::MAX)
    }
}

impl MongoStore {
    /// How far back the oplog of the replica set reaches. `None` where there is none, and behind a mongos,
    /// which shows none.
    ///
    /// # Errors
    /// [`Fault::Denied`](oplogsync_core::store_error::Fault::Denied) without the actions `find` and `collStats`
    /// on `local.oplog.rs`.
    pub async fn oplog_window(&self) -> Result<Option<OplogWindow>, StoreError> {
        self.read_oplog_window()
            .await
            .map_err(|failure| self.store_error("read how far back the oplog reaches", failure))
    }

    async fn read_oplog_window(&self) -> Result<Option<OplogWindow>, Failure> {
        if self.inner.server.topology != Topology::ReplicaSet {
            return Ok(None);
        }
        let place = Place { database: "local".to_owned(), collection: "oplog.rs".to_owned() };
        let end = async |order: i32| {
            let found = self.first_found(&place, order).await;
            let found = found.map_err(|failure| failure.needing("find on local.oplog.rs"))?;
            found.ok_or_else(|| malformed("the oplog is empty"))
        };
        let (oldest, newest) = (end(1).await?, end(-1).await?);
        let stats = self.storage_stats(&place).await?;
        let size = |field| whole(stats.get(field)).ok_or_else(|| malformed("$collStats has no size"));
        Ok(Some(OplogWindow { oldest, newest, bytes: size("size")?, bytes_max: size("maxSize")? }))
    }

    /// The time of the first entry in the order of writing, or against it.
    async fn first_found(&self, place: &Place, order: i32) -> Result<Option<Timestamp>, Failure> {
        let mut command = RawDocumentBuf::new();
        command.append(cstr!("find"), place.collection.as_str());
        command.append(cstr!("sort"), rawdoc! { "$natural": order });
        command.append(cstr!("projection"), rawdoc! { "ts": 1 });
        command.append(cstr!("limit"), 1_i64);
        command.append(cstr!("singleBatch"), true);
        command.append(cstr!("maxTimeMS"), self.max_time_ms());
        let mut found = None;
        self.query(&place.database, command, |entry: &RawDocument| {
            found = Some(entry.get_timestamp("ts").map_err(|_| malformed("an entry of the oplog has no ts"))?);
            Ok(Flow::Enough)
        })
        .await?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(seconds: u32, bytes: u64) -> OplogWindow {
        let at = |time| Timestamp { time, increment: 1 };
        OplogWindow { oldest: at(1_000), newest: at(1_000 + seconds), bytes, bytes_max: 1_000_000 }
    }

    #[test]
    fn a_full_oplog_reaches_back_as_far_as_it_does() {
        assert_eq!(window(3_600, 1_000_000).headroom(), Duration::from_secs(3_600));
        // A server lets it grow a little beyond its size.
        assert_eq!(window(3_600, 1_010_000).headroom(), Duration::from_secs(3_600));
    }

    #[test]
    fn one_that_is_not_filled_by_half_is_young() {
        for (bytes, percent, is_young) in
            [(0, 0, true), (499_999, 49, true), (500_000, 50, false), (1_010_000, 100, false)]
        {
            let window = window(3, bytes);
            assert_eq!((window.filled_percent(), window.is_young()), (percent, is_young), "{bytes}");
        }
    }

    #[test]
    fn one_that_is_filled_by_a_tenth_will_reach_back_ten_times_as_far() {
        assert_eq!(window(60, 100_000).headroom(), Duration::from_secs(600));
        assert_eq!(window(60, 0).headroom(), Duration::from_secs(60_000_000));
    }
}
