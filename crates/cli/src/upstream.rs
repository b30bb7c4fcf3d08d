//! [`Upstream`]: what replicas follow: the managed oplog of the primary, its change stream, or the spool
//! that keeps what the change stream has told.
#![cfg_attr(
    not(feature = "mongo"),
    expect(
        unused_imports,
        unused_variables,
        clippy::unnecessary_wraps,
        clippy::unused_async,
        reason = "without servers there is one feed only"
    )
)]

use std::sync::Arc;

use oplogsync_core::{
    capture::{Capture, CaptureOptions, SpoolFeed, SpoolSource},
    catch_up::{Clock, Moment},
    checkpoint::{Checkpoint, Token},
    doc_id::DocId,
    documents::Documents,
    entry::Entry,
    feed::{Feed, FeedError, Fetch, Image, OplogFeed},
    host::SystemHost,
    initial_sync::{Got, Listing, LogSource, Part, Read, Start, SyncSource},
    limits::Limits,
    log::Log,
    namespace::Namespace,
    position::Anchor,
    store_error::StoreError,
};
#[cfg(feature = "mongo")]
use oplogsync_store_mongo::{ChangeStreamFeed, ChangeStreamOptions, SnapshotSource};

#[cfg(feature = "mongo")]
use crate::config::NodeConfig;
use crate::{
    config::{Config, FeedKind, Role},
    exit::Exit,
    failure::Failure,
    holder::holder,
    node::Node,
};

/// What makes a change stream of a server that has none, or does without.
#[cfg(feature = "mongo")]
pub(crate) const NO_STREAM_FIX: &str =
    "start it with --replSet rs0 and run rs.initiate() once, or set [feed] kind = \"managed\"";

/// What replicas follow.
#[derive(Debug, Clone)]
pub(crate) enum Upstream {
    /// The managed oplog of this node.
    Managed(Node),
    /// The change stream of this node, or the spool that is filled from it.
    #[cfg(feature = "mongo")]
    Stream {
        /// The node that is followed.
        node: Node,
        /// The spool, if there is one.
        spool: Option<Node>,
    },
}

/// The feed of one replica.
pub(crate) enum AnyFeed {
    Managed(OplogFeed<Node>),
    #[cfg(feature = "mongo")]
    Stream(Arc<ChangeStreamFeed>),
    #[cfg(feature = "mongo")]
    Spool(SpoolFeed<Node, Arc<ChangeStreamFeed>>),
}

/// What one replica is copied from.
pub(crate) enum AnySource {
    Managed(LogSource<Node>),
    #[cfg(feature = "mongo")]
    Stream(SnapshotSource),
    #[cfg(feature = "mongo")]
    Spool(SpoolSource<Node, SnapshotSource>),
}

/// Fills the spool.
#[cfg(feature = "mongo")]
pub(crate) type Filler = Capture<Arc<ChangeStreamFeed>, SnapshotSource, Node, SystemHost>;

impl Upstream {
    /// What the configuration chooses, or, where it leaves that open, what the primary is: a replica set
    /// without an oplog of ours is followed by its change stream.
    pub(crate) async fn choose(config: &Config, primary: &Node) -> Result<Self, StoreError> {
        let is_stream = match config.feed.kind {
            FeedKind::Managed => false,
            FeedKind::ChangeStream => true,
            FeedKind::Auto => primary.is_replicated().await? && primary.log_ends().await?.is_none(),
        };
        #[cfg(feature = "mongo")]
        if is_stream {
            let spool = config.feed.spool.as_ref().map(|spool| Node::new(spool, primary.answer_within()));
            return Ok(Self::Stream { node: primary.clone(), spool });
        }
        #[cfg(not(feature = "mongo"))]
        let _ = is_stream;
        Ok(Self::Managed(primary.clone()))
    }

