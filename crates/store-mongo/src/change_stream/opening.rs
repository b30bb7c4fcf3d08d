//! Opening a change stream: whether it is the right one, and what its server can do.

use std::time::Duration;

use bson::rawdoc;
use oplogsync_core::{
    checkpoint::{Checkpoint, Token},
    clock::OpTime,
    feed::FeedError,
    store_error::Fault,
};

use super::{
    ChangeStreamFeed, Level, SourceId, State, StreamToken, chunk::MarkTime, queue::Queue, reader::Opening,
    refusal::TOO_OLD, stream::Stream,
};
use crate::{
    error::{Access, Failure},
    facts::{ServerVersion, version},
    server::Topology,
    store::MongoStore,
};

/// The first version with the events that are needed.
const VERSION_MIN: ServerVersion = ServerVersion { major: 6, minor: 0, patch: 0 };
/// The first versions that split events which are larger than a document.
const SPLITS_MIN: ServerVersion = ServerVersion { major: 6, minor: 0, patch: 9 };
/// How long an answer of a change stream may take at most.
const PATIENCE_MAX: Duration = Duration::from_secs(3600);
/// What the client waits longer than the server may work.
const GRACE: Duration = Duration::from_secs(1);

/// What can be followed by its change stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    pub(crate) id: SourceId,
    /// Whether it can split an event that is larger than a document may be.
    pub(crate) splits: bool,
    /// The newest write that no fail-over can take back.
    pub(crate) newest: OpTime,
}

impl MongoStore {
    /// Whether, and as what, this can be followed by a change stream.
    pub(crate) async fn stream_source(&self) -> Result<Source, Failure> {
        // Tells a standalone server apart, before anything else is asked of it.
        let id = self.source_id().await?;
        let build = self.run("admin", rawdoc! { "buildInfo": 1 }, Access::Read, None).await?;
        let version = version(&build).ok_or_else(|| {
            Failure::said(Fault::Unexpected, "the server's reply has an unknown form: buildInfo has no version")
        })?;
        if version < VERSION_MIN {
            return Err(Failure::said(Fault::Incompatible, format!("{TOO_OLD}; this is {version}")));
        }
        Ok(Source { id, splits: version >= SPLITS_MIN, newest: self.majority_time().await? })
    }
}

impl ChangeStreamFeed {
    /// Where the stream goes on behind a checkpoint.
    pub(super) fn place(
        &self,
        checkpoint: Option<Checkpoint>,
        token: Option<&Token>,
    ) -> Result<(Checkpoint, StreamToken), FeedError> {
        let source_node = || self.store.node().to_owned();
        let checkpoint = checkpoint.ok_or_else(|| FeedError::NoBeginning { source_node: source_node() })?;
        let token = token.ok_or_else(|| FeedError::NoToken { source_node: source_node() })?;
        let unreadable = |failure| self.store.store_error("read where the change stream goes on", failure);
        let token =
            StreamToken::decode(token).map_err(|error| unreadable(Failure::new(Fault::Corrupt).because(error)))?;
        if token.filter != self.filter.id() {
            let what = "it is followed through another `[filter]` than before".to_owned();
            return Err(FeedError::OtherSource { source_node: source_node(), what });
        }
        Ok((checkpoint, token))
    }

    pub(super) async fn open(
        &self,
        state: &mut State,
        checkpoint: Checkpoint,
        token: StreamToken,
    ) -> Result<Stream, FeedError> {
        let source = self.store.stream_source().await;
        let source = source.map_err(|failure| self.store.store_error("open the change stream", failure))?;
        if source.id != token.source {
            let what = format!("it is {}, and {} was followed", source.id, token.source);
            return Err(FeedError::OtherSource { source_node: self.store.node().to_owned(), what });
        }
        let (followed, found) = (checkpoint.log, source.id.log(self.filter.id()));
        if followed != found {
            return Err(FeedError::ForeignLog { followed, found });
        }
        self.store.check_history(&mut state.behind_since, checkpoint.anchor.optime, source.newest).await?;
        let times = match self.store.inner.server.topology {
            Topology::Mongos => MarkTime::Excluded,
            Topology::Standalone | Topology::ReplicaSet => MarkTime::Included,
        };
        // Doubled with each answer that did not come in time, so that it comes at last.
        let patience = (self.store.inner.options.request_timeout + GRACE).saturating_mul(1 << state.slow.min(20));
        let opening = Opening {
            store: self.store.clone(),
            filter: self.filter.clone(),
            level: Level::of(&self.store.inner.scope, &self.filter),
            splits: source.splits,
            times,
            await_time: self.options.await_time,
            patience: patience.min(PATIENCE_MAX),
        };
        Ok(Stream::open(opening, Queue::new(checkpoint.log, checkpoint.anchor, token.resume)))
    }
}
