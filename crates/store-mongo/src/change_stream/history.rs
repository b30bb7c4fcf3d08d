//! Whether a source still has the history that was followed.

use bson::{RawDocument, Timestamp, raw::cstr, rawdoc};
use oplogsync_core::{clock::OpTime, feed::FeedError, store_error::Fault};
use tokio::time::{Duration, Instant};

use super::following;
use crate::{error::Failure, query::Flow, scope::Place, server::Topology, store::MongoStore};

/// How long a source may seem to be behind its own past: a new primary does not know at once how far its predecessor
/// has come.
const BEHIND_MAX: Duration = Duration::from_secs(10);

impl MongoStore {
    /// The newest write that no fail-over can take back.
    pub(crate) async fn majority_time(&self) -> Result<OpTime, Failure> {
        self.last_write("majorityOpTime").await
    }

    /// The newest write.
    pub(crate) async fn latest_time(&self) -> Result<OpTime, Failure> {
        self.last_write("opTime").await
    }

    async fn last_write(&self, which: &str) -> Result<OpTime, Failure> {
        let hello = self.hello().await?;
        let written = hello.get_document("lastWrite").and_then(|write| write.get_document(which));
        // A router writes nothing; it tells what its shards have told.
        let time =
            written.and_then(|write| write.get_timestamp("ts")).or_else(|_| hello.get_timestamp("operationTime"));
        let time = time.map_err(|_| {
            Failure::said(
                Fault::Unexpected,
                "the server's reply has an unknown form: hello does not tell the last write",
            )
        })?;
        Ok(OpTime::from_timestamp(time.time, time.increment))
    }

    /// Whether the source still has what was followed up to `at`. It has not when it was restored from a backup.
    pub(super) async fn check_history(
        &self,
        behind_since: &mut Option<Instant>,
        at: OpTime,
        newest: OpTime,
    ) -> Result<(), FeedError> {
        if newest < at {
            let since = behind_since.get_or_insert_with(Instant::now);
            let what = format!("its newest write is of {newest}, the checkpoint of {at}");
            if since.elapsed() < BEHIND_MAX {
                return Err(self
                    .store_error("follow the change stream", Failure::said(Fault::Unavailable, what))
                    .into());
            }
            return Err(FeedError::Rewound { source_node: self.node().to_owned(), what });
        }
        *behind_since = None;
        let is_there = self.has_entry(at).await;
        if is_there.map_err(|failure| self.store_error("look for the checkpoint in the oplog", failure))? {
            return Ok(());
        }
        let what =
            format!("its oplog has no entry of {at} any more, where the checkpoint is, but older and newer ones");
        Err(FeedError::Rewound { source_node: self.node().to_owned(), what })
    }

    /// Whether the set's own oplog has an entry of this time, as far as it can be told: a token that names an
    /// event is looked for by the server, one that names a time only is not.
    async fn has_entry(&self, at: OpTime) -> Result<bool, Failure> {
        const UNAUTHORIZED: i32 = 13;
        if self.inner.server.topology != Topology::ReplicaSet {
            return Ok(true);
        }
        match self.oplog_entry(Some(at)).await {
            // The right to read the oplog is not needed for anything else.
            Err(failure) if failure.code == Some(UNAUTHORIZED) => Ok(true),
            Err(failure) => Err(failure),
            // A secondary may not have come so far.
            Ok(None) => Ok(true),
            // A server that looks no further than to a write that is not done yet gives the time before that one.
            Ok(Some(found)) if found == at || found == following(at) => Ok(true),
            // One that no longer reaches back says so itself.
            Ok(Some(_)) => Ok(self.oplog_entry(None).await?.is_none_or(|first| first > at)),
        }
    }

    /// The time of the first entry of the oplog, from a time on.
    async fn oplog_entry(&self, from: Option<OpTime>) -> Result<Option<OpTime>, Failure> {
        let place = Place { database: "local".to_owned(), collection: "oplog.rs".to_owned() };
        let filter = match from.map(OpTime::to_timestamp) {
            Some((time, increment)) => rawdoc! { "ts": { "$gte": Timestamp { time, increment } } },
            None => rawdoc! {},
        };
        let mut command = self.find_command(&place, filter);
        command.append(cstr!("sort"), rawdoc! { "$natural": 1 });
        command.append(cstr!("projection"), rawdoc! { "ts": 1, "_id": 0 });
        command.append(cstr!("limit"), 1_i64);
        command.append(cstr!("singleBatch"), true);
        command.append(cstr!("maxTimeMS"), self.max_time_ms());
        let mut found = None;
        let take = |entry: &RawDocument| {
            let time = entry.get_timestamp("ts").map_err(|error| Failure::new(Fault::Unexpected).because(error))?;
            found = Some(OpTime::from_timestamp(time.time, time.increment));
            Ok(Flow::Enough)
        };
        self.query(&place.database, command, take).await?;
        Ok(found)
    }
}
