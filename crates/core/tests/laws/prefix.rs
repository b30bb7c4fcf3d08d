//! L5, between batches a replica is the fold of the log up to its checkpoint; L6, the checkpoint
//! comes after the data and never goes back.

use oplogsync_core::{
    entry::Entry,
    limits::Limits,
    log::{Appended, Log},
    replicator::{ReplicateError, Step},
    store_error::Fault,
    testing::{chain::log_id, manual_host::ManualHost, strategies},
};
use proptest::prelude::*;

use crate::cluster::{Nodes, cases, check_prefix, on_every_store, replicator};

/// A replica follows a log that grows, through faults of both nodes and restarts of its process.
async fn a_replica_is_a_prefix_at_every_moment<N: Nodes>(entries: Vec<Entry>, limits: Limits, seed: u64) {
    let (source, target, host) = (N::node("db1"), N::node("db2"), ManualHost::hurried(seed));
    source.inner().create_log(log_id(1)).await.unwrap();
    let (mut checkpoint, mut first) = (0, replicator(&source, &target, &host, limits));
    let mut rest = entries.as_slice();
    source.storm(seed, 5);
    target.storm(!seed, 5);
    for round in 0.. {
        if !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(3));
            assert_eq!(source.inner().append(now).await.unwrap(), Appended::All);
            rest = later;
        }
        // Whatever fails, the next step goes on from where the target really is.
        let _ = first.step().await;
        let index = check_prefix(source.inner(), target.inner()).await;
        assert!(index >= checkpoint, "L6: the checkpoint went back from {checkpoint} to {index}");
        checkpoint = index;
        if round % 5 == 4 {
            first = replicator(&source, &target, &host, limits);
        }
        if checkpoint == entries.len() as u64 {
            break;
        }
        assert!(round < 2_000, "L10: the replica does not arrive");
    }
}

/// Two processes apply to one target, taking turns in taking it over from each other: whatever
/// the loser still has in hand is refused.
async fn two_replicators_do_no_harm<N: Nodes>(entries: Vec<Entry>, limits: Limits, turns: Vec<bool>) {
    let (source, target, host) = (N::node("db1"), N::node("db2"), ManualHost::hurried(7));
    source.create_log(log_id(1)).await.unwrap();
    source.append(&entries).await.unwrap();
    let mut one = replicator(&source, &target, &host, limits);
    let mut other = replicator(&source, &target, &host, limits);
    let mut checkpoint = 0;
    for turn in turns {
        let step = if turn { one.step().await } else { other.step().await };
        assert_is_done_or_told_of_a_rival(&step);
        let index = check_prefix(source.inner(), target.inner()).await;
        assert!(index >= checkpoint, "L6: the checkpoint went back from {checkpoint} to {index}");
        checkpoint = index;
    }
    // Left alone, either of them gets to the head.
    for (number, last) in [&mut one, &mut other].into_iter().enumerate() {
        // Its first step may find out that the other one was here.
        for polls in 0.. {
            assert!(polls <= entries.len() + 1, "L10: replicator {number} does not arrive");
            let step = last.step().await;
            assert_is_done_or_told_of_a_rival(&step);
            if step.is_ok_and(|step| step.progress.behind == 0) {
                break;
            }
        }
        assert_eq!(check_prefix(source.inner(), target.inner()).await, entries.len() as u64);
    }
}

fn assert_is_done_or_told_of_a_rival(step: &Result<Step, ReplicateError>) {
    let Err(error) = step else { return };
    let ReplicateError::Target(store) = error else { panic!("{error:?}") };
    assert!(matches!(store.fault(), Fault::Busy { .. } | Fault::CheckpointMoved { .. }), "{error:?}");
}

/// The replica's process dies at every single call of a run.
async fn death_at_every_call<N: Nodes>(entries: Vec<Entry>, limits: Limits, done: bool) {
    for calls in 0.. {
        let (source, target, host) = (N::node("db1"), N::node("db2"), ManualHost::hurried(calls));
        source.create_log(log_id(1)).await.unwrap();
        source.append(&entries).await.unwrap();
        target.die_after(calls, done);
        let mut first = replicator(&source, &target, &host, limits);
        while first.step().await.is_ok_and(|step| step.progress.behind > 0) {}
        let died = target.is_dead();
        target.revive();
        check_prefix(source.inner(), target.inner()).await;
        let mut second = replicator(&source, &target, &host, limits);
        while second.step().await.unwrap().progress.behind > 0 {
            check_prefix(source.inner(), target.inner()).await;
        }
        assert_eq!(check_prefix(source.inner(), target.inner()).await, entries.len() as u64);
        if !died {
            break;
        }
    }
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn a_replica_is_the_fold_of_the_log_up_to_its_checkpoint_whatever_fails(
        entries in strategies::entries(40), limits in strategies::limits(), seed in any::<u64>()
    ) {
        on_every_store!(a_replica_is_a_prefix_at_every_moment(entries, limits, seed));
    }

    #[test]
    fn two_processes_on_one_target_do_no_harm(
        entries in strategies::entries(40),
        limits in strategies::limits(),
        turns in prop::collection::vec(any::<bool>(), 1..20),
    ) {
        on_every_store!(two_replicators_do_no_harm(entries, limits, turns));
    }
}

proptest! {
    #![proptest_config(cases(6))]

    #[test]
    fn a_replica_survives_a_death_at_any_call(
        entries in strategies::entries(12), limits in strategies::limits(), done in any::<bool>()
    ) {
        on_every_store!(death_at_every_call(entries, limits, done));
    }
}
