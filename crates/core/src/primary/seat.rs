//! [`Seat`]: what a primary knows while it holds its node's leases.

use crate::{
    applier::Applier,
    clock::HybridClock,
    entry::Entry,
    feed::{Feed, FeedError, OplogFeed},
    filter::Filter,
    host::Host,
    ids::LogId,
    initial_sync::SyncTarget,
    lease::{HeldLease, Lease, LeaseName},
    log::Log,
    planted::{Bug, is_planted},
    position::Anchor,
    replicator::ReplicateError,
    store_error::StoreError,
};

use super::{Desk, PrimaryError};

/// What a primary knows while it holds its node's leases; given up after any failure.
#[derive(Debug)]
pub(super) struct Seat<S> {
    pub(super) log: LogId,
    /// The newest entry; the documents have been brought up to it.
    pub(super) head: Anchor,
    pub(super) clock: HybridClock,
    /// Whether this seat has raised the term, as its first entry.
    pub(super) term_begun: bool,
    pub(super) applier: Applier<S>,
    lease: HeldLease<S>,
}

impl<S: Log + SyncTarget + Clone> Seat<S> {
    /// Takes the leases, creates the log if there is none, and rolls the documents forward.
    pub(super) async fn take<H: Host>(desk: &Desk<S, H>) -> Result<Self, PrimaryError> {
        let Desk { store, host, options, owner, .. } = desk;
        let term = options.lease_term;
        let mine = Lease { owner: *owner, holder: options.holder.clone(), beat: 0 };
        let lease = HeldLease::acquire(store.clone(), &options.node, LeaseName::Log, mine.clone(), host, term).await?;
        let (log, applier) = tokio::select! {
            biased;
            ready = desk.roll_forward(mine) => ready?,
            lost = lease.keep(host, term) => return Err(lost.into()),
        };
        let head = applier.checkpoint().map_or_else(|| Entry::origin(log), |checkpoint| checkpoint.anchor);
        Ok(Self { log, head, clock: HybridClock::after(head.optime), term_begun: false, applier, lease })
    }

    /// Renews the leases if that is due.
    pub(super) async fn keep<H: Host>(&self, desk: &Desk<S, H>) -> Result<(), StoreError> {
        self.lease.renew_when_due(&desk.host, desk.options.lease_term).await?;
        self.applier.lease().renew_when_due(&desk.host, desk.options.lease_term).await
    }

    /// Gives the leases back.
    pub(super) async fn release(self) -> Result<(), StoreError> {
        self.applier.lease().release().await?;
        self.lease.release().await
    }
}

impl<S: Log + SyncTarget + Clone, H: Host> Desk<S, H> {
    /// Takes the documents' lease, creates the log if there is none, and applies what the
    /// documents have not got yet: a primary is replica 0 of its own log.
    async fn roll_forward(&self, mine: Lease) -> Result<(LogId, Applier<S>), PrimaryError> {
        let Self { store, host, options, .. } = self;
        let applier = Applier::open(store, &options.node, mine, host, options.lease_term, &Filter::everything()).await;
        let mut applier = applier.map_err(|source| self.roll_forward_failed(source))?;
        let ends = match (store.log_ends().await?, applier.checkpoint()) {
            (Some(ends), _) => ends,
            (None, None) => store.create_log(LogId::from_bytes(host.random())).await?,
            (None, Some(checkpoint)) => {
                return Err(PrimaryError::Replica { node: options.node.clone(), log: checkpoint.log });
            }
        };
        if !is_planted(Bug::NoRollForward) {
            self.apply_rest(&mut applier).await.map_err(|source| self.roll_forward_failed(source))?;
        }
        Ok((ends.log, applier))
    }

    async fn apply_rest(&self, applier: &mut Applier<S>) -> Result<(), ReplicateError> {
        let feed = OplogFeed::new(self.store.clone(), self.options.node.clone());
        loop {
            applier.lease().renew_when_due(&self.host, self.options.lease_term).await?;
            let window = applier.window(self.options.limits, None);
            let fetched = feed.fetch(applier.checkpoint(), None, window).await;
            let checked = fetched.and_then(|fetch| applier.check_fetch(&fetch).map(|()| fetch));
            let batch = match checked {
                Ok(fetch) => fetch.batch,
                Err(error) => return Err(applier.judge(&self.options.node, error.into()).await?),
            };
            match batch {
                Some(batch) => applier.apply(batch).await?,
                None => return Ok(()),
            };
        }
    }

    fn roll_forward_failed(&self, source: ReplicateError) -> PrimaryError {
        match source {
            ReplicateError::Target(store) | ReplicateError::Feed(FeedError::Store(store)) => PrimaryError::Store(store),
            source => PrimaryError::RollForward { node: self.options.node.clone(), source },
        }
    }
}
