//! [`Replica`]: a running replicator, watched.

use std::{sync::Arc, time::Duration};

use oplogsync_core::{
    feed::Feed,
    host::SystemHost,
    initial_sync::SyncTarget,
    replicator::{Event, Observer, Replicator},
};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

use crate::writers::chain;

/// What a replicator has told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    /// The checkpoint that it came to.
    pub(crate) index: u64,
    /// Steps that failed and were tried again.
    pub(crate) retried: u64,
    /// The last failure.
    failure: String,
}

struct Watch(watch::Sender<Told>);

impl Observer for Watch {
    fn observe(&self, event: Event<'_>) {
        self.0.send_modify(|told| match event {
            Event::Applied(step) | Event::CaughtUp(step) => {
                told.index = step.progress.checkpoint.map_or(0, |anchor| anchor.position.index);
            }
            Event::Retrying { error, .. } => {
                told.retried += 1;
                told.failure = chain(error);
            }
            Event::Stopped { error, .. } => told.failure = format!("STOPPED: {}", chain(error)),
        });
    }
}

/// A replicator that runs until it is told to end.
pub(crate) struct Replica {
    pub(crate) told: watch::Receiver<Told>,
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Replica {
    pub(crate) fn start<F, D>(mut replicator: Replicator<F, D, SystemHost>) -> Self
    where
        F: Feed + 'static,
        D: SyncTarget + Clone + 'static,
    {
        let (end, ended) = oneshot::channel();
        let (sender, told) = watch::channel(Told::default());
        let watch = Arc::new(Watch(sender));
        let task = tokio::spawn(async move {
            let until = async { drop(ended.await) };
            if let Err(error) = replicator.run(until, &*watch).await {
                panic!("the replica has stopped: {}", chain(&error));
            }
            replicator.close().await.expect("it gives its lease back");
        });
        Self { told, end, task }
    }

    /// Waits until it has applied the entry at `index`; fails when it has stopped instead.
    pub(crate) async fn wait_for(&mut self, index: u64) {
        let limit = Duration::from_secs(90);
        let reached = tokio::time::timeout(limit, self.told.wait_for(|told| told.index >= index)).await;
        let reached = reached.map(|reached| reached.is_ok());
        assert!(reached == Ok(true), "the replica does not reach {index}: {:?}", self.told.borrow());
    }

    pub(crate) async fn end(self) {
        self.end.send(()).expect("it runs");
        self.task.await.expect("it has not stopped");
    }
}
