//! [`Feed`]: the trait of something that yields entries in order, and the feed of a managed oplog.

use std::future::Future;

use crate::{
    batch::{Batch, BatchError},
    checkpoint::Checkpoint,
    entry::Entry,
    ids::LogId,
    limits::Limits,
    log::{Acknowledgement, Log, LogEnds},
    planted::{Bug, is_planted},
    position::{Anchor, Position},
    store_error::{Fault, StoreError},
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

    /// Tells the source how far a replica has come, so that it keeps what the replica still needs.
    fn acknowledge(&self, replica: &str, at: &Anchor) -> impl Future<Output = Result<(), FeedError>> + Send;
}

/// The feed of a managed oplog: reads the log of a store.
#[derive(Debug, Clone)]
pub struct OplogFeed<L> {
    source: L,
    node: String,
}

impl<L: Log> OplogFeed<L> {
    /// The feed of the log that `source` holds; `node` is its name, for messages.
    pub fn new(source: L, node: impl Into<String>) -> Self {
        Self { source, node: node.into() }
    }

    async fn ends(&self) -> Result<LogEnds, FeedError> {
        let ends = self.source.log_ends().await?;
        ends.ok_or_else(|| FeedError::NoLog { source_node: self.node.clone() })
    }

    /// The first batch after `after`, or what is wrong with the entries that were read.
    async fn next_batch(
        &self,
        log: LogId,
        after: &Anchor,
        limits: Limits,
    ) -> Result<Result<Option<Batch>, BatchError>, FeedError> {
        let entries = self.entries_after(after, limits).await?;
        Ok(Batch::split(log, *after, entries, limits).map(|batches| batches.into_iter().next()))
    }

    /// The entries that follow `after`, once what stands at `after` is known to be unchanged.
    async fn entries_after(&self, after: &Anchor, limits: Limits) -> Result<Vec<Entry>, FeedError> {
        if is_planted(Bug::TimestampCursor) {
            let entries = self.source.read(1, Limits { entries_max: usize::MAX, ..limits }).await?;
            let since = after.optime.unix_millis();
            return Ok(entries.into_iter().filter(|entry| entry.optime().unix_millis() > since).collect());
        }
        // One more than asked for, if there is one: the checkpointed entry itself is read again and compared.
        let overlap = usize::from(after.position.index > 0);
        let overlapping = Limits { entries_max: limits.entries_max.saturating_add(overlap), ..limits };
        let mut entries = self.source.read(after.position.index.max(1), overlapping).await?;
        if after.position.index == 0 {
            let first = entries.first().map(|entry| entry.position().index);
            return if first == Some(1) { Ok(entries) } else { self.compare_with_ends(after, limits).await };
        }
        match entries.first() {
            Some(same) if same.position().index == after.position.index => {
                if same.hash() != after.hash {
                    return Err(FeedError::Diverged { at: after.position });
                }
                if entries.len() == 1 {
                    // The byte limit may have left room for the checkpointed entry only.
                    return Ok(self.source.read(after.next_index(), limits).await?);
                }
                entries.remove(0);
                Ok(entries)
            }
            _ => self.compare_with_ends(after, limits).await,
        }
    }

    /// The checkpointed entry is not in the log: either it is exactly the floor, or the
    /// checkpoint is lost.
    async fn compare_with_ends(&self, after: &Anchor, limits: Limits) -> Result<Vec<Entry>, FeedError> {
        let (checkpoint, ends) = (after.position, self.ends().await?);
        if ends.floor.position.index > checkpoint.index {
            Err(FeedError::TooStale { checkpoint, floor: ends.floor.position })
        } else if ends.head.position.index < checkpoint.index {
            Err(FeedError::WentBack { checkpoint, head: ends.head.position })
        } else if ends.floor.position.index < checkpoint.index {
            let found = Position { index: after.next_index(), ..checkpoint };
            Err(FeedError::Broken { after: checkpoint, source: BatchError::Gap { expected: checkpoint.index, found } })
        } else if ends.floor.hash != after.hash {
            Err(FeedError::Diverged { at: checkpoint })
        } else {
            Ok(self.source.read(after.next_index(), limits).await?)
        }
    }
}

impl<L: Log> Feed for OplogFeed<L> {
    async fn fetch(&self, checkpoint: Option<Checkpoint>, limits: Limits) -> Result<Fetch, FeedError> {
        let ends = self.ends().await?;
        let after = match checkpoint {
            Some(Checkpoint { log, .. }) if log != ends.log => {
                return Err(FeedError::ForeignLog { followed: log, found: ends.log });
            }
            Some(checkpoint) => checkpoint.anchor,
            None => Entry::origin(ends.log),
        };
        let batch = match self.next_batch(ends.log, &after, limits).await? {
            Ok(batch) => batch,
            // Read once more before a log is called damaged.
            Err(_) => self
                .next_batch(ends.log, &after, limits)
                .await?
                .map_err(|source| FeedError::Broken { after: after.position, source })?,
        };
        let read = batch.as_ref().map_or(after, Batch::last);
        let head = if read.position.index > ends.head.position.index { read } else { ends.head };
        Ok(Fetch { batch, head, floor: ends.floor })
    }

    async fn acknowledge(&self, replica: &str, at: &Anchor) -> Result<(), FeedError> {
        let acknowledgement = Acknowledgement { replica: replica.to_owned(), at: *at };
        Ok(self.source.acknowledge(&acknowledgement).await?)
    }
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
    #[error("the source's log is damaged after {after}: restore the source from a backup, its documents and its log")]
    Broken {
        /// The last good entry.
        after: Position,
        /// What is wrong.
        source: BatchError,
    },
}

impl FeedError {
    /// Whether something among the entries that were asked for is damaged, or cannot be known: what
    /// stands before it may be as good as ever.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Broken { .. } => true,
            Self::Store(error) => matches!(error.fault(), Fault::Corrupt | Fault::Incompatible),
            _ => false,
        }
    }
}
