//! [`Feed`]: the trait of something that yields entries in order, and the feed of a managed oplog.

use std::{future::Future, sync::Arc};

use crate::{
    batch::{Batch, BatchError, Taken},
    checkpoint::{Checkpoint, Token},
    clock::OpTime,
    document::Document,
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

impl Fetch {
    /// The optime of the first entry, if there is one.
    pub(crate) fn next(&self) -> Option<OpTime> {
        self.batch.as_ref()?.entries().first().map(Entry::optime)
    }
}

/// Yields the entries of one source in order.
pub trait Feed: Send + Sync {
    /// The next batch after `checkpoint` (after the first entry that the source ever had if
    /// `None`), within `limits`. `token` is the one of the batch that led to the checkpoint.
    ///
    /// # To ensure correctness
    /// - Before anything is returned, the entry at the checkpoint is compared with what the
    ///   source holds there now. Gone, different, or beyond the head is an error.
    /// - A transaction is not cut, as far as [`Batch::take`] says.
    /// - It does not wait for entries to come. But with [`usize::MAX`] as the bound of bytes a batch is
    ///   asked for that was begun before: all `entries_max` entries are yielded if the source holds
    ///   them, however long they take to be read, and they are the same as before.
    fn fetch(
        &self,
        checkpoint: Option<Checkpoint>,
        token: Option<&Token>,
        limits: Limits,
    ) -> impl Future<Output = Result<Fetch, FeedError>> + Send;

    /// Tells the source how far a replica has come, so that it keeps what the replica still needs.
    fn acknowledge(&self, replica: &str, at: &Anchor) -> impl Future<Output = Result<(), FeedError>> + Send;

    /// Completes when a fetch may yield something behind `at` that it did not yield before; never,
    /// where nobody tells. Its failures are the next fetch's to tell.
    fn changed(&self, at: &Anchor) -> impl Future<Output = ()> + Send;

    /// The document that `entry`, a patch that does not fit the target's, has left at the source;
    /// [`Image::Unknown`] when the source can no longer tell.
    fn image(&self, entry: &Entry) -> impl Future<Output = Result<Image, FeedError>> + Send;
}

impl<F: Feed> Feed for &F {
    fn fetch(
        &self,
        checkpoint: Option<Checkpoint>,
        token: Option<&Token>,
        limits: Limits,
    ) -> impl Future<Output = Result<Fetch, FeedError>> + Send {
        (**self).fetch(checkpoint, token, limits)
    }

    fn acknowledge(&self, replica: &str, at: &Anchor) -> impl Future<Output = Result<(), FeedError>> + Send {
        (**self).acknowledge(replica, at)
    }

    fn changed(&self, at: &Anchor) -> impl Future<Output = ()> + Send {
        (**self).changed(at)
    }

    fn image(&self, entry: &Entry) -> impl Future<Output = Result<Image, FeedError>> + Send {
        (**self).image(entry)
    }
}

impl<F: Feed> Feed for Arc<F> {
    fn fetch(
        &self,
        checkpoint: Option<Checkpoint>,
        token: Option<&Token>,
        limits: Limits,
    ) -> impl Future<Output = Result<Fetch, FeedError>> + Send {
        (**self).fetch(checkpoint, token, limits)
    }

    fn acknowledge(&self, replica: &str, at: &Anchor) -> impl Future<Output = Result<(), FeedError>> + Send {
        (**self).acknowledge(replica, at)
    }

    fn changed(&self, at: &Anchor) -> impl Future<Output = ()> + Send {
        (**self).changed(at)
    }

    fn image(&self, entry: &Entry) -> impl Future<Output = Result<Image, FeedError>> + Send {
        (**self).image(entry)
    }
}

/// What a source knows about a document at one moment.
#[derive(Debug, Clone, PartialEq)]
pub enum Image {
    /// It was this, or was not there.
    Known(Option<Document>),
    /// Nothing.
    Unknown,
}

/// The feed of a managed oplog: reads the log of a store.
#[derive(Debug, Clone)]
pub struct OplogFeed<L> {
    source: L,
    node: String,
    /// Whether the log holds transactions of several entries.
    transactions: bool,
}

impl<L: Log> OplogFeed<L> {
    /// The feed of the log that `source` holds; `node` is its name, for messages.
    pub fn new(source: L, node: impl Into<String>) -> Self {
        Self { source, node: node.into(), transactions: false }
    }

    /// The same for a log that others have written, with transactions of several entries.
    #[must_use]
    pub fn with_transactions(self) -> Self {
        Self { transactions: true, ..self }
    }

    async fn ends(&self) -> Result<LogEnds, FeedError> {
        let ends = self.source.log_ends().await?;
        ends.ok_or_else(|| FeedError::NoLog { source_node: self.node.clone() })
    }

    /// The first batch after `after`, or what is wrong with the entries that were read.
    async fn next_batch(
        &self,
        ends: &LogEnds,
        after: &Anchor,
        limits: Limits,
    ) -> Result<Result<Option<Batch>, BatchError>, FeedError> {
        // Copies of one feed that were begun at different times have the same id. Before the first entry nothing
        // but its time tells them apart.
        if after.position.index == 0 && ends.floor.position.index == 0 && ends.floor != *after {
            return Err(FeedError::Diverged { at: after.position });
        }
        if !self.transactions {
            let entries = self.entries_after(after, limits).await?;
            return Ok(Batch::first(ends.log, *after, entries, limits));
        }
        // One more entry tells whether the last transaction is there to its end.
        let mut window = Limits { entries_max: limits.entries_max.saturating_add(1), ..limits };
        loop {
            let entries = self.entries_after(after, window).await?;
            let more = entries.last().is_some_and(|last| last.position().index < ends.head.position.index);
            match Batch::take(ends.log, *after, entries, limits, more) {
                Ok(Taken::Batch(batch)) => return Ok(Ok(Some(batch))),
                Ok(Taken::Nothing) => return Ok(Ok(None)),
                Ok(Taken::Incomplete) => {
                    window.entries_max = window.entries_max.saturating_mul(2);
                    window.bytes_max = window.bytes_max.saturating_mul(2);
                }
                Err(error) => return Ok(Err(error)),
            }
        }
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
    async fn fetch(
        &self,
        checkpoint: Option<Checkpoint>,
        _token: Option<&Token>,
        limits: Limits,
    ) -> Result<Fetch, FeedError> {
        let ends = self.ends().await?;
        let after = match checkpoint {
            Some(Checkpoint { log, .. }) if log != ends.log => {
                return Err(FeedError::ForeignLog { followed: log, found: ends.log });
            }
            Some(checkpoint) => checkpoint.anchor,
            None => Entry::origin(ends.log),
        };
        let batch = match self.next_batch(&ends, &after, limits).await? {
            Ok(batch) => batch,
            // Read once more before a log is called damaged.
            Err(_) => self
                .next_batch(&ends, &after, limits)
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

    async fn changed(&self, at: &Anchor) {
        self.source.appended(at.position.index).await;
    }

    async fn image(&self, _entry: &Entry) -> Result<Image, FeedError> {
        // A managed oplog has full images; whoever fills another one knows where to ask.
        std::future::ready(Ok(Image::Unknown)).await
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
    /// What is to keep the source's changes has none yet.
    #[error("{spool} holds nothing yet: it is being filled from the source")]
    NotFilled {
        /// The spool.
        spool: String,
    },
    /// The checkpoint belongs to another log.
    #[error(
        "the checkpoint follows log {followed}, and the source holds log {found}: this replica was synced from another primary; sync it anew with `oplogsync resync NODE --confirm NODE`, or correct the configuration"
    )]
    ForeignLog {
        /// The log that the checkpoint follows.
        followed: LogId,
        /// The log of the source.
        found: LogId,
    },
    /// The entries after the checkpoint are trimmed away.
    #[error(
        "too stale: the source has trimmed its oplog up to {floor}, the checkpoint is at {checkpoint}: sync the replica anew with `oplogsync resync NODE --confirm NODE`"
    )]
    TooStale {
        /// The checkpoint.
        checkpoint: Position,
        /// The newest trimmed entry.
        floor: Position,
    },
    /// The source holds another entry where the checkpoint stands.
    #[error(
        "diverged: the source holds another entry at {at} than the one that was applied: it was restored or rewritten, or is a spool that was begun later; compare with `oplogsync verify`, then sync the replica anew with `oplogsync resync NODE --confirm NODE`"
    )]
    Diverged {
        /// The checkpoint.
        at: Position,
    },
    /// The source's newest entry is older than the checkpoint.
    #[error(
        "the source went back in time: its head is {head}, the checkpoint is at {checkpoint}: it lost entries or was restored; compare with `oplogsync verify`, then sync the replica anew with `oplogsync resync NODE --confirm NODE`"
    )]
    WentBack {
        /// The checkpoint.
        checkpoint: Position,
        /// The head of the source.
        head: Position,
    },
    /// The source's own history no longer reaches back to where the feed would go on.
    #[error(
        "too stale: the oplog of {source_node} no longer reaches back to {since}: sync the replica anew with `oplogsync resync NODE --confirm NODE`, and give the source a larger oplog, or the feed a spool"
    )]
    HistoryLost {
        /// The source.
        source_node: String,
        /// The optime of the checkpoint.
        since: OpTime,
    },
    /// The feed goes on from another source than the one that the checkpoint was reached with.
    #[error(
        "{source_node} is not the source that was followed: {what}: correct the uri, or sync the replica anew with `oplogsync resync NODE --confirm NODE`"
    )]
    OtherSource {
        /// The source.
        source_node: String,
        /// What is different.
        what: String,
    },
    /// The source no longer is where it was: what it held at the checkpoint it does not hold now.
    #[error(
        "{source_node} went back in time: {what}: it was restored from a backup, or lost writes; compare with `oplogsync verify`, then sync the replica anew with `oplogsync resync NODE --confirm NODE`"
    )]
    Rewound {
        /// The source.
        source_node: String,
        /// How it shows.
        what: String,
    },
    /// The checkpoint was reached through something else that keeps what the source tells.
    #[error(
        "the checkpoint was not reached by the change stream of {source_node}: put the `[feed] spool` back that it was reached with, or sync the replica anew with `oplogsync resync NODE --confirm NODE`"
    )]
    NoToken {
        /// The source.
        source_node: String,
    },
    /// The feed has no beginning that a target without a checkpoint could start from.
    #[error("{source_node} tells changes only, not what was before them: the replica needs an initial sync first")]
    NoBeginning {
        /// The source.
        source_node: String,
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
            Self::Store(error) => {
                matches!(error.fault(), Fault::Corrupt | Fault::Incompatible | Fault::Unreplicable { .. })
            }
            _ => false,
        }
    }
}
