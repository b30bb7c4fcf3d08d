//! L8: a new primary's first entry raises the term, and nothing of an older term follows.

use std::collections::BTreeMap;

use oplogsync_core::{
    entry::{Entry, Operation},
    ids::OpId,
    limits::Limits,
    testing::{
        documents::{namespace, only_id},
        faulty::{Call, Faulty},
        manual_host::ManualHost,
        strategies,
    },
    write::Write,
};
use proptest::{collection::vec, prelude::*};

use crate::cluster::{Nodes, cases, check_answers, check_prefix, on_every_store, open_primary, whole_log};

/// The operation `number` of a writer, which is 1 or 2.
fn op_id(writer: u8, number: usize) -> OpId {
    let mut bytes = (number as u128).to_be_bytes();
    bytes[0] = writer;
    OpId::from_bytes(bytes)
}

/// Each term begins with its new-term entry and holds the entries of one writer only.
fn check_terms(log: &[Entry]) {
    let mut writers = BTreeMap::new();
    let mut term = 0;
    for entry in log {
        let at = entry.position();
        if *entry.operation() == Operation::NewTerm {
            assert_eq!(at.term, term + 1, "L8: {at} raises the term by one");
            term = at.term;
            continue;
        }
        assert_eq!(at.term, term, "L8: {at} stands in the newest term");
        let writer = entry.op_id().to_bytes()[0];
        assert_eq!(*writers.entry(term).or_insert(writer), writer, "L8: one writer a term");
    }
}

/// Returns the log that came of it.
async fn one_writer_a_term<N: Nodes>(turns: Vec<(u8, Write)>, limits: Limits, seed: u64) -> Vec<Entry> {
    let store = N::node("db1");
    let hosts = [ManualHost::hurried(seed), ManualHost::hurried(!seed)];
    let nodes = [1, 2].map(|_| Faulty::new(store.inner().clone(), "db1"));
    let mut primaries = [None, None];
    let mut answers = Vec::new();
    for (number, (turn, write)) in turns.into_iter().enumerate() {
        let at = usize::from(turn % 2);
        if primaries[at].is_none() {
            primaries[at] = open_primary(&nodes[at], &hosts[at], limits).await.ok();
        }
        let Some(primary) = &primaries[at] else { continue };
        let op_id = op_id(turn % 2 + 1, number);
        answers.push((op_id, primary.write_once(op_id, write).await));
        check_terms(&whole_log(store.inner()).await);
    }
    let last = open_primary(&nodes[0], &hosts[0], limits).await.unwrap();
    let log = whole_log(store.inner()).await;
    check_answers(&log, &answers);
    check_prefix(store.inner(), store.inner()).await;
    last.close().await.unwrap();
    log
}

/// Turns in which nobody is refused anything: what each writer writes must be there.
async fn both_write_in_turns<N: Nodes>() {
    let insert = |number: u8| Write::Insert { ns: namespace("items"), document: only_id(i32::from(number)) };
    let turns = [0, 0, 1, 1, 0, 1].into_iter().zip(0_u8..).map(|(turn, number)| (turn, insert(number))).collect();
    let log = one_writer_a_term::<N>(turns, Limits::default(), 7).await;
    for writer in [1, 2] {
        let written = log
            .iter()
            .filter(|entry| *entry.operation() != Operation::NewTerm && entry.op_id().to_bytes()[0] == writer);
        assert_ne!(written.count(), 0, "writer {writer} never wrote");
    }
}

#[test]
fn two_primaries_that_take_over_from_each_other_both_write() {
    on_every_store!(both_write_in_turns());
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn two_primaries_that_take_over_from_each_other_write_one_log_in_terms_of_their_own(
        turns in vec((any::<u8>(), strategies::write()), 1..20),
        limits in strategies::limits(),
        seed in any::<u64>(),
    ) {
        on_every_store!(one_writer_a_term(turns, limits, seed));
    }
}

/// A primary is paused in the middle of `call`; another one takes over and writes; then the first
/// one wakes up and goes on as if nothing had been.
async fn a_paused_primary_does_no_harm<N: Nodes>(call: Call) {
    let store = N::node("db1");
    let (old_node, new_node) = (Faulty::new(store.inner().clone(), "db1"), Faulty::new(store.inner().clone(), "db1"));
    let (old_host, new_host) = (ManualHost::hurried(1), ManualHost::hurried(2));
    let insert = |value: i32| Write::Insert { ns: namespace("items"), document: only_id(value) };
    let old = open_primary(&old_node, &old_host, Limits::default()).await.unwrap();
    old.write_once(op_id(1, 1), insert(1)).await.unwrap();

    let hold = old_node.hold(call);
    let paused = old.write_once(op_id(1, 2), insert(2));
    let meanwhile = async {
        hold.reached().await;
        let new = open_primary(&new_node, &new_host, Limits::default()).await.unwrap();
        let first = new.write_once(op_id(2, 3), insert(3)).await;
        hold.release();
        (new, first)
    };
    let (paused, (new, first)) = tokio::join!(paused, meanwhile);
    let after = new.write_once(op_id(2, 4), insert(4)).await;
    let again = old.write_once(op_id(1, 2), insert(2)).await;

    let log = whole_log(store.inner()).await;
    check_terms(&log);
    assert!(first.is_ok() && after.is_ok() && again.is_ok(), "{first:?}, {after:?}, {again:?}");
    check_answers(&log, &[(op_id(1, 2), paused), (op_id(2, 3), first), (op_id(2, 4), after), (op_id(1, 2), again)]);
    let last = open_primary(&new_node, &new_host, Limits::default()).await.unwrap();
    assert_eq!(check_prefix(store.inner(), store.inner()).await, log.len() as u64);
    last.close().await.unwrap();
}

#[test]
fn a_primary_that_was_paused_does_no_harm_when_it_wakes_up() {
    for call in [Call::Append, Call::Apply, Call::Get, Call::Find] {
        on_every_store!(a_paused_primary_does_no_harm(call));
    }
}
