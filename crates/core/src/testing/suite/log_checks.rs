//! What a [`Log`] owes when it is created, appended to and read.

use std::time::Duration;

use bson::rawdoc;

use super::{ALL, StoreBuilder};
use crate::{
    catalog::CollectionOptions,
    command::Action,
    entry::{Entry, Operation},
    ids::OpId,
    limits::Limits,
    log::{Acknowledgement, Appended, Log, LogEnds},
    testing::{
        chain::{Chain, log_id},
        documents::{every_type, id, ids_in_order, namespace},
    },
};

/// A store with an empty log, and its writer.
pub(super) async fn empty_log<B: StoreBuilder>(builder: &B) -> (B::Guard, B::Store, Chain) {
    let (guard, store) = builder.build().await;
    store.create_log(log_id(1)).await.expect("the log is created");
    (guard, store, Chain::new(log_id(1)))
}

/// All entries of the log, which must be dense, chained, and end at the head.
pub(super) async fn dense(store: &impl Log) -> Vec<Entry> {
    let LogEnds { floor, head, .. } = ends(store).await;
    let entries = store.read(floor.next_index(), ALL).await.expect("the log is read");
    let mut last = floor;
    for entry in &entries {
        crate::batch::check_follows(&last, entry).expect("the log is dense and chained");
        last = entry.anchor();
    }
    assert_eq!(last, head, "the newest entry is the head");
    entries
}

pub(super) async fn ends(store: &impl Log) -> LogEnds {
    store.log_ends().await.expect("the ends are read").expect("there is a log")
}

pub(super) async fn append(store: &impl Log, entries: &[Entry]) -> Appended {
    store.append(entries).await.expect("the append gets an answer")
}

pub(super) async fn a_new_store_holds_no_log<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    assert_eq!(store.log_ends().await.expect("the ends are read"), None);
    assert_eq!(store.acknowledgements().await.expect("they are read"), []);
}

pub(super) async fn a_log_is_created_once<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let origin = Entry::origin(log_id(1));
    let created = LogEnds { log: log_id(1), floor: origin, head: origin };
    assert_eq!(store.create_log(log_id(1)).await.expect("it is created"), created);
    let entries = Chain::new(log_id(1)).noops(2).take();
    assert_eq!(append(&store, &entries).await, Appended::All);
    let again = store.create_log(log_id(2)).await.expect("the older log is found");
    assert_eq!((again.log, again.floor), (log_id(1), origin), "the older log stays");
    assert_eq!(again, ends(&store).await);
    assert_eq!(dense(&store).await, entries);
}

pub(super) async fn of_two_creators_both_see_the_same_log<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (one, other) = tokio::join!(store.create_log(log_id(1)), store.create_log(log_id(2)));
    let one = one.expect("the one gets a log");
    assert_eq!(one, other.expect("the other gets a log"));
    assert_eq!(one, ends(&store).await);
}

pub(super) async fn appended_entries_are_read_back_as_they_are<B: StoreBuilder>(builder: &B) {
    let (_guard, store, mut chain) = empty_log(builder).await;
    let first = chain.noops(3).take();
    assert_eq!(append(&store, &first).await, Appended::All);
    assert_eq!(dense(&store).await, first);
    let second = chain.noops(2).take();
    assert_eq!(append(&store, &second).await, Appended::All);
    assert_eq!(dense(&store).await, [first, second].concat());
    assert_eq!(ends(&store).await.head, chain.last());
}

/// Entries of every kind, with values of every type.
pub(super) fn every_kind(chain: &mut Chain) -> Vec<Entry> {
    let ns = namespace("items");
    chain.insert(&ns, every_type(1)).update(&ns, rawdoc! { "_id": 1, "a": [1.5] }).noops(1).new_term();
    chain.patch(&ns, id(1), rawdoc! { "u": { "a": every_type(2) }, "i": { "b": 1 } });
    chain.command(Action::Create { ns: namespace("orders"), options: CollectionOptions::default() });
    chain.command(Action::DropDatabase { database: ns.database_name() });
    for id in ids_in_order() {
        chain.delete(&ns, id);
    }
    chain.take()
}

pub(super) async fn every_kind_of_entry_survives<B: StoreBuilder>(builder: &B) {
    let (_guard, store, mut chain) = empty_log(builder).await;
    let entries = every_kind(&mut chain);
    assert_eq!(append(&store, &entries).await, Appended::All);
    assert_eq!(dense(&store).await, entries);
    // Equal ids of different types are equal, but not the same.
    let hashes = |entries: &[Entry]| entries.iter().map(Entry::hash).collect::<Vec<_>>();
    assert_eq!(hashes(&dense(&store).await), hashes(&entries));
}

