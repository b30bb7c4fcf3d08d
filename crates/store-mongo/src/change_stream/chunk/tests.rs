use bson::{RawDocumentBuf, Timestamp, rawdoc};
use oplogsync_core::filter::Filter;

use super::*;
use crate::scope::Scope;

/// A token that begins with a time; `kind` tells those of one time apart.
fn token(seconds: u32, kind: &str) -> RawDocumentBuf {
    rawdoc! { "_data": format!("82{seconds:08X}00000001{kind}") }
}

fn delete(seconds: u32, collection: &str, in_transaction: bool) -> RawDocumentBuf {
    let mut event = rawdoc! {
        "_id": token(seconds, collection), "operationType": "delete", "clusterTime": Timestamp { time: seconds, increment: 1 },
        "ns": { "db": "shop", "coll": collection }, "documentKey": { "_id": 1 },
    };
    if in_transaction {
        event.append(bson::raw::cstr!("txnNumber"), 1_i64);
    }
    event
}

fn read_as(events: Vec<RawDocumentBuf>, mark: RawDocumentBuf, source: u32, times: MarkTime) -> Chunk {
    let events: bson::RawArrayBuf = events.into_iter().collect();
    let reply = rawdoc! {
        "cursor": { "nextBatch": events, "postBatchResumeToken": mark, "id": 1_i64 },
        "operationTime": Timestamp { time: source, increment: 1 },
    };
    let filter = Filter::new(&[], &["shop.secret".to_owned()], &[]).unwrap();
    let opened_at = ResumeToken::new(&token(1, "")).unwrap();
    Chunk::read(&reply, &mut Decoder::new(Scope::Server, filter), times, &opened_at).unwrap()
}

fn read(events: Vec<RawDocumentBuf>, mark: RawDocumentBuf, source: u32) -> Chunk {
    read_as(events, mark, source, MarkTime::Included)
}

fn time(seconds: u32) -> OpTime {
    OpTime::from_timestamp(seconds, 1)
}

#[test]
fn events_that_concern_the_target_are_kept_and_the_others_move_the_mark() {
    let chunk = read(vec![delete(5, "a", false), delete(6, "secret", false)], token(6, "secret"), 9);
    assert_eq!(chunk.events.len(), 1);
    let mark = chunk.mark.unwrap();
    assert_eq!((mark.optime, mark.is_open, mark.is_end), (time(6), false, false));
    assert_eq!(mark.token, ResumeToken::new(&token(6, "secret")).unwrap());
}

#[test]
fn a_mark_behind_all_events_includes_its_time_where_one_server_reads_one_oplog() {
    let mark = |times| read_as(vec![delete(5, "a", true)], token(8, ""), 8, times).mark.unwrap();
    let included = mark(MarkTime::Included);
    assert_eq!((included.optime, included.is_open, included.is_end), (time(8), false, true));
    assert_eq!(mark(MarkTime::Excluded).optime, OpTime::from_timestamp(8, 0));
    // Where the stream was opened, nothing was looked at.
    assert_eq!(read(vec![], token(1, ""), 1).mark.unwrap().optime, OpTime::from_timestamp(1, 0));
}

#[test]
fn a_transaction_at_the_end_is_open_while_nothing_follows_it() {
    let open = |mark| read(vec![delete(5, "a", true), delete(5, "b", true)], mark, 5).mark.unwrap().is_open;
    assert!(open(token(5, "b")));
    assert!(!open(token(6, "")));
    assert!(!read(vec![delete(5, "a", false)], token(5, "a"), 5).mark.unwrap().is_open);
}

#[test]
fn events_before_one_that_is_refused_are_kept_and_no_mark_passes_it() {
    let strange = rawdoc! { "_id": token(6, "b"), "operationType": "strange" };
    let chunk = read(vec![delete(5, "a", false), strange, delete(7, "a", false)], token(7, "a"), 7);
    assert_eq!(chunk.events.len(), 1);
    assert!(chunk.failure.is_some() && chunk.mark.is_none());
}

#[test]
fn times_have_neighbours() {
    for at in [OpTime::from_timestamp(5, 0), OpTime::from_timestamp(5, u32::MAX), OpTime::from_timestamp(5, 7)] {
        assert_eq!(before(following(at)), at);
        assert!(before(at) < at && at < following(at));
    }
}

/// A part of an event of the collection `a`.
fn fragment(seconds: u32, number: i32, of: i32) -> RawDocumentBuf {
    let mut fragment = rawdoc! {
        "_id": token(seconds, &format!("F{number}")), "splitEvent": { "fragment": number, "of": of },
    };
    if number == of {
        for (name, value) in delete(seconds, "a", false).iter().flatten().filter(|(name, _)| name.as_str() != "_id") {
            fragment.append(name, value);
        }
    }
    fragment
}

#[test]
fn an_answer_that_ends_within_an_event_has_the_mark_of_the_last_whole_one() {
    let cut = read(vec![delete(5, "a", true), fragment(6, 1, 2)], token(6, "F1"), 6);
    let mark = cut.mark.unwrap();
    assert!(cut.is_cut && mark.is_open && !mark.is_end);
    assert_eq!(mark.token, ResumeToken::new(&token(5, "a")).unwrap());
    let nothing = read(vec![fragment(6, 1, 2)], token(6, "F1"), 6);
    assert!(nothing.is_cut && nothing.mark.is_none() && nothing.failure.is_none());
    let whole = read(vec![fragment(6, 1, 2), fragment(6, 2, 2)], token(6, "F2"), 6);
    assert!(!whole.is_cut);
    assert_eq!(whole.mark.unwrap().token, ResumeToken::new(&token(6, "F2")).unwrap());
}
