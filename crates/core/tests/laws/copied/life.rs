//! [`Life`]: one run of a follower, until it is killed.

use std::sync::atomic::{AtomicU64, Ordering};

use oplogsync_core::{
    feed::Feed,
    follower::Follower,
    initial_sync::{InitialSync, SyncEvent, SyncObserver, SyncOptions, SyncSource, SyncTarget},
    replicator::{Event, Observer, ReplicatorOptions},
    testing::{
        faulty::{Action, Call, Faulty},
        manual_host::ManualHost,
        random::Random,
    },
};
use tokio::sync::watch;

use super::totals::Totals;

/// How many lives a follower has; in the last one it arrives.
pub(crate) const LIVES: u64 = 8;

/// One run of a follower.
pub(crate) struct Life<'a> {
    pub(crate) seed: u64,
    pub(crate) replication: &'a ReplicatorOptions,
    pub(crate) sync: &'a SyncOptions,
    pub(crate) is_last: bool,
    /// What happens whenever something is copied.
    pub(crate) meanwhile: &'a (dyn Fn() + Sync),
}

/// Sees what happens, and whether the target is at the head.
struct Witness<'a> {
    meanwhile: &'a (dyn Fn() + Sync),
    is_at_head: watch::Sender<bool>,
    resumed: AtomicU64,
    again: AtomicU64,
    retries: AtomicU64,
}

impl Observer for Witness<'_> {
    fn observe(&self, event: Event<'_>) {
        match event {
            Event::CaughtUp(step) => drop(self.is_at_head.send_replace(step.progress.behind == 0)),
            Event::Retrying { .. } => drop(self.retries.fetch_add(1, Ordering::Relaxed)),
            _ => {}
        }
    }
}

impl SyncObserver for Witness<'_> {
    fn observe_sync(&self, event: SyncEvent<'_>) {
        let counter = match event {
            SyncEvent::Begun(progress) if progress.before.documents > 0 => &self.resumed,
            SyncEvent::Again { .. } => &self.again,
            SyncEvent::Retrying { .. } => &self.retries,
            SyncEvent::Copied { .. } | SyncEvent::Ended(_) => return (self.meanwhile)(),
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Life<'_> {
    /// Runs a follower of these until it is killed: at a random moment, or, when it is the last, when the
    /// target is at the head.
    pub(crate) async fn live<F, S, T>(&self, (feed, source): (&F, &S), target: &Faulty<T>, totals: &mut Totals)
    where
        F: Feed + Clone,
        S: SyncSource + Clone,
        T: SyncTarget + Clone,
    {
        let host = ManualHost::hurried(self.seed);
        let (feed, source) = (feed.clone(), source.clone());
        let (replication, sync) = (self.replication.clone(), self.sync.clone());
        let follower = Follower::new("target", feed, source, target.clone(), host, replication, sync);
        let witness = Witness {
            meanwhile: self.meanwhile,
            is_at_head: watch::Sender::new(false),
            resumed: AtomicU64::new(0),
            again: AtomicU64::new(0),
            retries: AtomicU64::new(0),
        };
        // Dropped in the middle, as a kill ends it.
        let ended = tokio::select! {
            biased;
            ended = follower.run(std::future::pending(), &witness) => Some(ended),
            () = self.death(target, &witness) => None,
        };
        if let Some(ended) = ended {
            let error = ended.expect_err("nobody asked for a stop");
            assert!(!self.is_last, "{error}: {error:?}");
        }
        totals.resumed += witness.resumed.into_inner();
        totals.again += witness.again.into_inner();
        totals.retries += witness.retries.into_inner();
    }

    /// Asks for everything to be copied anew, however far a copy has come.
    pub(crate) async fn ask_for_all<F, S, T>(&self, (feed, source): (&F, &S), target: &T)
    where
        F: Feed,
        S: SyncSource,
        T: SyncTarget + Clone,
    {
        let host = ManualHost::hurried(self.seed);
        InitialSync::new("target", feed, source, target, &host, self.sync).request().await.unwrap();
    }

    async fn death<T>(&self, target: &Faulty<T>, witness: &Witness<'_>) {
        if self.is_last {
            witness.is_at_head.subscribe().wait_for(|is_at_head| *is_at_head).await.unwrap();
            return;
        }
        // One at the head goes on to renew its lease.
        let calls = target.calls() + 20 + Random::new(self.seed).below(250);
        while target.calls() < calls {
            tokio::task::yield_now().await;
        }
    }
}

/// Makes a target fail now and then, or be cut off in the middle of a call, or die.
pub(crate) fn trouble<S>(target: &Faulty<S>, random: &mut Random) {
    match random.below(4) {
        0 => target.storm(random.draw(), 10),
        1 => target.die_after(random.below(120), random.below(2) == 0),
        _ => {
            for call in [Call::PutNotes, Call::PutNotes, Call::BeginAt, Call::Wipe, Call::Copy, Call::Apply] {
                for _ in 0..random.below(6) {
                    target.plan(call, Action::Pass);
                }
                target.plan(call, Action::Tear);
            }
        }
    }
}
