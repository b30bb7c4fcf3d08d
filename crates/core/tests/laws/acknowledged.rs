//! L1, an acknowledged write is in the log; L2, and only once.

use oplogsync_core::{
    ids::OpId,
    limits::Limits,
    testing::{
        documents::{id, namespace, only_id},
        faulty::{Action, Call},
        manual_host::ManualHost,
        strategies,
    },
    write::{Outcome, Write},
};
use proptest::{collection::vec, prelude::*};

use crate::cluster::{
    Nodes, block_on, cases, check_answers, check_prefix, documents, fold, on_every_store, open_primary, whole_log,
};

fn op_id(number: usize) -> OpId {
    OpId::from_bytes((number as u128 + 1).to_be_bytes())
}

/// Writes in groups of three at once while the store fails now and then; afterwards a new
/// primary retries everything whose outcome is not known.
async fn answers_are_true<N: Nodes>(writes: Vec<Write>, limits: Limits, seed: u64) {
    let (node, host) = (N::node("db1"), ManualHost::hurried(seed));
    let mut answers = Vec::new();
    node.storm(seed, 6);
    let mut primary = None;
    for (number, group) in writes.chunks(3).enumerate() {
        if primary.is_none() {
            primary = open_primary(&node, &host, limits).await.ok();
        }
        let Some(open) = &primary else { continue };
        let write = async |at: usize| match group.get(at) {
            Some(write) => Some((op_id(number * 3 + at), open.write_once(op_id(number * 3 + at), write.clone()).await)),
            None => None,
        };
        let (a, b, c) = tokio::join!(write(0), write(1), write(2));
        answers.extend([a, b, c].into_iter().flatten());
        // Now and then the process dies and another one begins.
        if number % 4 == 3 {
            primary = None;
        }
    }
    node.revive();
    check_answers(&whole_log(node.inner()).await, &answers);

    let primary = open_primary(&node, &host, limits).await.unwrap();
    check_prefix(node.inner(), node.inner()).await;
    for (number, write) in writes.iter().enumerate() {
        let retried = (op_id(number), primary.write_once(op_id(number), write.clone()).await);
        check_answers(&whole_log(node.inner()).await, &[retried]);
    }
    // What had no effect the first time may have one now; what had stays as it was.
    answers.retain(|(_, answer)| answer.as_ref().is_ok_and(|written| written.entry.is_some()));
    check_answers(&whole_log(node.inner()).await, &answers);
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn answers_are_true_and_retries_are_harmless_whatever_fails(
        writes in vec(strategies::write(), 1..30), limits in strategies::limits(), seed in any::<u64>()
    ) {
        on_every_store!(answers_are_true(writes, limits, seed));
    }
}

/// The process, or the store, dies at every single call of a small run, before or after the call
/// is done.
async fn acknowledged_writes_survive_death_at_every_call<N: Nodes>() {
    let ns = namespace("items");
    let writes = [
        Write::Insert { ns: ns.clone(), document: only_id(1) },
        Write::Replace { ns: ns.clone(), id: id(1), document: bson::rawdoc! { "a": 1 }, upsert: false },
        Write::Insert { ns: ns.clone(), document: only_id(2) },
        Write::Delete { ns, id: id(2) },
    ];
    let mut deaths = 0;
    for done in [false, true] {
        for calls in 0.. {
            let (node, host) = (N::node("db1"), ManualHost::hurried(calls));
            let mut answers = Vec::new();
            node.die_after(calls, done);
            if let Ok(primary) = open_primary(&node, &host, Limits::default()).await {
                for (number, write) in writes.iter().enumerate() {
                    answers.push((op_id(number), primary.write_once(op_id(number), write.clone()).await));
                }
            }
            let died = node.is_dead();
            deaths += u64::from(died);
            node.revive();
            check_answers(&whole_log(node.inner()).await, &answers);
            let primary = open_primary(&node, &host, Limits::default()).await.unwrap();
            check_prefix(node.inner(), node.inner()).await;
            for (number, write) in writes.iter().enumerate() {
                primary.write_once(op_id(number), write.clone()).await.unwrap();
            }
            let log = whole_log(node.inner()).await;
            answers.retain(|(_, answer)| answer.as_ref().is_ok_and(|written| written.entry.is_some()));
            check_answers(&log, &answers);
            assert_eq!(documents(node.inner()).await, fold(&log));
            if !died {
                break;
            }
        }
    }
    assert!(deaths > 20, "only {deaths} deaths: the run proves little");
}

