use bson::rawdoc;
use proptest::prelude::*;

use super::*;
use crate::{
    clock::OpTime,
    filter::Filter,
    ids::OpId,
    testing::{
        chain::{Chain, log_id},
        documents::{id, namespace, only_id},
        strategies,
    },
};

fn batch(after: Anchor, entries: Vec<Entry>) -> Result<Batch, BatchError> {
    Batch::new(log_id(1), after, entries)
}

fn origin() -> Anchor {
    Entry::origin(log_id(1))
}

#[test]
fn no_entries_are_no_batch() {
    assert_eq!(batch(origin(), vec![]), Err(BatchError::Empty));
}

#[test]
fn a_skipped_index_is_a_gap() {
    let mut entries = Chain::new(log_id(1)).noops(3).take();
    let found = entries[2].position();
    entries.remove(1);
    assert_eq!(batch(origin(), entries.clone()), Err(BatchError::Gap { expected: 2, found }));
    entries.remove(0);
    assert_eq!(batch(origin(), entries), Err(BatchError::Gap { expected: 1, found }));
}

#[test]
fn a_repeated_index_is_a_gap() {
    let mut entries = Chain::new(log_id(1)).noops(2).take();
    entries.insert(1, entries[0].clone());
    let found = entries[0].position();
    assert_eq!(batch(origin(), entries), Err(BatchError::Gap { expected: 2, found }));
}

#[test]
fn an_entry_that_follows_another_history_breaks_the_chain() {
    let mut chain = Chain::new(log_id(1));
    let mut rival = chain.rival(2);
    let first = chain.noops(1).take();
    rival.noops(1).take();
    let [stray] = rival.noops(1).take().try_into().unwrap();
    let expected = BatchError::Chain { at: stray.position(), expected: first[0].hash(), found: stray.prev_hash() };
    assert_eq!(batch(origin(), vec![first[0].clone(), stray.clone()]), Err(expected.clone()));
    assert_eq!(batch(chain.last(), vec![stray]), Err(expected));
}

#[test]
fn the_first_entry_of_another_log_breaks_the_chain() {
    let entries = Chain::new(log_id(2)).noops(1).take();
    assert!(matches!(batch(origin(), entries), Err(BatchError::Chain { .. })));
}

#[test]
fn only_a_new_term_entry_raises_the_term_and_only_by_one() {
    let after = Chain::new(log_id(1)).noops(1).last();
    let raised = Anchor { position: Position { term: 5, ..after.position }, ..after };
    for (operation, term) in [(Operation::Noop, 5), (Operation::NewTerm, 6)] {
        let entry = Entry::seal(&raised, OpTime::default(), OpId::from_bytes([1; 16]), operation.clone());
        let expected = after.position.term + u64::from(operation == Operation::NewTerm);
        let at = entry.position();
        assert_eq!(at.term, term);
        assert_eq!(batch(after, vec![entry]), Err(BatchError::Term { at, expected }));
    }
}

#[test]
fn an_older_term_does_not_come_back() {
    let mut chain = Chain::new(log_id(1));
    let before = chain.noops(1).last();
    let raised = chain.new_term().last();
    let lower = Anchor { position: Position { term: before.position.term, ..raised.position }, ..raised };
    let entry = Entry::seal(&lower, OpTime::default(), OpId::from_bytes([1; 16]), Operation::Noop);
    let at = entry.position();
    assert_eq!(batch(raised, vec![entry]), Err(BatchError::Term { at, expected: raised.position.term }));
}

#[test]
fn a_new_term_entry_stands_alone() {
    let entries = Chain::new(log_id(1)).noops(1).new_term().take();
    let at = entries[1].position();
    assert_eq!(batch(origin(), entries.clone()), Err(BatchError::NotAlone { at }));
    assert!(batch(entries[0].anchor(), vec![entries[1].clone()]).is_ok());
}

#[test]
fn a_split_gives_a_new_term_entry_a_batch_of_its_own() {
    let mut chain = Chain::new(log_id(1));
    let entries = chain.noops(2).new_term().new_term().noops(2).take();
    let batches = Batch::split(log_id(1), origin(), entries, Limits::default()).unwrap();
    assert_eq!(batches.iter().map(|batch| batch.entries().len()).collect::<Vec<_>>(), [2, 1, 1, 2]);
    assert_eq!(batches.last().map(Batch::last), Some(chain.last()));
}

#[test]
fn an_entry_above_the_byte_limit_is_a_batch_of_its_own() {
    let mut chain = Chain::new(log_id(1));
    chain.noops(1).insert(&namespace("items"), rawdoc! { "_id": 1, "text": "x".repeat(5000) }).noops(1);
    let limits = Limits { entries_max: 10, bytes_max: 1000 };
    let batches = Batch::split(log_id(1), origin(), chain.take(), limits).unwrap();
    assert_eq!(batches.iter().map(|batch| batch.entries().len()).collect::<Vec<_>>(), [1, 1, 1]);
}

#[test]
fn a_split_refuses_what_is_no_log() {
    let mut entries = Chain::new(log_id(1)).noops(5).take();
    entries.remove(3);
    let split = Batch::split(log_id(1), origin(), entries, Limits { entries_max: 2, ..Limits::default() });
    assert!(matches!(split, Err(BatchError::Gap { expected: 4, .. })), "{split:?}");
}