    /// Refuses a server that is followed by its change stream with something that the filter lets pass and no replica
    /// can hold. What others have put beside a managed oplog is none of its matter.
    ///
    /// # Errors
    /// Also when the server does not answer.
    pub(crate) async fn must_be_replicable(&self, config: &Config) -> Result<(), StoreError> {
        match self {
            Self::Managed(_) => Ok(()),
            #[cfg(feature = "mongo")]
            Self::Stream { node, .. } => node.mongo().await?.must_be_replicable(&config.filter).await,
        }
    }

    /// Refuses a change stream of a server that has none.
    ///
    /// # Errors
    /// Also when the server does not answer.
    #[cfg_attr(not(feature = "mongo"), expect(clippy::unused_async, reason = "with servers it has to ask"))]
    pub(crate) async fn must_exist(&self) -> Result<(), Failure> {
        match self {
            Self::Managed(_) => Ok(()),
            #[cfg(feature = "mongo")]
            Self::Stream { node, .. } => {
                let exists = node.is_replicated().await.map_err(|error| Failure::store(error, Role::Primary))?;
                if exists { Ok(()) } else { Err(Failure::message(Exit::Config, no_stream(node.config()))) }
            }
        }
    }

    /// What it is, for people.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Managed(_) => "managed",
            #[cfg(feature = "mongo")]
            Self::Stream { spool: None, .. } => "change-stream",
            #[cfg(feature = "mongo")]
            Self::Stream { spool: Some(_), .. } => "change-stream, spooled",
        }
    }

    /// The primary, if it is written to through its managed oplog.
    pub(crate) fn managed(&self) -> Option<&Node> {
        match self {
            Self::Managed(node) => Some(node),
            #[cfg(feature = "mongo")]
            Self::Stream { .. } => None,
        }
    }

    /// The node whose log is to be trimmed.
    pub(crate) fn trimmed(&self) -> Option<&Node> {
        match self {
            Self::Managed(node) => Some(node),
            #[cfg(feature = "mongo")]
            Self::Stream { spool, .. } => spool.as_ref(),
        }
    }

    /// Whether there is a spool between the source and the replicas.
    pub(crate) fn is_spooled(&self) -> bool {
        match self {
            Self::Managed(_) => false,
            #[cfg(feature = "mongo")]
            Self::Stream { spool, .. } => spool.is_some(),
        }
    }

    /// The feed and the source of one replica.
    pub(crate) async fn open(&self, config: &Config) -> Result<(AnyFeed, AnySource), StoreError> {
        match self {
            Self::Managed(node) => {
                let feed = OplogFeed::new(node.clone(), node.name());
                let source = LogSource::new(node.clone(), node.name());
                Ok((AnyFeed::Managed(feed), AnySource::Managed(source)))
            }
            #[cfg(feature = "mongo")]
            Self::Stream { node, spool } => {
                let store = node.mongo().await?;
                let feed = ChangeStreamFeed::new(store.clone(), config.filter.clone(), ChangeStreamOptions::default());
                let source = SnapshotSource::new(store, config.filter.clone());
                let Some(spool) = spool else {
                    return Ok((AnyFeed::Stream(Arc::new(feed)), AnySource::Stream(source)));
                };
                let feed = SpoolFeed::new(spool.clone(), spool.name(), Arc::new(feed));
                let source = SpoolSource::new(spool.clone(), spool.name(), source);
                Ok((AnyFeed::Spool(feed), AnySource::Spool(source)))
            }
        }
    }

    /// What fills the spool, if there is one.
    #[cfg(feature = "mongo")]
    pub(crate) async fn filler(&self, config: &Config) -> Result<Option<Filler>, StoreError> {
        let Self::Stream { node, spool: Some(spool) } = self else { return Ok(None) };
        let store = node.mongo().await?;
        let feed = ChangeStreamFeed::new(store.clone(), config.filter.clone(), ChangeStreamOptions::default());
        let source = SnapshotSource::new(store, config.filter.clone());
        let options = CaptureOptions {
            holder: holder(),
            filter: config.filter.clone(),
            limits: Limits { entries_max: config.sync.batch_size, ..Limits::default() }.at_most(spool.batch_max()),
            poll_interval: config.sync.poll_interval,
            ..CaptureOptions::default()
        };
        Ok(Some(Capture::new(spool.name(), Arc::new(feed), source, spool.clone(), SystemHost, options)))
    }
}

