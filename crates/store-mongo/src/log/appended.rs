//! Waiting for entries: a change stream on the log says that there are some, and then the log is asked.
//!
//! The stream is opened once and kept. One caller at a time drives it, whoever waits, and all hear what it
//! tells. What it tells is a hint only: a stream that fails costs time, until the next poll of who waits.

use std::time::Duration;

use bson::{RawBsonRef, rawdoc};
use futures_util::StreamExt;
use mongodb::raw_batch_cursor::RawBatchCursor;
use oplogsync_core::store_error::Fault;
use tokio::{
    sync::{Mutex, watch},
    time::Instant,
};

use crate::{
    error::{Access, Failure},
    node_document::counted,
    store::MongoStore,
};

/// How long a server keeps a request for news that there are not.
const AWAIT: Duration = Duration::from_secs(1);

/// What tells of new entries.
pub(crate) struct News {
    stream: Mutex<Option<Stream>>,
    /// Counts what was told.
    told: watch::Sender<u64>,
}

/// An open change stream.
struct Stream {
    cursor: RawBatchCursor,
    /// When it was last heard of.
    heard: Instant,
}

impl Default for News {
    fn default() -> Self {
        Self { stream: Mutex::new(None), told: watch::Sender::new(0) }
    }
}

impl MongoStore {
    /// Completes when there is an entry beyond `index`; never on a standalone server, which has no streams.
    pub(super) async fn await_entry(&self, index: u64) {
        if !self.inner.server.is_replicated() {
            std::future::pending::<()>().await;
        }
        let mut told = self.inner.news.told.subscribe();
        let mut listening = std::pin::pin!(self.listen());
        loop {
            // What came before the stream was opened it does not tell; so when it is, that is told as well.
            told.mark_unchanged();
            if self.has_beyond(index).await.unwrap_or(false) {
                return;
            }
            tokio::select! {
                biased;
                _ = told.changed() => {}
                () = &mut listening => {}
            }
        }
    }

    /// Whether the log has an entry beyond `index`.
    async fn has_beyond(&self, index: u64) -> Result<bool, Failure> {
        let above = rawdoc! { "_id": { "$gt": counted(index) } };
        Ok(self.find_one(&self.oplog(), above, None).await?.is_some())
    }

    /// Tells whenever the stream does, as long as it does not fail. Never completes.
    async fn listen(&self) {
        let news = &self.inner.news;
        let mut stream = news.stream.lock().await;
        while self.hear(&mut stream).await.is_ok() {
            news.told.send_modify(|count| *count = count.wrapping_add(1));
        }
        // The next caller opens another one.
        *stream = None;
        drop(stream);
        std::future::pending::<()>().await;
    }

    /// Opens the stream, or waits until it has something. What was under way when a caller went away goes on.
    async fn hear(&self, stream: &mut Option<Stream>) -> Result<(), Failure> {
        let driver = |error| Failure::from_driver(&error, Access::Read);
        let Some(open) = stream else {
            let place = self.oplog();
            let command = rawdoc! {
                "aggregate": place.collection.as_str(),
                "pipeline": [
                    { "$changeStream": {} },
                    { "$match": { "operationType": "insert" } },
                    { "$project": { "_id": 1 } },
                ],
                "cursor": {},
            };
            let database = self.client().database(&place.database);
            let opening =
                async { database.run_raw_cursor_command(command).max_time(AWAIT).batch().await.map_err(driver) };
            let cursor = self.within_deadline(Access::Read, opening).await?;
            *stream = Some(Stream { cursor, heard: Instant::now() });
            return Ok(());
        };
        loop {
            let silent = open.heard + AWAIT + self.inner.options.request_timeout;
            let next = tokio::time::timeout_at(silent, open.cursor.next()).await;
            let next = next.map_err(|_| Failure::timeout(Access::Read))?;
            let batch = next.ok_or_else(|| Failure::new(Fault::Unavailable))?.map_err(driver)?;
            open.heard = Instant::now();
            if !is_empty(batch.as_raw_document()) {
                return Ok(());
            }
        }
    }
}

/// Whether a reply brings no event.
fn is_empty(reply: &bson::RawDocument) -> bool {
    let events = |cursor: &bson::RawDocument| {
        let batch = cursor.get("nextBatch").ok().flatten().or_else(|| cursor.get("firstBatch").ok().flatten());
        matches!(batch, Some(RawBsonRef::Array(events)) if !events.is_empty())
    };
    !matches!(reply.get("cursor"), Ok(Some(RawBsonRef::Document(cursor))) if events(cursor))
}
