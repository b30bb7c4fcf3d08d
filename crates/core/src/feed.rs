//! [`Feed`]: the trait of something that yields entries in order, and the feed of a managed oplog.

use std::future::Future;

use crate::{
    batch::{Batch, BatchError},
    checkpoint::Checkpoint,
    ids::LogId,
    limits::Limits,
    position::{Anchor, Position},
    store_error::StoreError,
};

/// What a fetch yields.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetch {
    /// Entries that follow the checkpoint; `None` when there are none yet.
    pub batch: Option<Batch>,
    /// The newest entry of the source at about the same moment.
    pub head: Anchor,
    /// The newest entry that the source has trimmed away.
    pub floor: Anchor,
}

/// Yields the entries of one source in order.
pub trait Feed: Send + Sync {
    /// The next batch after `checkpoint` (after the first entry that the source ever had if
    /// `None`), within `limits`.
    ///
    /// # To ensure correctness
    /// - Before anything is returned, the entry at the checkpoint is compared with what the
    ///   source holds there now. Gone, different, or beyond the head is an error.
    /// - It does not wait for entries to come.
    fn fetch(
        &self,
        checkpoint: Option<Checkpoint>,
        limits: Limits,
    ) -> impl Future<Output = Result<Fetch, FeedError>> + Send;
}

/// Why a feed does not continue from a checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    /// The source could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The source holds no log.
    #[error("{source_node} holds no oplog yet: write to it through oplogsync first")]
    NoLog {
        /// The source.
        source_node: String,
    },
    /// The checkpoint belongs to another log.
    #[error(
        "the checkpoint follows log {followed}, and the source holds log {found}: this replica was synced from another primary; sync it anew or correct the configuration"
    )]
    ForeignLog {
        /// The log that the checkpoint follows.
        followed: LogId,
        /// The log of the source.
        found: LogId,
    },
    /// The entries after the checkpoint are trimmed away.
    #[error(
        "too stale: the source has trimmed its oplog up to {floor}, the checkpoint is at {checkpoint}: sync the replica anew"
    )]
    TooStale {
        /// The checkpoint.
        checkpoint: Position,
        /// The newest trimmed entry.
        floor: Position,
    },
    /// The source holds another entry where the checkpoint stands.
    #[error(
        "diverged: the source holds another entry at {at} than the one that was applied: it was restored or rewritten; compare with `oplogsync verify`, then sync the replica anew"
    )]
    Diverged {
        /// The checkpoint.
        at: Position,
    },
    /// The source's newest entry is older than the checkpoint.
    #[error(
        "the source went back in time: its head is {head}, the checkpoint is at {checkpoint}: it lost entries or was restored; compare with `oplogsync verify`, then sync the replica anew"
    )]
    WentBack {
        /// The checkpoint.
        checkpoint: Position,
        /// The head of the source.
        head: Position,
    },
    /// The log is not what a log must be.
    #[error("the source's log is damaged after {after}")]
    Broken {
        /// The last good entry.
        after: Position,
        /// What is wrong.
        source: BatchError,
    },
}
