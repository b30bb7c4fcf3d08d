//! [`Follower`]: a target in memory that follows a source, watched.

use std::time::Duration;

use oplogsync_core::{
    clock::OpTime,
    documents::Documents,
    follower as core,
    host::SystemHost,
    initial_sync::{InitialSync, SyncEvent, SyncObserver, SyncOptions, SyncProgress},
    limits::Limits,
    memory::MemoryStore,
    replicator::{Event, Observer, Replicator, ReplicatorOptions},
};
use oplogsync_store_mongo::ChangeStreamFeed;
use tokio::{
    sync::{oneshot, watch},
    task::JoinSet,
};

use super::source::Source;
use crate::writers::chain;

/// A lease that somebody left behind is taken over soon.
pub(crate) const LEASE_TERM: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_secs(90);

/// What a replicator has told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    /// The time of the checkpoint that it came to.
    pub(crate) at: OpTime,
    /// How many entries each batch had.
    pub(crate) batches: Vec<usize>,
    /// How far a copy was when it began, for each time that one began.
    pub(crate) begun: Vec<SyncProgress>,
    /// How many documents were copied.
    pub(crate) copied: u64,
    /// Whether the target has been seen to be behind nothing.
    pub(crate) caught_up: bool,
    /// Steps that failed and were tried again, and why.
    pub(crate) retried: Vec<String>,
    /// Why it has stopped.
    pub(crate) stopped: Option<String>,
}

struct Watch(watch::Sender<Told>);

impl Observer for Watch {
    fn observe(&self, event: Event<'_>) {
        self.0.send_modify(|told| match event {
            Event::Applied(step) => {
                told.at = step.progress.checkpoint.map(|anchor| anchor.optime).unwrap_or_default();
                told.batches.push(step.entries);
            }
            Event::CaughtUp(step) => {
                told.at = step.progress.checkpoint.map(|anchor| anchor.optime).unwrap_or_default();
                told.caught_up = true;
            }
            Event::Retrying { error, .. } => told.retried.push(chain(error)),
            Event::Stopped { .. } => {}
        });
    }
}

impl SyncObserver for Watch {
    fn observe_sync(&self, event: SyncEvent<'_>) {
        self.0.send_modify(|told| match event {
            SyncEvent::Begun(progress) => told.begun.push(progress),
            SyncEvent::Copied { progress, .. } => told.copied = progress.copied.documents,
            SyncEvent::Retrying { error, .. } => told.retried.push(chain(error)),
            SyncEvent::Again { .. } | SyncEvent::Ended(_) | SyncEvent::Stopped { .. } => {}
        });
    }
}

/// A target that is copied from a source if need be and then follows it, until it is told to end.
pub(crate) struct Follower {
    pub(crate) told: watch::Receiver<Told>,
    end: oneshot::Sender<()>,
    task: JoinSet<()>,
}

/// Copies what the source holds, or goes on with that.
pub(crate) async fn copy(source: &Source, target: &MemoryStore) {
    let (feed, snapshots) = (source.feed(), source.snapshots());
    let options = SyncOptions { filter: source.filter.clone(), lease_term: LEASE_TERM, ..SyncOptions::default() };
    let sync = InitialSync::new("target", &feed, &snapshots, target, &SystemHost, &options);
    sync.run(&()).await.unwrap_or_else(|error| panic!("{}", chain(&error)));
}

/// A target that holds what the source does, and follows it.
pub(crate) async fn synced(source: &Source) -> (MemoryStore, Follower) {
    let target = MemoryStore::new("target");
    let mut follower = Follower::start(source, &target);
    follower.catch_up(source).await;
    (target, follower)
}

fn replication(source: &Source, limits: Limits) -> ReplicatorOptions {
    ReplicatorOptions { filter: source.filter.clone(), limits, lease_term: LEASE_TERM, ..ReplicatorOptions::default() }
}

/// What brings a target that was copied further step by step.
pub(crate) fn replicator(
    source: &Source,
    target: &MemoryStore,
    limits: Limits,
) -> Replicator<ChangeStreamFeed, MemoryStore, SystemHost> {
    Replicator::new("target", source.feed(), target.clone(), SystemHost, replication(source, limits))
}

impl Follower {
    pub(crate) fn start(source: &Source, target: &MemoryStore) -> Self {
        Self::with(source, target, SyncOptions::default())
    }

    pub(crate) fn with(source: &Source, target: &MemoryStore, sync: SyncOptions) -> Self {
        let (feed, snapshots) = (source.feed(), source.snapshots());
        let options = replication(source, Limits::default());
        let follower = core::Follower::new("target", feed, snapshots, target.clone(), SystemHost, options, sync);
        let (end, ended) = oneshot::channel();
        let (sender, told) = watch::channel(Told::default());
        let mut task = JoinSet::new();
        task.spawn(async move {
            let watch = Watch(sender);
            let until = async { drop(ended.await) };
            if let Err(error) = follower.run(until, &watch).await {
                watch.0.send_modify(|told| told.stopped = Some(chain(&error)));
            }
        });
        Self { told, end, task }
    }

    /// Waits until it has applied everything up to a time; fails when it has stopped instead.
    pub(crate) async fn wait_for(&mut self, at: OpTime) {
        let told = self.wait_until(|told| told.at >= at || told.stopped.is_some()).await;
        assert_eq!(told.stopped, None, "{:?}", told.retried);
    }

    /// Waits until it has applied everything that the source holds.
    pub(crate) async fn catch_up(&mut self, source: &Source) {
        self.wait_for(source.now().await).await;
    }

    /// Waits until it has stopped, and why.
    pub(crate) async fn wait_for_stop(&mut self) -> String {
        let told = self.wait_until(|told| told.stopped.is_some()).await;
        told.stopped.unwrap_or_default()
    }

    pub(crate) async fn wait_until(&mut self, reached: impl FnMut(&Told) -> bool) -> Told {
        let told = tokio::time::timeout(PATIENCE, self.told.wait_for(reached)).await;
        let told = told.ok().and_then(|told| told.ok().map(|told| told.clone()));
        told.unwrap_or_else(|| panic!("the target does not get there: {:?}", self.told.borrow()))
    }

    /// Ends it after the batch in hand.
    pub(crate) async fn end(self) -> Told {
        let told = self.told.clone();
        self.end.send(()).ok();
        self.task.join_all().await;
        told.borrow().clone()
    }

    /// Ends it at once, wherever it is. What it held of the target's lease lapses.
    pub(crate) async fn kill(mut self) -> Told {
        let told = self.told.clone();
        self.task.shutdown().await;
        told.borrow().clone()
    }
}

/// The time of a target's checkpoint.
pub(crate) async fn checkpoint(target: &MemoryStore) -> OpTime {
    let checkpoint = target.checkpoint().await.expect("it is read");
    checkpoint.map(|checkpoint| checkpoint.anchor.optime).unwrap_or_default()
}
