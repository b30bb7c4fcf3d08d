//! [`Tracker`]: what a replica of the demo has done.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use oplogsync_core::{
    clock::OpTime,
    replicator::{Event, Observer, Step},
};
use tokio::sync::watch;

use super::teller::Teller;
use crate::show::counted;

/// What a replica has done, counted as it does it.
#[derive(Debug)]
pub(super) struct Tracker {
    name: String,
    tally: Mutex<Tally>,
    index: watch::Sender<u64>,
    /// Told of every batch, with the demo's classic timing.
    teller: Option<Teller>,
}

/// The numbers of one node.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    /// Entries applied.
    pub(super) applied: u64,
    /// Changes that were found to be applied already.
    pub(super) repeated: u64,
    /// Failures that passed.
    pub(super) retries: u64,
    /// The optime of the last applied entry.
    pub(super) optime: OpTime,
}

impl Tracker {
    /// A tracker for the replica `name`.
    pub(super) fn new(name: &str, teller: Option<Teller>) -> Self {
        Self { name: name.to_owned(), tally: Mutex::default(), index: watch::Sender::new(0), teller }
    }

    /// The replica's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The numbers so far.
    pub(super) fn tally(&self) -> Tally {
        *self.lock()
    }

    /// The index of the last applied entry.
    pub(super) fn index(&self) -> u64 {
        *self.index.borrow()
    }

    /// Waits until the entry at `index` is applied; returns how long that took.
    pub(super) async fn reached(&self, index: u64) -> Duration {
        let started = Instant::now();
        let mut watched = self.index.subscribe();
        // The sender lives as long as the tracker.
        let _ended = watched.wait_for(|applied| *applied >= index).await;
        started.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn advanced(&self, step: &Step) {
        let Some(checkpoint) = step.progress.checkpoint else { return };
        let mut tally = self.lock();
        tally.applied += step.entries as u64;
        tally.repeated += step.applied.repeated;
        tally.optime = checkpoint.optime;
        drop(tally);
        self.index.send_replace(checkpoint.position.index);
        if let Some(teller) = &self.teller {
            let entries = counted(step.entries as u64, "entry", "entries");
            teller.tell(format_args!("{} applied {entries}, now at {}", self.name, checkpoint.position));
        }
    }
}

impl Observer for Tracker {
    fn observe(&self, event: Event<'_>) {
        match event {
            Event::Applied(step) => self.advanced(step),
            Event::Retrying { .. } => self.lock().retries += 1,
            // What stops a replica ends the demo, with the reason.
            Event::CaughtUp(_) | Event::Stopped { .. } => {}
        }
    }
}
