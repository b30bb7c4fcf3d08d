use proptest::prelude::*;

use super::*;
use crate::testing::{
    chain::{Chain, log_id},
    documents::{id, namespace, only_id},
    strategies,
};

fn parts(entry: &Entry) -> (Position, OpTime, OpId, Operation, Hash, Hash) {
    (entry.position(), entry.optime(), entry.op_id(), entry.operation().clone(), entry.prev_hash(), entry.hash())
}

#[test]
fn the_first_entry_has_index_1_and_each_next_one_more() {
    let entries = Chain::new(log_id(1)).noops(3).take();
    assert_eq!(entries.iter().map(|entry| entry.position().index).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(entries[0].prev_hash(), Entry::origin(log_id(1)).hash);
    assert_eq!(entries[1].prev_hash(), entries[0].hash());
}

#[test]
fn logs_differ_from_their_origin_on() {
    assert_ne!(Entry::origin(log_id(1)).hash, Entry::origin(log_id(2)).hash);
}

#[test]
fn only_a_new_term_raises_the_term() {
    let entries = Chain::new(log_id(1)).noops(1).new_term().noops(1).new_term().take();
    assert_eq!(entries.iter().map(|entry| entry.position().term).collect::<Vec<_>>(), [0, 1, 1, 2]);
}

#[test]
fn kinds_have_distinct_codes_and_others_are_unknown() {
    let kinds = [Kind::Insert, Kind::Update, Kind::Patch, Kind::Delete, Kind::Command, Kind::Noop, Kind::NewTerm];
    assert_eq!(kinds.map(|kind| Kind::from_code(kind.code())), kinds.map(Some));
    let known = (0..=u8::MAX).filter(|code| Kind::from_code(*code).is_some()).count();
    assert_eq!(known, kinds.len());
}

#[test]
fn a_change_of_any_part_is_noticed() {
    let ns = namespace("items");
    let mut chain = Chain::new(log_id(1));
    let [_, entry] = chain.insert(&ns, only_id(1)).delete(&ns, id(1)).take().try_into().unwrap();
    let (position, optime, op_id, operation, prev, hash) = parts(&entry);
    assert_eq!(Entry::from_parts(position, optime, op_id, operation.clone(), prev, hash), Ok(entry));
    let other = OpId::from_bytes([0xEE; 16]);
    let later = OpTime::from_timestamp(1, 1);
    let changed = [
        (Position { index: position.index + 1, ..position }, optime, op_id, operation.clone(), prev),
        (Position { term: position.term + 1, ..position }, optime, op_id, operation.clone(), prev),
        (position, later, op_id, operation.clone(), prev),
        (position, optime, other, operation.clone(), prev),
        (position, optime, op_id, operation.clone(), hash),
        (position, optime, op_id, Operation::Noop, prev),
        (position, optime, op_id, Operation::Delete { ns: namespace("orders"), id: id(1) }, prev),
        (position, optime, op_id, Operation::Delete { ns: ns.clone(), id: id(1.0) }, prev),
        (position, optime, op_id, Operation::Update { ns, document: Document::new(only_id(1)).unwrap() }, prev),
    ];
    for (position, optime, op_id, operation, prev) in changed {
        let refused = Entry::from_parts(position, optime, op_id, operation, prev, hash);
        assert!(refused.is_err_and(|mismatch| mismatch.claimed == hash && mismatch.actual != hash));
    }
}

proptest! {
    #[test]
    fn a_sealed_entry_is_taken_as_it_is(entries in strategies::entries(10)) {
        for entry in entries {
            let (position, optime, op_id, operation, prev, hash) = parts(&entry);
            prop_assert_eq!(Entry::from_parts(position, optime, op_id, operation, prev, hash), Ok(entry));
        }
    }
}