pub(super) async fn the_same_entries_twice_are_one_append<B: StoreBuilder>(builder: &B) {
    let (_guard, store, mut chain) = empty_log(builder).await;
    let entries = chain.noops(3).take();
    assert_eq!(append(&store, &entries).await, Appended::All);
    assert_eq!(append(&store, &entries).await, Appended::All);
    assert_eq!(dense(&store).await, entries);
}

pub(super) async fn an_overlapping_append_adds_only_what_is_missing<B: StoreBuilder>(builder: &B) {
    let (_guard, store, mut chain) = empty_log(builder).await;
    let entries = chain.noops(5).take();
    let (some, _) = entries.split_at(2);
    assert_eq!(append(&store, some).await, Appended::All);
    assert_eq!(append(&store, &entries).await, Appended::All);
    assert_eq!(append(&store, some).await, Appended::All, "old entries still count");
    assert_eq!(dense(&store).await, entries);
}

pub(super) async fn an_append_of_nothing_changes_nothing<B: StoreBuilder>(builder: &B) {
    let (_guard, store, _) = empty_log(builder).await;
    assert_eq!(append(&store, &[]).await, Appended::All);
    assert_eq!(dense(&store).await, []);
}

pub(super) async fn an_append_at_a_taken_position_is_beaten<B: StoreBuilder>(builder: &B) {
    let (_guard, store, mut chain) = empty_log(builder).await;
    let mut rival = chain.rival(2);
    let entries = chain.noops(2).take();
    assert_eq!(append(&store, &entries).await, Appended::All);
    assert_eq!(append(&store, &rival.noops(3).take()).await, Appended::Beaten { count: 0 });
    assert_eq!(dense(&store).await, entries);
}

pub(super) async fn an_append_is_beaten_in_its_middle<B: StoreBuilder>(builder: &B) {
    let (_guard, store, mut chain) = empty_log(builder).await;
    let mut entries = chain.noops(1).take();
    let mut rival = chain.rival(2);
    let late = [entries.clone(), rival.noops(2).take()].concat();
    entries.extend(chain.noops(1).take());
    assert_eq!(append(&store, &entries).await, Appended::All);
    assert_eq!(append(&store, &late).await, Appended::Beaten { count: 1 });
    assert_eq!(dense(&store).await, entries);
}

pub(super) async fn an_operation_id_at_another_position_is_beaten<B: StoreBuilder>(builder: &B) {
    let (_guard, store, mut chain) = empty_log(builder).await;
    let op_id = OpId::from_bytes([9; 16]);
    let first = chain.push_as(op_id, Operation::Noop).noops(1).take();
    assert_eq!(append(&store, &first).await, Appended::All);
    let second = chain.noops(1).push_as(op_id, Operation::Noop).noops(1).take();
    assert_eq!(append(&store, &second).await, Appended::Beaten { count: 1 });
    let (counted, _) = second.split_at(1);
    assert_eq!(dense(&store).await, [&first, counted].concat(), "the prefix is in the log, and no more");
}

/// The entries do not go in, and nothing else has happened.
async fn refused(store: &impl Log, entries: &[Entry]) {
    let before = dense(store).await;
    let appended = append(store, entries).await;
    assert_eq!(appended, Appended::Beaten { count: 0 });
    assert_eq!(dense(store).await, before);
}

pub(super) async fn an_append_that_would_leave_a_hole_is_refused<B: StoreBuilder>(builder: &B) {
    let (_guard, store, mut chain) = empty_log(builder).await;
    let entries = chain.noops(5).take();
    let (present, rest) = entries.split_at(2);
    let (_, behind_the_hole) = rest.split_at(1);
    refused(&store, behind_the_hole).await;
    assert_eq!(append(&store, present).await, Appended::All);
    refused(&store, behind_the_hole).await;
}

pub(super) async fn an_append_to_another_predecessor_is_refused<B: StoreBuilder>(builder: &B) {
    let (_guard, store, mut chain) = empty_log(builder).await;
    let mut rival = chain.rival(2);
    rival.noops(2).take();
    refused(&store, &Chain::new(log_id(2)).noops(1).take()).await;
    assert_eq!(append(&store, &chain.noops(2).take()).await, Appended::All);
    refused(&store, &rival.noops(1).take()).await;
}