#[test]
fn changes_are_folded_to_one_per_document_in_the_order_of_ids() {
    let (items, orders) = (namespace("items"), namespace("orders"));
    let mut chain = Chain::new(log_id(1));
    chain.insert(&orders, only_id(1)).update(&items, only_id("b")).insert(&items, only_id(2)).delete(&items, id("b"));
    chain.update(&items, rawdoc! { "_id": 2, "a": 1 }).noops(1);
    let change = |ns: &Namespace, id: DocId, before, after, index| {
        let (ns, before, patches) = (ns.clone(), Some(before), Vec::new());
        Change { ns, id, before, after, patches, index }
    };
    let changed = Document::new(rawdoc! { "_id": 2, "a": 1 }).unwrap();
    let expected = [
        change(&items, id(2), Existence::Absent, Some(changed), 5),
        change(&items, id("b"), Existence::Present, None, 4),
        change(&orders, id(1), Existence::Absent, Some(Document::new(only_id(1)).unwrap()), 1),
    ];
    assert_eq!(chain.take_batch().fold().unwrap(), expected);
}

#[test]
fn what_was_folded_ahead_is_what_is_folded_and_is_not_kept_for_what_changes_it() {
    let mut chain = Chain::new(log_id(1));
    chain.insert(&namespace("items"), only_id(1)).insert(&namespace("orders"), only_id(2));
    let plain = chain.take_batch();
    let filter = Filter::new(&[], &["shop.items".to_owned()], &[]).unwrap();
    let image = Some(Document::new(rawdoc! { "_id": 1, "a": 1 }).unwrap());
    let as_it_is = |batch: Batch| batch;
    let seen = |batch: Batch| batch.seen(View::through(filter.clone()));
    let with_image = |batch: Batch| batch.with_image(1, image.clone());
    let changes: [&dyn Fn(Batch) -> Batch; 3] = [&as_it_is, &seen, &with_image];
    let folded = changes.map(|change| {
        let expected = change(plain.clone()).fold().unwrap();
        let ahead = plain.clone();
        ahead.fold_ahead();
        assert_eq!(ahead.folded.take(), Some(plain.fold()));
        ahead.fold_ahead();
        let ahead = change(ahead);
        assert_eq!([ahead.fold().unwrap(), ahead.fold().unwrap()], [expected.clone(), expected.clone()]);
        expected
    });
    assert!(folded[0] != folded[1] && folded[0] != folded[2], "each of them changes something");
}

#[test]
fn a_log_that_contradicts_itself_is_not_folded() {
    let ns = namespace("items");
    let contradiction = |chain: &mut Chain| chain.take_batch().fold().unwrap_err();
    let mut chain = Chain::new(log_id(1));
    let twice = contradiction(chain.insert(&ns, only_id(1)).insert(&ns, only_id(1.0)));
    assert_eq!((twice.position.index, twice.needs), (2, Existence::Absent));
    let gone = contradiction(chain.delete(&ns, id(1)).update(&ns, only_id(1)));
    assert_eq!((gone.position.index, gone.needs), (4, Existence::Present));
    let again = contradiction(chain.delete(&ns, id(1)).delete(&ns, id(1)));
    assert_eq!((again.position.index, again.needs), (6, Existence::Present));
}

#[test]
fn of_two_contradictions_the_earlier_one_is_told_whatever_the_order_of_the_ids() {
    let ns = namespace("items");
    for (first, second) in [(1, 2), (2, 1)] {
        let mut chain = Chain::new(log_id(1));
        chain.insert(&ns, only_id(first)).insert(&ns, only_id(second));
        chain.insert(&ns, only_id(first)).insert(&ns, only_id(second));
        let told = chain.take_batch().fold().unwrap_err();
        assert_eq!((told.position.index, told.id), (3, id(first)));
    }
}

proptest! {
    #[test]
    fn a_split_keeps_every_entry_and_its_limits(entries in strategies::entries(40), limits in strategies::limits()) {
        let batches = Batch::split(log_id(1), origin(), entries.clone(), limits).unwrap();
        let mut after = origin();
        for batch in &batches {
            prop_assert_eq!(batch.after(), &after);
            let count = batch.entries().len();
            let bytes: usize = batch.entries().iter().map(Entry::bytes).sum();
            prop_assert!(count <= limits.entries_max && (bytes <= limits.bytes_max || count == 1));
            after = batch.last();
        }
        let rejoined: Vec<Entry> = batches.iter().flat_map(|batch| batch.entries().iter().cloned()).collect();
        prop_assert_eq!(rejoined, entries);
    }

    #[test]
    fn the_first_batch_is_the_first_of_a_split(entries in strategies::entries(40), limits in strategies::limits()) {
        let split = Batch::split(log_id(1), origin(), entries.clone(), limits).unwrap();
        prop_assert_eq!(Batch::first(log_id(1), origin(), entries, limits).unwrap(), split.into_iter().next());
    }
}

#[test]
fn nothing_follows_the_last_index_and_no_term_follows_the_last_term() {
    let mut last = Entry::origin(LogId::from_bytes([1; 16]));
    last.position = Position { term: u64::MAX, index: u64::MAX };
    let repeated = Entry::seal(&last, last.optime, OpId::from_bytes([1; 16]), Operation::Noop);
    assert!(matches!(check_follows(&last, &repeated), Err(BatchError::Gap { .. })));

    last.position.index = 1;
    let raised = Entry::seal(&last, last.optime, OpId::from_bytes([1; 16]), Operation::NewTerm);
    assert!(matches!(check_follows(&last, &raised), Err(BatchError::Term { .. })));
}
