use bson::rawdoc;
use oplogsync_core::{doc_id::DocId, namespace::Namespace};

use super::*;

const SOME: Limits = Limits { entries_max: 3, bytes_max: 1_000_000 };

fn token(number: u32) -> ResumeToken {
    ResumeToken::new(&rawdoc! { "_data": format!("82{number:08X}00000001AB") }).unwrap()
}

fn time(seconds: u32) -> OpTime {
    OpTime::from_timestamp(seconds, 1)
}

/// An event at a time, whose token has a number.
fn event(number: u32, seconds: u32) -> Event {
    let id = DocId::new(i64::from(number).into()).unwrap();
    let operation = Operation::Delete { ns: Namespace::new("shop.orders").unwrap(), id };
    Event { token: token(number), optime: time(seconds), is_in_transaction: false, operation: Some(operation) }
}

fn chunk(events: Vec<Event>, mark: u32, optime: u32, is_open: bool, is_end: bool) -> Chunk {
    let mark = Mark { token: token(mark), optime: time(optime), is_open, is_end };
    Chunk { events, mark: Some(mark), is_cut: false, failure: None, source: time(optime) }
}

fn queue() -> Queue {
    let log = LogId::from_bytes([1; 16]);
    Queue::new(log, Anchor { optime: time(1), ..Entry::origin(log) }, token(0))
}

fn taken(queue: &mut Queue) -> Option<(usize, ResumeToken)> {
    queue.take(SOME).unwrap().map(|(batch, token)| (batch.entries().len(), token))
}

#[test]
fn batches_follow_each_other_each_with_the_token_of_its_last_event() {
    let mut queue = queue();
    queue.push(chunk((1..=5).map(|n| event(n, 10 + n)).collect(), 5, 15, false, true));
    assert_eq!(taken(&mut queue), Some((3, token(3))));
    assert_eq!(queue.start().position.index, 3);
    assert_eq!(taken(&mut queue), Some((2, token(5))));
    assert_eq!(taken(&mut queue), None);
}

#[test]
fn a_transaction_is_not_cut_wherever_it_is_read_in_parts() {
    let mut queue = queue();
    queue.push(chunk(vec![event(1, 10), event(2, 11), event(3, 11)], 3, 11, true, true));
    assert_eq!(taken(&mut queue), Some((1, token(1))));
    assert_eq!(taken(&mut queue), None);
    queue.push(chunk((4..=9).map(|n| event(n, 11)).collect(), 9, 11, true, true));
    assert_eq!(taken(&mut queue), None);
    assert!(!queue.is_full(SOME), "more has to be read");
    queue.close();
    assert!(queue.is_full(SOME));
    assert_eq!(taken(&mut queue), Some((8, token(9))));
}

#[test]
fn a_transaction_ends_where_something_else_follows() {
    let mut queue = queue();
    queue.push(chunk(vec![event(1, 10), event(2, 10)], 2, 10, true, false));
    queue.push(chunk(vec![event(3, 11)], 3, 11, false, true));
    assert_eq!(queue.take(Limits { entries_max: 1, ..SOME }).unwrap().unwrap().0.entries().len(), 2);
}

#[test]
fn what_was_looked_through_since_is_the_token_of_the_last_batch() {
    let mut queue = queue();
    queue.push(chunk(vec![event(1, 10)], 7, 20, false, true));
    assert_eq!(taken(&mut queue), Some((1, token(7))));
    assert!(!queue.has_moved());
}

#[test]
fn a_stream_without_entries_yields_one_that_does_nothing_when_it_has_moved() {
    let mut queue = queue();
    queue.push(chunk(vec![], 0, 1, false, true));
    assert_eq!(queue.take_noop().unwrap(), None);
    queue.push(chunk(vec![], 7, 20, false, true));
    let (batch, at) = queue.take_noop().unwrap().unwrap();
    assert_eq!((batch.entries().len(), at, batch.last().optime), (1, token(7), time(20)));
    assert_eq!(queue.take_noop().unwrap(), None);
    queue.push(chunk(vec![event(8, 21)], 8, 21, false, true));
    assert_eq!(queue.take(SOME).unwrap().unwrap().0.after(), &batch.last());
}

#[test]
fn no_entry_tells_of_a_transaction_before_all_of_it_is_there() {
    let mut queue = queue();
    // Its first events do not concern the target.
    queue.push(chunk(vec![], 7, 20, true, true));
    assert_eq!(queue.take_noop().unwrap(), None);
    queue.push(chunk(vec![event(8, 20)], 8, 20, false, true));
    assert_eq!(taken(&mut queue), Some((1, token(8))));
}

#[test]
fn the_head_counts_what_is_read_and_one_more_where_more_is_known_to_come() {
    let mut queue = queue();
    assert_eq!(queue.head(false).position.index, 1);
    queue.push(chunk(vec![event(1, 10), event(2, 11)], 2, 30, false, false));
    assert_eq!((queue.head(false).position.index, queue.head(false).optime), (2, time(30)));
    taken(&mut queue);
    assert_eq!(queue.head(false).position.index, 3);
    queue.push(chunk(vec![], 2, 30, false, true));
    assert_eq!(queue.head(false), *queue.start());
    assert_eq!(queue.head(true).position.index, 3);
}

#[test]
fn an_answer_that_ends_within_an_event_moves_nothing_and_ends_no_transaction() {
    let cut = |events, mark| Chunk { is_cut: true, mark, ..chunk(events, 9, 20, false, true) };
    let mut queue = queue();
    queue.push(cut(vec![], None));
    assert!(!queue.has_moved() && *queue.token() == token(0));
    // In a transaction of which more follows.
    queue.push(chunk(vec![event(1, 10), event(2, 10)], 2, 10, true, false));
    queue.push(cut(vec![], None));
    assert_eq!(taken(&mut queue), None);
    let open = Mark { token: token(3), optime: time(10), is_open: true, is_end: false };
    queue.push(cut(vec![event(3, 10)], Some(open)));
    assert_eq!(taken(&mut queue), None);
    assert!(!queue.is_at_end());
    queue.push(chunk(vec![event(4, 10), event(5, 11)], 5, 11, false, true));
    assert_eq!(queue.take(SOME).unwrap().map(|(batch, token)| (batch.entries().len(), token)), Some((4, token(4))));
}

#[test]
fn a_batch_that_was_begun_is_there_once_its_last_transaction_is() {
    let begun = |entries_max| Limits { entries_max, bytes_max: usize::MAX };
    let mut queue = queue();
    queue.push(chunk(vec![event(1, 10), event(2, 11), event(3, 11)], 3, 11, true, true));
    assert!(queue.holds(begun(1)) && !queue.holds(begun(3)), "more may follow");
    assert!(!queue.is_at_end());
    queue.close();
    assert!(queue.holds(begun(3)) && !queue.holds(begun(4)));
    assert!(queue.is_at_end(), "what has four entries is not there");
}
