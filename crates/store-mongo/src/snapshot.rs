//! [`SnapshotSource`]: copies what a replica set holds, as it was at known times.

mod listing;
mod pages;
mod splits;

use bson::RawDocumentBuf;
use futures_util::StreamExt;
use oplogsync_core::{
    catch_up::{Clock, Moment},
    checkpoint::Checkpoint,
    clock::OpTime,
    doc_id::DocId,
    entry::Entry,
    feed::FeedError,
    filter::Filter,
    initial_sync::{Got, Listing, Part, Read, Start, SyncSource},
    limits::Limits,
    namespace::Namespace,
    position::Anchor,
    store_error::{Fault, StoreError},
};

use crate::{
    change_stream::{Begin, Level, ResumeToken, StreamToken, following, stream_failure},
    error::{Access, Failure},
    query::Reading,
    store::MongoStore,
};

/// What an initial sync copies from, for targets that then follow a
/// [`ChangeStreamFeed`](crate::ChangeStreamFeed) with the same filter. Needs MongoDB 6.0 or newer.
///
/// Each piece is read from a snapshot of a known time, so that the entries since then can be applied to it
/// as strictly as to anything else. A server keeps its past for five minutes.
#[derive(Debug, Clone)]
pub struct SnapshotSource {
    store: MongoStore,
    filter: Filter,
}

impl SnapshotSource {
    /// The source of what `store` is connected to, as far as `filter` lets it pass. Nothing is read yet.
    pub fn new(store: MongoStore, filter: Filter) -> Self {
        Self { store, filter }
    }

    /// How documents are read: from the members that the URI's read preference names, if it names some.
    fn reading(&self) -> Reading {
        Reading { selection: self.store.copy_selection(), ..self.store.reading() }
    }

    /// Where a change stream goes on that tells all that happens from now on.
    async fn begin(&self) -> Result<Start, Failure> {
        let source = self.store.stream_source().await?;
        let level = Level::of(&self.store.inner.scope, &self.filter);
        // Not from what the server has written last, which a fail-over may take back.
        let resume = self.token_at(&level, level.open(Begin::At(following(source.newest)), source.splits, 0)).await?;
        if resume.time() != following(source.newest) {
            return Err(Failure::said(Fault::Unexpected, "the change stream does not begin where it was told to"));
        }
        let log = source.id.log(self.filter.id());
        let anchor = Anchor { optime: source.newest, ..Entry::origin(log) };
        let token = StreamToken { source: source.id, filter: self.filter.id(), resume };
        Ok(Start { checkpoint: Checkpoint { log, anchor }, token: Some(token.encode()) })
    }

    /// The token of a stream that is opened only to have it.
    async fn token_at(&self, level: &Level, command: RawDocumentBuf) -> Result<ResumeToken, Failure> {
        let database = self.store.client().database(level.database());
        let opened = async {
            let mut cursor =
                database.run_raw_cursor_command(command).batch().await.map_err(|error| stream_failure(&error))?;
            cursor.next().await.transpose().map_err(|error| stream_failure(&error))
        };
        let reply = self.store.within_deadline(Access::Read, opened).await?;
        let malformed = || Failure::said(Fault::Unexpected, "the server's answer has no postBatchResumeToken");
        let reply = reply.ok_or_else(malformed)?;
        let cursor = reply.as_raw_document().get_document("cursor");
        let token = cursor.and_then(|cursor| cursor.get_document("postBatchResumeToken")).map_err(|_| malformed())?;
        ResumeToken::new(token).map_err(|error| Failure::new(Fault::Unexpected).because(error))
    }
}

impl SyncSource for SnapshotSource {
    fn clock(&self) -> Clock {
        Clock::OpTime
    }

    async fn has_to_be_copied(&self) -> Result<bool, StoreError> {
        // A change stream does not tell what was before it.
        std::future::ready(Ok(true)).await
    }

    async fn start(&self) -> Result<Start, FeedError> {
        let start = self.begin().await;
        start.map_err(|failure| self.store.feed_error(failure, OpTime::default()))
    }

    async fn list(&self) -> Result<Listing, StoreError> {
        Box::pin(self.listing()).await.map_err(|failure| self.store.store_error("list what is to be copied", failure))
    }

    async fn split(&self, ns: &Namespace, parts: usize) -> Result<Vec<DocId>, StoreError> {
        self.splits(ns, parts).await.map_err(|failure| self.store.store_error(format!("part {ns}"), failure))
    }

    async fn read(&self, part: Part<'_>, at: Option<Moment>, limits: Limits) -> Result<Read, StoreError> {
        let read = Box::pin(self.page(part, at.map(Moment::to_optime), limits)).await;
        read.map_err(|failure| self.store.store_error(format!("copy {}", part.ns), failure))
    }

    async fn get(&self, ns: &Namespace, ids: &[DocId], at: Option<Moment>) -> Result<Got, StoreError> {
        let got = Box::pin(self.images(ns, ids, at.map(Moment::to_optime))).await;
        got.map_err(|failure| self.store.store_error(format!("read documents of {ns}"), failure))
    }

    async fn now(&self) -> Result<Moment, StoreError> {
        // Of what a server reads its catalog shows all that was written, and not only what no fail-over takes back.
        let now = self.store.latest_time().await;
        now.map(Moment::of_optime).map_err(|failure| self.store.store_error("read what time it is", failure))
    }
}
