//! Retention: what a registered replica or the primary itself still needs is never trimmed.

use std::time::Duration;

use oplogsync_core::{
    entry::Entry,
    host::Host,
    limits::Limits,
    log::{Acknowledgement, Log},
    retention::{Retention, trim},
    testing::{
        documents::{namespace, only_id},
        manual_host::ManualHost,
    },
    write::Write,
};
use proptest::{collection::vec, prelude::*};

use crate::cluster::{InMemory, Node, Nodes, block_on, cases, documents, on_every_store, open_primary, replicator};

/// A log of inserts, ten seconds after each other.
async fn log_over_time<N: Nodes>(count: i32) -> (Node<N::Store>, ManualHost, Vec<Entry>) {
    let (source, host) = (N::node("db1"), ManualHost::standing(1));
    let primary = open_primary(&source, &host, Limits::default()).await.unwrap();
    for number in 0..count {
        host.advance(Duration::from_secs(10));
        primary.write(Write::Insert { ns: namespace("items"), document: only_id(number) }).await.unwrap();
    }
    let log = source.read(1, Limits::default()).await.unwrap();
    (source, host, log)
}

async fn only_what_nobody_needs_is_trimmed<N: Nodes>(at: Vec<usize>, age: u64, bounded: bool) {
    let (source, host, log) = log_over_time::<N>(12).await;
    for (number, at) in at.iter().enumerate() {
        let acknowledgement = Acknowledgement { replica: format!("db{number}"), at: log[at % log.len()].anchor() };
        source.acknowledge(&acknowledgement).await.unwrap();
    }
    let age = Duration::from_secs(age);
    let retention = if bounded { Retention::Bounded { age } } else { Retention::UntilAcknowledged { age } };
    trim(source.inner(), retention, host.now()).await.unwrap();

    let slowest = at.iter().map(|at| at % log.len() + 1).min().unwrap_or(0) as u64;
    let cutoff = oplogsync_core::clock::OpTime::from_wall(host.now() - age);
    let expected = log
        .iter()
        .filter(|entry| entry.optime() < cutoff && (bounded || entry.position().index <= slowest))
        .map(|entry| entry.position().index)
        .max();
    let ends = source.log_ends().await.unwrap().unwrap();
    assert_eq!(ends.floor.position.index, expected.unwrap_or(0));
    assert_eq!(ends.head, log.last().unwrap().anchor(), "the head stays");
    let again = trim(source.inner(), retention, host.now()).await.unwrap();
    assert_eq!(again, None, "a second time changes nothing");
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn only_what_is_old_enough_and_acknowledged_by_all_is_trimmed(
        at in vec(any::<usize>(), 0..4), age in 0..150_u64, bounded in any::<bool>()
    ) {
        on_every_store!(only_what_nobody_needs_is_trimmed(at, age, bounded));
    }
}

/// Flaw 15 of the seed: its log grew for ever, and nobody knew what might be trimmed.
#[test]
fn a_replica_that_is_behind_keeps_its_entries_and_reaches_the_head() {
    block_on(async {
        let (source, host, log) = log_over_time::<InMemory>(12).await;
        let target = InMemory::node("db2");
        let mut replicator = replicator(&source, &target, &host, Limits { entries_max: 4, ..Limits::default() });
        // The new term is a batch of its own.
        for _ in 0..2 {
            host.advance(Duration::from_secs(2));
            replicator.step().await.unwrap();
        }
        let floor =
            trim(source.inner(), Retention::UntilAcknowledged { age: Duration::ZERO }, host.now()).await.unwrap();
        assert_eq!(floor, Some(log[4].anchor()));
        while replicator.step().await.unwrap().progress.behind > 0 {}
        trim(source.inner(), Retention::UntilAcknowledged { age: Duration::ZERO }, host.now()).await.unwrap();
        let ends = source.log_ends().await.unwrap().unwrap();
        assert_eq!(ends.floor, log.last().unwrap().anchor(), "what everybody has is not needed");
    });
}

/// A primary that crashed before it applied its newest entries finds them again.
#[test]
fn what_the_primary_has_not_applied_itself_is_not_trimmed() {
    block_on(async {
        let (source, host, log) = log_over_time::<InMemory>(3).await;
        let mut chain = oplogsync_core::testing::chain::Chain::after(
            source.log_ends().await.unwrap().unwrap().log,
            log[3].anchor(),
        );
        source.append(&chain.insert(&namespace("items"), only_id(99)).take()).await.unwrap();
        host.advance(Duration::from_secs(1_000_000_000));
        let floor = trim(source.inner(), Retention::Bounded { age: Duration::ZERO }, host.now()).await.unwrap();
        assert_eq!(floor, Some(log[3].anchor()));
        open_primary(&source, &ManualHost::hurried(2), Limits::default()).await.unwrap();
        assert_eq!(documents(source.inner()).await[&namespace("items")].len(), 4);
    });
}
