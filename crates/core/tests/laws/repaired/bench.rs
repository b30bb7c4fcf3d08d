//! [`Bench`]: a primary and a replica that somebody else writes to.

use oplogsync_core::{
    command::Action,
    feed::OplogFeed,
    filter::Filter,
    follower::{FollowError, Follower},
    initial_sync::{LogSource, SyncEvent, SyncObserver, SyncOptions},
    limits::Limits,
    primary::{Primary, WriteError},
    repair::{Repair, RepairError, RepairOptions, Repaired},
    replicator::{Event, Observer, ReplicatorOptions},
    testing::manual_host::ManualHost,
    verify::{VerifyOptions, compare},
    write::Write,
};
use tokio::sync::Notify;

use crate::cluster::{Node, Nodes, Store, open_primary};

/// What is done to a primary.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    Write(Write),
    Command(Action),
}

/// Says when a target is at the head.
#[derive(Default)]
pub(crate) struct AtHead(pub(crate) Notify);

impl Observer for AtHead {
    fn observe(&self, event: Event<'_>) {
        if let Event::CaughtUp(step) = event
            && step.progress.behind == 0
        {
            self.0.notify_one();
        }
    }
}

impl SyncObserver for AtHead {
    fn observe_sync(&self, _event: SyncEvent<'_>) {}
}

/// A primary and a replica.
pub(crate) struct Bench<S: Store> {
    pub(crate) source: Node<S>,
    pub(crate) target: Node<S>,
    pub(crate) host: ManualHost,
    pub(crate) filter: Filter,
    primary: Primary<Node<S>, ManualHost>,
}

pub(crate) fn options(filter: &Filter) -> VerifyOptions {
    VerifyOptions { rechecks: 0, filter: filter.clone(), ..VerifyOptions::default() }
}

impl<S: Store> Bench<S> {
    pub(crate) async fn new<N: Nodes<Store = S>>(filter: Filter, seed: u64) -> Self {
        let (source, target, host) = (N::node("db1"), N::node("db2"), ManualHost::hurried(seed));
        // Others run between any two calls.
        source.storm(seed, u64::MAX);
        let primary = open_primary(&source, &host, Limits::default()).await.unwrap();
        Self { source, target, host, filter, primary }
    }

    /// Does all that the primary does not refuse.
    pub(crate) async fn do_all(&self, deeds: Vec<Deed>) {
        for deed in deeds {
            let done = match deed {
                Deed::Write(write) => self.primary.write(write).await,
                Deed::Command(action) => self.primary.run(action).await,
            };
            assert!(matches!(done, Ok(_) | Err(WriteError::Refused(_))), "{done:?}");
        }
    }

    /// Follows until the replica is at the head.
    pub(crate) async fn follow(&self) -> Result<(), FollowError> {
        let limits = Limits { entries_max: 3, ..Limits::default() };
        let options = ReplicatorOptions { limits, filter: self.filter.clone(), ..ReplicatorOptions::default() };
        let feed = OplogFeed::new(self.source.clone(), "db1");
        let source = LogSource::new(self.source.clone(), "db1");
        let (target, host, sync) = (self.target.inner().clone(), self.host.clone(), SyncOptions::default());
        let follower = Follower::new("db2", feed, source, target, host, options, sync);
        let at_head = AtHead::default();
        follower.run(at_head.0.notified(), &at_head).await
    }

    /// Compares the replica with the primary, and mends it.
    pub(crate) async fn repair(&self) -> Result<Repaired, RepairError> {
        let report =
            compare(self.source.inner(), self.target.inner(), &self.host, options(&self.filter)).await.unwrap();
        let feed = OplogFeed::new(self.source.clone(), "db1");
        let source = LogSource::new(self.source.clone(), "db1");
        let options = RepairOptions { filter: self.filter.clone(), ..RepairOptions::default() };
        Repair::new("db2", &feed, &source, &self.target, &self.host, &options).run(&report).await
    }
}
