//! What a [`Log`] owes when its old end is trimmed.

use super::{
    ALL, StoreBuilder,
    log_checks::{append, dense, empty_log, ends},
};
use crate::{
    entry::Entry,
    log::{Appended, Log},
    store_error::Fault,
    testing::chain::Chain,
};

/// A store with a log of five entries.
async fn five_entries<B: StoreBuilder>(builder: &B) -> (B::Guard, B::Store, Chain, Vec<Entry>) {
    let (guard, store, mut chain) = empty_log(builder).await;
    let entries = chain.noops(5).take();
    assert_eq!(append(&store, &entries).await, Appended::All);
    (guard, store, chain, entries)
}

/// Trims all but the last `left` of the entries.
async fn trim_to(store: &impl Log, entries: &[Entry], left: usize) {
    let floor = entries.iter().rev().nth(left).map(Entry::anchor).expect("something is left to trim");
    store.trim(&floor).await.expect("the log is trimmed");
    assert_eq!(ends(store).await.floor, floor);
}

pub(super) async fn trimmed_entries_are_gone_and_the_floor_stays<B: StoreBuilder>(builder: &B) {
    let (_guard, store, _, entries) = five_entries(builder).await;
    trim_to(&store, &entries, 2).await;
    assert!(entries.ends_with(&dense(&store).await));
    let read = store.read(0, ALL).await.expect("the log is read");
    assert!(read.len() == 2 && entries.ends_with(&read), "nothing below the floor is read");
}

pub(super) async fn a_trim_to_an_older_floor_changes_nothing<B: StoreBuilder>(builder: &B) {
    let (_guard, store, chain, entries) = five_entries(builder).await;
    store.trim(&Entry::origin(chain.log())).await.expect("the origin is a floor");
    assert_eq!(dense(&store).await, entries);
    trim_to(&store, &entries, 2).await;
    for entry in entries.iter().take(3) {
        store.trim(&entry.anchor()).await.expect("an older floor is no harm");
        assert_eq!(dense(&store).await.len(), 2);
    }
}

pub(super) async fn a_trim_above_the_head_is_a_defect<B: StoreBuilder>(builder: &B) {
    let (_guard, store, mut chain, entries) = five_entries(builder).await;
    chain.noops(1);
    let error = store.trim(&chain.last()).await.expect_err("the floor is above the head");
    assert_eq!((error.fault(), error.node()), (&Fault::Defect, builder.node()));
    assert_eq!(dense(&store).await, entries);
}

pub(super) async fn an_emptied_log_continues_where_it_ended<B: StoreBuilder>(builder: &B) {
    let (_guard, store, mut chain, entries) = five_entries(builder).await;
    trim_to(&store, &entries, 0).await;
    assert_eq!(ends(&store).await.head, chain.last());
    assert_eq!(dense(&store).await, []);
    assert_eq!(store.create_log(chain.log()).await.expect("the log is found"), ends(&store).await);
    let more = chain.noops(1).new_term().take();
    assert_eq!(append(&store, &more).await, Appended::All);
    assert_eq!(dense(&store).await, more);
}

pub(super) async fn an_append_below_the_floor_does_not_count<B: StoreBuilder>(builder: &B) {
    let (_guard, store, chain, entries) = five_entries(builder).await;
    trim_to(&store, &entries, 0).await;
    let late = Chain::new(chain.log()).rival(2).noops(7).take();
    assert_eq!(append(&store, &late).await, Appended::Beaten { count: 0 });
    assert_eq!(append(&store, &entries).await, Appended::Beaten { count: 0 }, "what was trimmed stays so");
    assert_eq!(dense(&store).await, []);
    assert_eq!(ends(&store).await.head, chain.last());
}

pub(super) async fn a_trimmed_operation_is_not_found<B: StoreBuilder>(builder: &B) {
    let (_guard, store, _, entries) = five_entries(builder).await;
    trim_to(&store, &entries, 2).await;
    for (number, entry) in entries.iter().enumerate() {
        let expected = (number >= 3).then_some(entry.position());
        assert_eq!(store.find(entry.op_id()).await.expect("it is looked for"), expected);
    }
}

pub(super) async fn a_floor_survives_a_restart<B: StoreBuilder>(builder: &B) {
    let (guard, store, mut chain, entries) = five_entries(builder).await;
    trim_to(&store, &entries, 0).await;
    let before = ends(&store).await;
    let Some(store) = builder.reopen(&guard, store).await else { return };
    assert_eq!(ends(&store).await, before);
    assert_eq!(append(&store, &chain.noops(1).take()).await, Appended::All);
    assert_eq!(dense(&store).await.len(), 1);
}