pub(super) async fn an_append_in_an_older_term_is_refused<B: StoreBuilder>(builder: &B) {
    let (_guard, store, mut chain) = empty_log(builder).await;
    assert_eq!(append(&store, &chain.noops(1).take()).await, Appended::All);
    let mut deposed = chain.rival(2);
    assert_eq!(append(&store, &chain.new_term().take()).await, Appended::All);
    refused(&store, &deposed.noops(1).take()).await;
    refused(&store, &deposed.noops(1).take()).await;
    assert_eq!(append(&store, &chain.noops(1).take()).await, Appended::All);
}

pub(super) async fn entries_that_do_not_follow_each_other_leave_the_log_dense<B: StoreBuilder>(builder: &B) {
    let (_guard, store, mut chain) = empty_log(builder).await;
    let mut entries = chain.noops(2).take();
    chain.noops(1).take();
    entries.extend(chain.noops(1).take());
    // The caller breaks the contract, so that the answer is the store's choice, but not the log.
    if let Ok(appended) = store.append(&entries).await {
        assert_ne!(appended, Appended::All);
    }
    assert!(dense(&store).await.len() <= 2);
}

pub(super) async fn rivals_leave_one_dense_log<B: StoreBuilder>(builder: &B) {
    let (_guard, store, chain) = empty_log(builder).await;
    let [a, b, c, d] = [1, 2, 3, 4].map(|writer| chain.rival(writer).noops(3).take());
    let (one, two, three, four) = tokio::join!(store.append(&a), store.append(&b), store.append(&c), store.append(&d));
    let log = dense(&store).await;
    let mut counted = Vec::new();
    for (entries, appended) in [a, b, c, d].into_iter().zip([one, two, three, four]) {
        let count = match appended.expect("the append gets an answer") {
            Appended::All => entries.len(),
            Appended::Beaten { count } => count,
        };
        counted.extend(entries.into_iter().take(count));
    }
    assert_eq!(log, counted, "what is in the log is exactly what was counted, and one writer's");
    assert!(!log.is_empty(), "one of the rivals is first");
}

pub(super) async fn a_read_is_bounded_by_entries<B: StoreBuilder>(builder: &B) {
    let (_guard, store, mut chain) = empty_log(builder).await;
    let entries = chain.noops(7).take();
    assert_eq!(append(&store, &entries).await, Appended::All);
    let limits = Limits { entries_max: 3, ..ALL };
    for from in 1..=7 {
        let read = store.read(from, limits).await.expect("the log is read");
        let expected: Vec<Entry> =
            entries.iter().filter(|entry| entry.position().index >= from).take(3).cloned().collect();
        assert_eq!(read, expected);
    }
}

pub(super) async fn a_read_is_bounded_by_bytes<B: StoreBuilder>(builder: &B) {
    let (_guard, store, mut chain) = empty_log(builder).await;
    let ns = namespace("items");
    for number in 0..6 {
        chain.insert(&ns, rawdoc! { "_id": number, "text": "x".repeat(1000) });
    }
    let entries = chain.take();
    assert_eq!(append(&store, &entries).await, Appended::All);
    let two = entries.iter().take(2).map(Entry::bytes).sum();
    for bytes_max in [two, two + 1] {
        let read = store.read(1, Limits { bytes_max, ..ALL }).await.expect("the log is read");
        assert!(read.iter().map(Entry::bytes).sum::<usize>() <= bytes_max);
        assert!(!read.is_empty() && entries.starts_with(&read), "a prefix of the log");
    }
}

pub(super) async fn a_read_yields_one_entry_that_is_larger_than_the_limit<B: StoreBuilder>(builder: &B) {
    let (_guard, store, mut chain) = empty_log(builder).await;
    let large = rawdoc! { "_id": 1, "text": "x".repeat(5000) };
    let entries = chain.insert(&namespace("items"), large).noops(1).take();
    assert_eq!(append(&store, &entries).await, Appended::All);
    let read = store.read(1, Limits { entries_max: 10, bytes_max: 100 }).await.expect("the log is read");
    assert!(read.len() == 1 && entries.starts_with(&read));
}

pub(super) async fn a_read_starts_where_it_is_told<B: StoreBuilder>(builder: &B) {
    let (_guard, store, mut chain) = empty_log(builder).await;
    let entries = chain.noops(3).take();
    assert_eq!(append(&store, &entries).await, Appended::All);
    assert_eq!(store.read(0, ALL).await.expect("the log is read"), entries);
    assert!(entries.ends_with(&store.read(3, ALL).await.expect("the log is read")));
    assert_eq!(store.read(4, ALL).await.expect("the log is read"), []);
    assert_eq!(store.read(u64::MAX >> 1, ALL).await.expect("the log is read"), []);
}

