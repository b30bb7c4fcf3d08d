//! A primary on a store that fails, with callers that go away and rivals that interfere.

use std::{future::Future, pin::pin, task::Poll};

use super::*;
use crate::{
    clock::OpTime,
    document::Document,
    entry::{Entry, Operation},
    host::Host,
    store_error::Fault,
    testing::{
        faulty::{Action, Call, Faulty},
        manual_host::ManualHost,
    },
};

type FaultyPrimary = Primary<Faulty<MemoryStore>, ManualHost>;

async fn open_faulty(store: &Faulty<MemoryStore>, seed: u64) -> FaultyPrimary {
    Primary::open(store.clone(), ManualHost::hurried(seed), PrimaryOptions::default()).await.unwrap()
}

fn faulty() -> Faulty<MemoryStore> {
    Faulty::new(MemoryStore::new("db1"), "db1")
}

fn replace(qty: i32) -> Write {
    Write::Replace { ns: ns(), id: id(1), document: rawdoc! { "qty": qty }, upsert: true }
}

fn increment() -> Write {
    Write::Update { ns: ns(), id: id(1), update: rawdoc! { "$inc": { "qty": 1 } }, upsert: true }
}

async fn quantity(store: &MemoryStore) -> Option<i32> {
    let document = store.get(&ns(), &[id(1)]).await.unwrap().remove(0)?;
    Some(document.as_raw().get_i32("qty").unwrap())
}

/// A write that holds the committer until all that are polled beside it wait: they make one group.
fn block<'a>(store: &Faulty<MemoryStore>, primary: &'a FaultyPrimary) -> impl Future<Output = ()> + 'a {
    let hold = store.hold(Call::Append);
    async move {
        let release = async {
            hold.reached().await;
            hold.release();
        };
        let (written, ()) = tokio::join!(primary.write(insert(rawdoc! { "_id": 99 })), release);
        written.unwrap();
    }
}

