//! L10: when faults and writes stop, every replica reaches the head within a bounded number of
//! polls, and is then equal to its primary.

use std::sync::atomic::{AtomicU32, Ordering};

use oplogsync_core::{
    limits::Limits,
    log::Log,
    replicator::{Event, Observer},
    testing::{manual_host::ManualHost, strategies},
    verify::{VerifyMode, VerifyOptions, compare},
    write::Write,
};
use proptest::{collection::vec, prelude::*};
use tokio::sync::Notify;

use crate::cluster::{Nodes, cases, check_prefix, on_every_store, open_primary, replicator};

/// Counts what happens, and says when the target is at the head.
#[derive(Default)]
struct Witness {
    retries: AtomicU32,
    steps: AtomicU32,
    caught_up: Notify,
}

impl Observer for Witness {
    fn observe(&self, event: Event<'_>) {
        match event {
            Event::Retrying { .. } => self.retries.fetch_add(1, Ordering::Relaxed),
            Event::Applied(_) => self.steps.fetch_add(1, Ordering::Relaxed),
            Event::CaughtUp(_) => {
                self.caught_up.notify_one();
                0
            }
            Event::Stopped { error, .. } => panic!("the target stopped: {error}"),
        };
    }
}

async fn replicas_converge<N: Nodes>(writes: Vec<Write>, limits: Limits, seed: u64) {
    let (source, host) = (N::node("db1"), ManualHost::hurried(seed));
    let targets = [N::node("db2"), N::node("db3")];
    let primary = open_primary(&source, &host, limits).await.unwrap();
    for (number, write) in writes.into_iter().enumerate() {
        // What is refused is no matter here.
        let _ = primary.write(write).await;
        if number % 5 == 0 {
            let mut replicator = replicator(&source, &targets[0], &host, limits);
            targets[0].storm(seed, 3);
            let _ = replicator.step().await;
            targets[0].revive();
        }
    }
    let head = source.log_ends().await.unwrap().unwrap().head.position.index;
    for target in &targets {
        // While the storm lasts it is tried again and again, and nothing stops.
        source.storm(seed, 4);
        target.storm(!seed, 4);
        let witness = Witness::default();
        let mut runner = replicator(&source, target, &host, limits);
        runner.run(witness.caught_up.notified(), &witness).await.unwrap();
        source.revive();
        target.revive();
        // In calm weather it takes no more polls than there are entries, and then one.
        let behind = head - check_prefix(source.inner(), target.inner()).await;
        let mut calm = replicator(&source, target, &host, limits);
        for poll in 0.. {
            assert!(poll <= behind, "L10: {poll} polls for {behind} entries");
            if calm.step().await.unwrap().progress.behind == 0 {
                break;
            }
        }
        let options = VerifyOptions { mode: VerifyMode::Full, rechecks: 0, ..VerifyOptions::default() };
        let report = compare(source.inner(), target.inner(), &host, options).await.unwrap();
        assert!(report.is_equal(), "{report:?}");
    }
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn replicas_reach_the_head_and_are_equal_when_faults_and_writes_stop(
        writes in vec(strategies::write(), 1..40), limits in strategies::limits(), seed in any::<u64>()
    ) {
        on_every_store!(replicas_converge(writes, limits, seed));
    }
}