#[test]
fn an_acknowledged_write_survives_a_death_at_any_call() {
    on_every_store!(acknowledged_writes_survive_death_at_every_call());
}

/// The reply to an append is lost, or only a part of it is done: the same entries are appended
/// again at the same positions.
async fn a_lost_reply_makes_no_second_entry<N: Nodes>(action: Action) {
    let (node, host) = (N::node("db1"), ManualHost::hurried(1));
    let primary = open_primary(&node, &host, Limits::default()).await.unwrap();
    node.plan(Call::Append, action);
    let insert = Write::Insert { ns: namespace("items"), document: bson::rawdoc! { "name": "without an id" } };
    let written = primary.write(insert).await.unwrap();
    assert_eq!((written.outcome, node.faults()), (Outcome::Inserted, 1));
    let log = whole_log(node.inner()).await;
    assert_eq!(log.len(), 2, "the new term and the insert");
    check_answers(&log, &[(written.op_id, Ok(written))]);
}

#[test]
fn a_write_whose_reply_is_lost_stands_in_the_log_once() {
    for action in [Action::LoseReply, Action::Cut(0), Action::Cut(1)] {
        on_every_store!(a_lost_reply_makes_no_second_entry(action));
    }
}

/// A caller goes away in the middle of its write; the next one finishes it.
async fn an_abandoned_write_is_finished<N: Nodes>(call: Call) {
    let (node, host) = (N::node("db1"), ManualHost::hurried(1));
    let primary = open_primary(&node, &host, Limits::default()).await.unwrap();
    let insert = |value: i32| Write::Insert { ns: namespace("items"), document: only_id(value) };
    let hold = node.hold(call);
    tokio::select! {
        _ = primary.write_once(op_id(1), insert(1)) => panic!("the call is held"),
        () = hold.reached() => {}
    }
    hold.release();
    let second = primary.write_once(op_id(2), insert(2)).await;
    let again = primary.write_once(op_id(1), insert(1)).await;
    let log = whole_log(node.inner()).await;
    check_answers(&log, &[(op_id(2), second), (op_id(1), again)]);
    assert_eq!(documents(node.inner()).await, fold(&log));
    assert_eq!(documents(node.inner()).await[&namespace("items")].len(), 2);
}

#[test]
fn a_write_that_its_caller_abandons_stands_in_the_log_once() {
    for call in [Call::Append, Call::Apply, Call::Get, Call::Find] {
        on_every_store!(an_abandoned_write_is_finished(call));
    }
}

#[test]
fn many_writers_share_one_append() {
    block_on(async {
        let (node, host) = (crate::cluster::InMemory::node("db1"), ManualHost::hurried(1));
        let primary = open_primary(&node, &host, Limits::default()).await.unwrap();
        let primary = std::sync::Arc::new(primary);
        let hold = node.hold(Call::Append);
        let mut writers = tokio::task::JoinSet::new();
        for value in 0..100 {
            let primary = std::sync::Arc::clone(&primary);
            let insert = Write::Insert { ns: namespace("items"), document: only_id(value) };
            writers.spawn(async move { primary.write(insert).await });
        }
        hold.reached().await;
        let before = node.calls();
        hold.release();
        while let Some(written) = writers.join_next().await {
            written.unwrap().unwrap();
        }
        assert!(node.calls() - before < 30, "{} calls for 100 writers", node.calls() - before);
        assert_eq!(whole_log(node.inner()).await.len(), 101);
    });
}