/// Polls a future once and drops it, as a caller does whose time is up.
async fn poll_once<F: Future>(future: F) {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        let _ = future.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_rests_on_an_entry_waits_until_that_entry_is_durable() {
    let store = faulty();
    let primary = open_faulty(&store, 1).await;
    let blocked = block(&store, &primary);
    store.plan(Call::Append, Action::Refuse(Fault::Full));

    let ((), first, same, duplicate) = tokio::join!(
        blocked,
        primary.write(replace(5)),
        primary.write(replace(5)),
        primary.write(insert(rawdoc! { "_id": 1 }))
    );

    assert!(matches!(first, Err(WriteError::Unknown { .. })), "{first:?}");
    assert!(matches!(same, Err(WriteError::Unknown { .. })), "nothing holds the document: {same:?}");
    assert!(matches!(duplicate, Err(WriteError::Unknown { .. })), "nothing holds the document: {duplicate:?}");
}

#[tokio::test]
async fn what_changes_nothing_is_not_told_to_be_in_the_log_when_its_group_cannot_be_applied() {
    let store = faulty();
    let primary = open_faulty(&store, 1).await;
    let blocked = block(&store, &primary);
    // The new term and the write that blocks are applied; the group behind them is not.
    for action in [Action::Pass, Action::Pass, Action::Refuse(Fault::Full), Action::Refuse(Fault::Full)] {
        store.plan(Call::Apply, action);
    }

    let delete = Write::Delete { ns: ns(), id: id(7) };
    let ((), first, nothing) = tokio::join!(blocked, primary.write(replace(5)), primary.write(delete));

    assert!(matches!(first, Err(WriteError::NotApplied { .. })), "{first:?}");
    let nothing = nothing.unwrap();
    assert_eq!((nothing.outcome, nothing.entry), (Outcome::NotFound, None));
}

#[tokio::test]
async fn an_answer_that_rests_on_a_beaten_entry_is_found_anew() {
    let store = faulty();
    let primary = open_faulty(&store, 1).await;
    let blocked = block(&store, &primary);
    let hold = store.hold(Call::Append);
    let rival = async {
        hold.reached().await;
        let head = store.inner().log_ends().await.unwrap().unwrap().head;
        let document = Document::new(rawdoc! { "_id": 1, "qty": 5 }).unwrap();
        let operation = Operation::Insert { ns: ns(), document };
        let entry = Entry::seal(&head, head.optime, OpId::from_bytes([9; 16]), operation);
        store.inner().append(&[entry]).await.unwrap();
        hold.release();
    };

    let ((), first, second, ()) = tokio::join!(blocked, primary.write(replace(5)), primary.write(replace(5)), rival);

    assert_eq!((first.unwrap().outcome, second.unwrap().outcome), (Outcome::Unchanged, Outcome::Unchanged));
    assert_eq!(quantity(store.inner()).await, Some(5));
}

#[tokio::test]
async fn a_write_whose_entry_was_trimmed_behind_a_lost_reply_is_not_written_again() {
    let store = faulty();
    let primary = open_faulty(&store, 1).await;
    primary.write(replace(0)).await.unwrap();
    store.plan(Call::Append, Action::LoseReply);
    let hold = store.hold(Call::Append);
    let interfere = async {
        hold.reached().await;
        // Another primary takes over, rolls forward, and everything is trimmed.
        let options = PrimaryOptions::default();
        let rival = Primary::open(store.inner().clone(), ManualHost::hurried(2), options).await.unwrap();
        let head = store.inner().log_ends().await.unwrap().unwrap().head;
        store.inner().trim(&head).await.unwrap();
        rival.close().await.unwrap();
        hold.release();
    };

    let (written, ()) = tokio::join!(primary.write(increment()), interfere);

    assert!(matches!(written, Err(WriteError::Unknown { .. })), "{written:?}");
    assert_eq!(quantity(store.inner()).await, Some(1));
}

#[tokio::test]
async fn a_write_whose_neighbour_only_was_trimmed_is_found_in_the_log() {
    let store = faulty();
    let primary = open_faulty(&store, 1).await;
    primary.write(replace(0)).await.unwrap();
    let blocked = block(&store, &primary);
    store.plan(Call::Append, Action::LoseReply);
    let hold = store.hold(Call::Append);
    let interfere = async {
        hold.reached().await;
        let options = PrimaryOptions::default();
        let rival = Primary::open(store.inner().clone(), ManualHost::hurried(2), options).await.unwrap();
        let entries = store.inner().read(4, Limits::default()).await.unwrap();
        assert_eq!(entries.len(), 2);
        store.inner().trim(&entries[0].anchor()).await.unwrap();
        rival.close().await.unwrap();
        hold.release();
    };

    let ((), trimmed, kept, ()) =
        tokio::join!(blocked, primary.write(increment()), primary.write(increment()), interfere);

    assert!(matches!(trimmed, Err(WriteError::Unknown { .. })), "{trimmed:?}");
    assert_eq!(kept.unwrap().outcome, Outcome::Repeated);
    assert_eq!(quantity(store.inner()).await, Some(2));
}

#[tokio::test]
async fn a_retried_write_whose_entry_is_trimmed_meanwhile_is_not_taken_for_another() {
    let store = faulty();
    let primary = open_faulty(&store, 1).await;
    let op_id = OpId::from_bytes([7; 16]);
    primary.write_once(op_id, insert(rawdoc! { "_id": 1 })).await.unwrap();
    let ours = store.inner().log_ends().await.unwrap().unwrap().head;
    primary.write(insert(rawdoc! { "_id": 2 })).await.unwrap();
    let hold = store.hold(Call::Read);
    let trim = async {
        hold.reached().await;
        store.inner().trim(&ours).await.unwrap();
        hold.release();
    };

    let (retried, ()) = tokio::join!(primary.write_once(op_id, insert(rawdoc! { "_id": 1 })), trim);

    // What is trimmed is not remembered, so the insert meets its own document.
    assert!(matches!(&retried, Err(WriteError::Refused(error)) if error.code == 11000), "{retried:?}");
}

#[tokio::test]
async fn fifty_concurrent_writers_share_one_append() {
    const WRITERS: i32 = 50;
    let store = faulty();
    let primary = open_faulty(&store, 1).await;
    let hold = store.hold(Call::Append);
    store.plan(Call::Append, Action::Pass);
    // Any append after the one that they share.
    store.plan(Call::Append, Action::Refuse(Fault::Full));
    let writers = async {
        hold.reached().await;
        let mut writers: Vec<_> =
            (1..=WRITERS).map(|number| Box::pin(primary.write(insert(rawdoc! { "_id": number })))).collect();
        for writer in &mut writers {
            poll_once(writer.as_mut()).await;
        }
        assert_eq!(primary.desk.queue().len(), writers.len(), "all wait");
        hold.release();
        for writer in writers {
            assert_eq!(writer.await.unwrap().outcome, Outcome::Inserted);
        }
    };

    let (first, ()) = tokio::join!(primary.write(insert(rawdoc! { "_id": 0 })), writers);

    first.unwrap();
    assert_eq!(store.faults(), 0, "there was no further append");
    assert_eq!(log_length(store.inner()).await, 2 + 50, "the term, the first write and those of the fifty");
    let further = primary.write(insert(rawdoc! { "_id": -1 })).await;
    assert!(matches!(further, Err(WriteError::Unknown { .. })), "the refused append was still to come: {further:?}");
}

#[tokio::test]
async fn callers_that_go_away_do_not_fill_the_queue() {
    let store = faulty();
    let options = PrimaryOptions { queue_max: 4, ..PrimaryOptions::default() };
    let primary = Primary::open(store.clone(), ManualHost::hurried(1), options).await.unwrap();
    let hold = store.hold(Call::Append);
    let stuck = primary.write(insert(rawdoc! { "_id": 0 }));
    let others = async {
        hold.reached().await;
        for number in 1..100 {
            poll_once(primary.write(insert(rawdoc! { "_id": number }))).await;
        }
        let waiting = primary.desk.queue().len();
        hold.release();
        waiting
    };

    let (written, waiting) = tokio::join!(stuck, others);

    written.unwrap();
    assert!(waiting <= 4, "{waiting} writes wait that nobody wants");
    primary.write(insert(rawdoc! { "_id": 100 })).await.unwrap();
    assert_eq!(log_length(store.inner()).await, 3, "the term, the first write and the last");
}

#[tokio::test]
async fn a_failure_in_passing_while_the_documents_are_rolled_forward_is_not_the_callers_concern() {
    let store = faulty();
    let primary = open_faulty(&store, 1).await;
    store.plan(Call::Apply, Action::LoseReply);
    store.plan(Call::Read, Action::Refuse(Fault::Unavailable));

    primary.write(insert(rawdoc! { "_id": 1 })).await.unwrap();
    assert!(store.faults() >= 2);
}

#[tokio::test]
async fn an_apply_that_outlives_its_caller_is_not_mistaken_for_a_rival() {
    let store = faulty();
    let primary = open_faulty(&store, 1).await;
    primary.write(insert(rawdoc! { "_id": 1 })).await.unwrap();
    let moved = Fault::CheckpointMoved { found: Position { term: 1, index: 3 } };
    store.plan(Call::Apply, Action::LoseReply);
    store.plan(Call::Unfinished, Action::Refuse(moved));

    primary.write(insert(rawdoc! { "_id": 2 })).await.unwrap();
}

#[tokio::test]
async fn a_long_roll_forward_keeps_both_leases() {
    let store = MemoryStore::new("db1");
    let host = ManualHost::standing(1);
    Primary::open(store.clone(), host.clone(), PrimaryOptions::default()).await.unwrap().close().await.unwrap();
    let mut head = store.log_ends().await.unwrap().unwrap().head;
    for number in 1..=2 {
        let operation = Operation::Insert { ns: ns(), document: Document::new(rawdoc! { "_id": number }).unwrap() };
        let optime = OpTime::from_wall(host.now());
        let entry = Entry::seal(&head, optime, OpId::from_bytes([number.try_into().unwrap(); 16]), operation);
        head = entry.anchor();
        store.append(&[entry]).await.unwrap();
    }
    let slow = Faulty::new(store.clone(), "db1");
    let holds = [slow.hold(Call::Apply), slow.hold(Call::Apply)];
    let limits = Limits { entries_max: 1, ..Limits::default() };
    let options = PrimaryOptions { limits, ..PrimaryOptions::default() };
    let opening = Primary::open(slow.clone(), host.clone(), options);
    let beats = async {
        let mut beats = Vec::new();
        for hold in holds {
            hold.reached().await;
            let (log, documents) = (store.lease(LeaseName::Log).await, store.lease(LeaseName::Documents).await);
            beats.push((log.unwrap().unwrap().beat, documents.unwrap().unwrap().beat));
            host.advance(LEASE_TERM / 2);
            tokio::task::yield_now().await;
            hold.release();
        }
        beats
    };

    let (opened, beats) = tokio::join!(opening, beats);

    opened.unwrap();
    assert!(beats[0].0 < beats[1].0 && beats[0].1 < beats[1].1, "{beats:?}");
}

#[tokio::test]
async fn small_updates_of_a_large_document_do_not_make_a_large_group() {
    let store = faulty();
    let limits = Limits { bytes_max: 10_000, ..Limits::default() };
    let options = PrimaryOptions { limits, ..PrimaryOptions::default() };
    let primary = Primary::open(store.clone(), ManualHost::hurried(1), options).await.unwrap();
    primary.write(insert(rawdoc! { "_id": 1, "qty": 0, "text": "x".repeat(6_000) })).await.unwrap();
    let blocked = block(&store, &primary);
    let (first, second) = (store.hold(Call::Append), store.hold(Call::Append));
    let size = async {
        first.release();
        second.reached().await;
        let length = log_length(store.inner()).await;
        second.release();
        length
    };

    let ((), a, b, c, d, length) = tokio::join!(
        blocked,
        primary.write(increment()),
        primary.write(increment()),
        primary.write(increment()),
        primary.write(increment()),
        size
    );

    assert!([a, b, c, d].iter().all(Result::is_ok));
    assert_eq!(length, 5, "two of four images fit into the first group");
    assert_eq!(quantity(store.inner()).await, Some(4));
}