pub(super) async fn an_operation_is_found_by_its_id<B: StoreBuilder>(builder: &B) {
    let (_guard, store, mut chain) = empty_log(builder).await;
    let entries = chain.noops(3).take();
    assert_eq!(append(&store, &entries).await, Appended::All);
    for entry in &entries {
        assert_eq!(store.find(entry.op_id()).await.expect("it is found"), Some(entry.position()));
    }
    assert_eq!(store.find(OpId::from_bytes([255; 16])).await.expect("it is looked for"), None);
}

pub(super) async fn a_log_survives_a_restart<B: StoreBuilder>(builder: &B) {
    let (guard, store, mut chain) = empty_log(builder).await;
    let entries = chain.insert(&namespace("items"), rawdoc! { "_id": 1 }).delete(&namespace("items"), id(1)).take();
    assert_eq!(append(&store, &entries).await, Appended::All);
    let replica = Acknowledgement { replica: "db2".to_owned(), at: chain.last() };
    store.acknowledge(&replica).await.expect("it is remembered");
    let Some(store) = builder.reopen(&guard, store).await else { return };
    assert_eq!(dense(&store).await, entries);
    assert_eq!(store.acknowledgements().await.expect("they are read"), [replica]);
    assert_eq!(append(&store, &entries).await, Appended::All);
    assert_eq!(append(&store, &chain.noops(1).take()).await, Appended::All);
    assert_eq!(dense(&store).await.len(), 3);
}

pub(super) async fn acknowledgements_are_remembered<B: StoreBuilder>(builder: &B) {
    let (_guard, store, mut chain) = empty_log(builder).await;
    let entries = chain.noops(2).take();
    assert_eq!(append(&store, &entries).await, Appended::All);
    let anchors: Vec<_> = entries.iter().map(Entry::anchor).collect();
    let of = |replica: &str, at| Acknowledgement { replica: replica.to_owned(), at };
    let [first, second] = anchors.as_slice() else { panic!("two entries") };
    for acknowledgement in [of("db3", *first), of("db2", *first), of("db3", *second), of("d.b$ \u{e9}", *first)] {
        store.acknowledge(&acknowledgement).await.expect("it is remembered");
    }
    let expected = [of("d.b$ \u{e9}", *first), of("db2", *first), of("db3", *second)];
    assert_eq!(store.acknowledgements().await.expect("they are read"), expected, "the latest of each, by name");
}

pub(super) async fn append_without_a_log_names_the_node<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let error = store.append(&Chain::new(log_id(1)).noops(1).take()).await.expect_err("there is no log");
    assert_eq!(error.node(), builder.node());
    assert!(error.to_string().contains(builder.node()), "{error}");
}

/// Waits for entries beyond `index` while `work` is done; it must come to an end.
pub(super) async fn woken(store: &impl Log, index: u64, work: impl Future<Output = ()>) {
    let both = async { tokio::join!(store.appended(index), work) };
    tokio::time::timeout(Duration::from_secs(60), both).await.expect("who waits is woken");
}

pub(super) async fn an_append_wakes_those_who_wait_for_it<B: StoreBuilder>(builder: &B) {
    if !builder.tells() {
        return;
    }
    let (_guard, store, mut chain) = empty_log(builder).await;
    for head in 0..5 {
        let entries = chain.noops(1).take();
        woken(&store, head, async { assert_eq!(append(&store, &entries).await, Appended::All) }).await;
        // They are there already.
        woken(&store, head, std::future::ready(())).await;
    }
    let entries = chain.noops(1).take();
    let nothing = std::future::ready;
    let appending = async { assert_eq!(append(&store, &entries).await, Appended::All) };
    tokio::join!(woken(&store, 5, nothing(())), woken(&store, 5, nothing(())), appending);
}

pub(super) async fn nobody_is_woken_for_nothing<B: StoreBuilder>(builder: &B) {
    let (_guard, store, mut chain) = empty_log(builder).await;
    assert_eq!(append(&store, &chain.noops(2).take()).await, Appended::All);
    let replica = Acknowledgement { replica: "db2".to_owned(), at: chain.last() };
    let others = async {
        for _ in 0..10 {
            store.acknowledge(&replica).await.expect("it is remembered");
        }
    };
    tokio::select! {
        biased;
        () = store.appended(2) => panic!("there is no entry beyond the head"),
        () = others => {}
    }
}
