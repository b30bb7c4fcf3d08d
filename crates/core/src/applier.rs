//! [`Applier`]: applies batches to one target under its lease, and knows how far it has come.

mod catch_up;

use std::{sync::Arc, time::Duration};

use crate::{
    batch::Batch,
    checkpoint::{Checkpoint, Token},
    documents::Applied,
    feed::{FeedError, Fetch},
    filter::Filter,
    host::Host,
    ids::OwnerId,
    initial_sync::{State, SyncTarget},
    lease::{HeldLease, Lease, LeaseName},
    limits::Limits,
    position::Position,
    replicator::ReplicateError,
    retry::{Decision, decide},
    store_error::{Fault, StoreError},
    view::View,
};

/// Applies batches to one target. A replica and a primary use it alike: a primary is replica 0 of
/// its own log. After a failed apply it no longer knows the target and must read again, or be opened anew.
#[derive(Debug)]
pub(crate) struct Applier<D> {
    target: D,
    name: String,
    owner: OwnerId,
    lease: Arc<HeldLease<D>>,
    checkpoint: Option<Checkpoint>,
    token: Option<Token>,
    unfinished: Option<u64>,
    view: View,
    /// What the target remembers of its copy, until it has caught up.
    copied: Option<State>,
}

impl<D: SyncTarget + Clone> Applier<D> {
    /// Takes the target's lease and reads how far it has come.
    pub(crate) async fn open(
        target: &D,
        node: &str,
        mine: Lease,
        host: &impl Host,
        term: Duration,
        filter: &Filter,
    ) -> Result<Self, ReplicateError> {
        let owner = mine.owner;
        let lease = HeldLease::acquire(target.clone(), node, LeaseName::Documents, mine, host, term).await?;
        let copied = State::read(&target.notes().await?)?;
        let view = View::through(filter.clone()).catching_up(copied.as_ref().and_then(State::catch_up).map(Into::into));
        let checkpoint = target.checkpoint().await?;
        let resume = target.resume().await?;
        let unfinished = target.unfinished().await?;
        let refusal = if copied.is_some() && view.catch_up().is_none() {
            Some(ReplicateError::Unsynced { target: node.to_owned() })
        } else if checkpoint.is_some() && resume.filter != filter.id() {
            Some(ReplicateError::OtherFilter { target: node.to_owned() })
        } else {
            None
        };
        if let Some(refusal) = refusal {
            // Whoever mends what is wrong need not wait; a lease that cannot be given back lapses.
            let _lapses = lease.release().await;
            return Err(refusal);
        }
        if checkpoint.is_none()
            && unfinished.is_none()
            && let Some(ns) = target.namespaces().await?.into_iter().next()
        {
            // A rival may have begun since the checkpoint was read.
            return Err(match (target.checkpoint().await?, target.unfinished().await?) {
                (None, None) => ReplicateError::TargetNotEmpty { target: node.to_owned(), ns },
                (moved, _) => {
                    let found = moved.map_or_else(Position::default, |checkpoint| checkpoint.anchor.position);
                    StoreError::new(node, "begin at its checkpoint", Fault::CheckpointMoved { found }).into()
                }
            });
        }
        let (target, name, lease, token) = (target.clone(), node.to_owned(), Arc::new(lease), resume.token);
        Ok(Self { target, name, owner, lease, checkpoint, token, unfinished, view, copied })
    }

    /// The same lease, after a failed apply: reads again how far the target has come.
    pub(crate) async fn read_again(self) -> Result<Self, StoreError> {
        let checkpoint = self.target.checkpoint().await?;
        let token = self.target.resume().await?.token;
        let unfinished = self.target.unfinished().await?;
        Ok(Self { checkpoint, token, unfinished, ..self })
    }

    /// The lease, to be kept while something takes long.
    pub(crate) fn lease(&self) -> &Arc<HeldLease<D>> {
        &self.lease
    }

    /// What is durably applied.
    pub(crate) fn checkpoint(&self) -> Option<Checkpoint> {
        self.checkpoint
    }

    /// Where the feed goes on, if a position is not enough.
    pub(crate) fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// What the target makes of the entries to come, as far as it is known.
    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// Whether what was copied is still from different moments, and its indexes are not built.
    pub(crate) fn is_catching_up(&self) -> bool {
        self.copied.is_some()
    }

    /// The index of the last applied entry.
    pub(crate) fn index(&self) -> u64 {
        self.checkpoint.map_or(0, |checkpoint| checkpoint.anchor.position.index)
    }

    /// Whether a batch was begun and perhaps written in part.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.unfinished.is_some()
    }

    /// The bounds of the next batch: exactly the unfinished one if there is one; not across
    /// `alone`, so that the entry at that index is a batch of its own; else `limits`.
    pub(crate) fn window(&self, limits: Limits, alone: Option<u64>) -> Limits {
        let until = |index: u64| usize::try_from(index.saturating_sub(self.index())).unwrap_or(usize::MAX);
        match (self.unfinished, alone) {
            (Some(end), _) => Limits { entries_max: until(end), bytes_max: usize::MAX },
            (None, Some(alone)) => {
                Limits { entries_max: until(alone.saturating_sub(1)).min(limits.entries_max).max(1), ..limits }
            }
            (None, None) => limits,
        }
    }

    /// Whether a fetch yields the batch that was begun before, if one was: its source then held that
    /// batch durably, so one that does not hold it any more has been restored or rewritten.
    pub(crate) fn check_fetch(&self, fetch: &Fetch) -> Result<(), FeedError> {
        let Some(end) = self.unfinished else { return Ok(()) };
        let found = fetch.batch.as_ref().map_or(self.index(), |batch| batch.last().position.index);
        if found == end {
            return Ok(());
        }
        let begun = Position { index: end, ..self.checkpoint.map_or_else(Position::default, |at| at.anchor.position) };
        if fetch.head.position.index < end {
            return Err(FeedError::WentBack { checkpoint: begun, head: fetch.head.position });
        }
        Err(FeedError::Diverged { at: begun })
    }

    /// What a feed says about a checkpoint counts only while the target still stands there: one who
    /// was paused asks with the checkpoint of before, and a rival has gone on since.
    pub(crate) async fn judge(&self, node: &str, error: ReplicateError) -> Result<ReplicateError, StoreError> {
        if !matches!(error, ReplicateError::Feed(_)) || decide(&error) == Decision::Retry {
            return Ok(error);
        }
        match self.target.checkpoint().await? {
            Some(stored) if Some(stored) != self.checkpoint => {
                let found = stored.anchor.position;
                let moved = StoreError::new(node, "go on from its checkpoint", Fault::CheckpointMoved { found });
                Ok(moved.because(error).into())
            }
            _ => Ok(error),
        }
    }

    /// Applies a batch that follows the checkpoint.
    pub(crate) async fn apply(&mut self, batch: Batch) -> Result<Applied, ReplicateError> {
        let batch = batch.seen(self.view.clone());
        if let [entry] = batch.entries() {
            self.heed_command(entry).await?;
        }
        let applied = self.target.apply(&batch, self.owner).await?;
        self.checkpoint = Some(Checkpoint { log: batch.log(), anchor: batch.last() });
        self.token = batch.token().cloned();
        self.unfinished = None;
        Ok(applied)
    }
}