/// A spool without a log is no primary that waits for its first write.
#[cfg(feature = "mongo")]
fn of_spool(error: FeedError) -> FeedError {
    match error {
        FeedError::NoLog { source_node: spool } => FeedError::NotFilled { spool },
        error => error,
    }
}

/// What is to be said of a server that has no change stream, with the way out.
#[cfg(feature = "mongo")]
pub(crate) fn no_stream(node: &NodeConfig) -> String {
    let (name, address) = (&node.name, &node.address);
    format!("{name}, {address}, is a standalone server, which has no change stream: {NO_STREAM_FIX}")
}

/// Calls the feed or the source that was chosen.
macro_rules! on_any {
    ($any:ident: $kind:ident, $chosen:ident => $call:expr) => {
        match $any {
            $kind::Managed($chosen) => $call,
            #[cfg(feature = "mongo")]
            $kind::Stream($chosen) => $call,
            #[cfg(feature = "mongo")]
            $kind::Spool($chosen) => $call,
        }
    };
}

impl Feed for AnyFeed {
    async fn fetch(
        &self,
        checkpoint: Option<Checkpoint>,
        token: Option<&Token>,
        limits: Limits,
    ) -> Result<Fetch, FeedError> {
        match self {
            #[cfg(feature = "mongo")]
            Self::Spool(feed) => feed.fetch(checkpoint, token, limits).await.map_err(of_spool),
            _ => on_any!(self: AnyFeed, feed => feed.fetch(checkpoint, token, limits).await),
        }
    }

    async fn acknowledge(&self, replica: &str, at: &Anchor) -> Result<(), FeedError> {
        on_any!(self: AnyFeed, feed => feed.acknowledge(replica, at).await)
    }

    async fn changed(&self, at: &Anchor) {
        on_any!(self: AnyFeed, feed => feed.changed(at).await);
    }

    async fn image(&self, entry: &Entry) -> Result<Image, FeedError> {
        on_any!(self: AnyFeed, feed => feed.image(entry).await)
    }
}

impl SyncSource for AnySource {
    fn clock(&self) -> Clock {
        on_any!(self: AnySource, source => source.clock())
    }

    async fn has_to_be_copied(&self) -> Result<bool, StoreError> {
        on_any!(self: AnySource, source => source.has_to_be_copied().await)
    }

    async fn start(&self) -> Result<Start, FeedError> {
        match self {
            #[cfg(feature = "mongo")]
            Self::Spool(source) => source.start().await.map_err(of_spool),
            _ => on_any!(self: AnySource, source => source.start().await),
        }
    }

    async fn list(&self) -> Result<Listing, StoreError> {
        on_any!(self: AnySource, source => source.list().await)
    }

    async fn split(&self, ns: &Namespace, parts: usize) -> Result<Vec<DocId>, StoreError> {
        on_any!(self: AnySource, source => source.split(ns, parts).await)
    }

    async fn read(&self, part: Part<'_>, at: Option<Moment>, limits: Limits) -> Result<Read, StoreError> {
        on_any!(self: AnySource, source => source.read(part, at, limits).await)
    }

    async fn get(&self, ns: &Namespace, ids: &[DocId], at: Option<Moment>) -> Result<Got, StoreError> {
        on_any!(self: AnySource, source => source.get(ns, ids, at).await)
    }

    async fn now(&self) -> Result<Moment, StoreError> {
        on_any!(self: AnySource, source => source.now().await)
    }
}
