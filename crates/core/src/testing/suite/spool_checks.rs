//! What a [`SpoolLog`] owes.

use bson::rawdoc;

use super::{
    ALL, StoreBuilder,
    log_checks::{append, dense, empty_log, ends, every_kind, woken},
};
use crate::{
    batch::Batch,
    checkpoint::{Checkpoint, Resume, Token},
    entry::{Entry, Operation},
    feed::{Feed, OplogFeed},
    filter::FilterId,
    ids::{OpId, OwnerId},
    lease::{Lease, LeaseName, Leases},
    limits::Limits,
    log::{Appended, Log, LogEnds},
    position::Anchor,
    spool::SpoolLog,
    store_error::{Fault, StoreError},
    testing::{
        chain::{Chain, log_id, owner_id, valid},
        documents::{id, namespace, only_id},
    },
};

/// Makes `owner` the one who writes the log, whoever was it before.
async fn lease_log(store: &impl Leases, owner: OwnerId) {
    let found = store.lease(LeaseName::Log).await.expect("the lease is read");
    let lease = Lease { owner, holder: format!("process {owner}"), beat: 0 };
    let swapped = store.swap_lease(LeaseName::Log, found.as_ref(), Some(&lease)).await;
    assert!(swapped.expect("the lease is swapped"), "nobody else takes the lease");
}

fn beside(token: &str) -> Resume {
    Resume { filter: FilterId::default(), token: Some(Token::new(token.as_bytes())) }
}

/// A writer of a log that is in its middle.
fn feed() -> Chain {
    let mut chain = Chain::new(log_id(1));
    chain.noops(3).new_term().noops(38).take();
    chain
}

fn at(chain: &Chain) -> Checkpoint {
    Checkpoint { log: chain.log(), anchor: chain.last() }
}

/// A store with an empty copy of a log that is in its middle, and the writer of that one.
async fn begun<B: StoreBuilder<Store: SpoolLog>>(builder: &B) -> (B::Guard, B::Store, Chain) {
    let (guard, store) = builder.build().await;
    let chain = feed();
    lease_log(&store, owner_id(1)).await;
    store.begin_capture(at(&chain), &beside("begin"), owner_id(1)).await.expect("the copy is begun");
    (guard, store, chain)
}

async fn capture(store: &impl SpoolLog, batch: &Batch) -> Result<(), StoreError> {
    store.capture(batch, owner_id(1)).await
}

async fn captured(store: &impl SpoolLog) -> Option<(Checkpoint, Resume)> {
    store.captured().await.expect("it is read")
}

pub(super) async fn a_new_store_has_captured_nothing<B: StoreBuilder<Store: SpoolLog>>(builder: &B) {
    let (_guard, store) = builder.build().await;
    assert_eq!(captured(&store).await, None);
    lease_log(&store, owner_id(1)).await;
    let error = capture(&store, &feed().noops(1).take_batch()).await.expect_err("nothing was begun");
    assert_eq!(error.node(), builder.node());
    assert_eq!((captured(&store).await, store.log_ends().await.expect("it is read")), (None, None));
}

pub(super) async fn a_copy_begins_at_a_checkpoint<B: StoreBuilder<Store: SpoolLog>>(builder: &B) {
    let (_guard, store, chain) = begun(builder).await;
    assert_eq!(ends(&store).await, LogEnds { log: chain.log(), floor: chain.last(), head: chain.last() });
    assert_eq!(captured(&store).await, Some((at(&chain), beside("begin"))));
    assert_eq!(dense(&store).await, []);
}

pub(super) async fn a_copy_is_begun_once<B: StoreBuilder<Store: SpoolLog>>(builder: &B) {
    let (_guard, store, mut chain) = begun(builder).await;
    let batch = chain.noops(2).take_batch().with_token(Some(Token::new(*b"first")));
    capture(&store, &batch).await.expect("the batch is captured");
    let before = (captured(&store).await, ends(&store).await);
    for again in [at(&feed()), Checkpoint { log: chain.log(), anchor: Entry::origin(chain.log()) }] {
        store.begin_capture(again, &beside("again"), owner_id(1)).await.expect("it stays as it is");
        assert_eq!((captured(&store).await, ends(&store).await), before);
    }
    let other = Checkpoint { log: log_id(2), ..at(&chain) };
    let error = store.begin_capture(other, &beside("other"), owner_id(1)).await.expect_err("another feed's");
    assert!(matches!(error.fault(), Fault::Occupied { .. }), "{error}");
    assert_eq!((captured(&store).await, ends(&store).await), before);
}

pub(super) async fn a_log_that_a_primary_writes_is_no_copy<B: StoreBuilder<Store: SpoolLog>>(builder: &B) {
    let (_guard, store, mut chain) = empty_log(builder).await;
    lease_log(&store, owner_id(1)).await;
    for entries in [vec![], chain.noops(2).take()] {
        assert_eq!(append(&store, &entries).await, Appended::All);
        for checkpoint in [at(&feed()), at(&chain), Checkpoint { log: log_id(2), ..at(&chain) }] {
            let error = store.begin_capture(checkpoint, &beside("begin"), owner_id(1)).await.expect_err("it is taken");
            assert!(matches!(error.fault(), Fault::Occupied { .. }), "{error}");
        }
        assert_eq!((captured(&store).await, dense(&store).await), (None, entries));
    }
}

pub(super) async fn a_copy_takes_no_entries_of_a_primary<B: StoreBuilder<Store: SpoolLog>>(builder: &B) {
    let (_guard, store, mut chain) = begun(builder).await;
    capture(&store, &chain.noops(1).take_batch()).await.expect("the batch is captured");
    let before = (captured(&store).await, ends(&store).await);
    let occupied =
        |error: &StoreError| matches!(error.fault(), Fault::Occupied { .. }) && error.node() == builder.node();
    for entries in [chain.new_term().take(), Vec::new()] {
        let result = store.append(&entries).await;
        assert!(result.as_ref().is_err_and(occupied), "{result:?}");
    }
    let result = store.create_log(log_id(2)).await;
    assert!(result.as_ref().is_err_and(occupied), "{result:?}");
    assert_eq!((captured(&store).await, ends(&store).await), before);
}

pub(super) async fn captured_entries_are_read_back_as_they_are<B: StoreBuilder<Store: SpoolLog>>(builder: &B) {
    let (_guard, store, mut chain) = begun(builder).await;
    let ns = namespace("items");
    let first = chain.insert(&ns, only_id(1)).noops(2).take_batch();
    let second = chain.delete(&ns, id(1)).take_batch();
    for batch in [&first, &second] {
        capture(&store, batch).await.expect("the batch is captured");
        assert_eq!(ends(&store).await.head, batch.last());
    }
    let all = [first.entries(), second.entries()].concat();
    assert_eq!(dense(&store).await, all);
    for entry in &all {
        assert_eq!(store.find(entry.op_id()).await.expect("it is found"), Some(entry.position()));
    }
    assert_eq!(store.read(0, ALL).await.expect("the log is read"), all);
}

pub(super) async fn every_kind_of_entry_is_captured<B: StoreBuilder<Store: SpoolLog>>(builder: &B) {
    let (_guard, store, mut chain) = begun(builder).await;
    let after = chain.last();
    let all = every_kind(&mut chain);
    for batch in Batch::split(chain.log(), after, all.clone(), ALL).expect("they follow each other") {
        capture(&store, &batch).await.expect("the batch is captured");
    }
    let hashes = |entries: &[Entry]| entries.iter().map(Entry::hash).collect::<Vec<_>>();
    assert_eq!(hashes(&dense(&store).await), hashes(&all));
}

async fn moved<B: StoreBuilder<Store: SpoolLog>>(builder: &B, store: &B::Store, batch: &Batch, found: Anchor) {
    let before = (captured(store).await, dense(store).await);
    let error = capture(store, batch).await.expect_err("the batch does not follow");
    assert_eq!((error.fault(), error.node()), (&Fault::CheckpointMoved { found: found.position }, builder.node()));
    assert_eq!((captured(store).await, dense(store).await), before);
}

pub(super) async fn a_batch_is_captured_once<B: StoreBuilder<Store: SpoolLog>>(builder: &B) {
    let (_guard, store, mut chain) = begun(builder).await;
    let batch = chain.noops(3).take_batch();
    capture(&store, &batch).await.expect("the batch is captured");
    moved(builder, &store, &batch, chain.last()).await;
    capture(&store, &chain.noops(1).take_batch()).await.expect("the feed goes on");
}

pub(super) async fn an_operation_is_captured_once<B: StoreBuilder<Store: SpoolLog>>(builder: &B) {
    let (_guard, store, mut chain) = begun(builder).await;
    let op_id = OpId::from_bytes([9; 16]);
    let first = chain.push_as(op_id, Operation::Noop).noops(1).take_batch();
    capture(&store, &first).await.expect("the batch is captured");
    let (mut again, mut twice) = (chain.rival(2), chain.rival(3));
    let again = again.noops(1).push_as(op_id, Operation::Noop).take_batch();
    let new = OpId::from_bytes([10; 16]);
    let twice = twice.push_as(new, Operation::Noop).push_as(new, Operation::Noop).take_batch();
    for batch in [again, twice] {
        let error = capture(&store, &batch).await.expect_err("the feed yields an operation twice");
        assert_eq!((error.fault(), error.node()), (&Fault::Defect, builder.node()));
        assert_eq!((captured(&store).await, dense(&store).await.len()), (Some((at(&chain), Resume::default())), 2));
    }
    capture(&store, &chain.noops(1).take_batch()).await.expect("the feed goes on");
}

pub(super) async fn a_batch_that_does_not_follow_is_not_captured<B: StoreBuilder<Store: SpoolLog>>(builder: &B) {
    let (_guard, store, mut chain) = begun(builder).await;
    let begin = chain.last();
    let (mut rival, mut foreign) = (chain.rival(2), Chain::after(log_id(2), begin));
    let first = chain.noops(1).take_batch();
    moved(builder, &store, &chain.noops(1).take_batch(), begin).await;
    moved(builder, &store, &foreign.noops(1).take_batch(), begin).await;
    capture(&store, &first).await.expect("the batch is captured");
    rival.noops(1).take();
    moved(builder, &store, &rival.noops(1).take_batch(), first.last()).await;
}

pub(super) async fn nothing_is_captured_without_the_lease<B: StoreBuilder<Store: SpoolLog>>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let mut chain = feed();
    let is_busy = |error: &StoreError| matches!(error.fault(), Fault::Busy { .. }) && error.node() == builder.node();
    super::lease_documents(&store, owner_id(1)).await;
    let plain = Resume::default();
    let begin = || store.begin_capture(at(&feed()), &plain, owner_id(1));
    assert!(begin().await.as_ref().is_err_and(is_busy), "the lease on the documents is another");
    lease_log(&store, owner_id(1)).await;
    begin().await.expect("the copy is begun");
    lease_log(&store, owner_id(2)).await;
    assert!(begin().await.as_ref().is_err_and(is_busy));
    let batch = chain.noops(1).take_batch();
    assert!(capture(&store, &batch).await.as_ref().is_err_and(is_busy));
    assert_eq!((captured(&store).await, dense(&store).await), (Some((at(&feed()), Resume::default())), vec![]));
    store.capture(&batch, owner_id(2)).await.expect("the holder may capture");
}

pub(super) async fn a_copy_is_trimmed_as_any_log<B: StoreBuilder<Store: SpoolLog>>(builder: &B) {
    let (guard, store, mut chain) = begun(builder).await;
    let batch = chain.noops(5).take_batch();
    capture(&store, &batch).await.expect("the batch is captured");
    let anchors: Vec<_> = batch.entries().iter().map(Entry::anchor).collect();
    for floor in [anchors.get(2), anchors.last()].into_iter().flatten() {
        store.trim(floor).await.expect("the log is trimmed");
        assert_eq!(ends(&store).await, LogEnds { log: chain.log(), floor: *floor, head: chain.last() });
        let left = batch.entries().iter().filter(|entry| entry.position().index > floor.position.index);
        assert!(dense(&store).await.iter().eq(left));
        assert_eq!(captured(&store).await, Some((at(&chain), Resume::default())));
    }
    let Some(store) = builder.reopen(&guard, store).await else { return };
    lease_log(&store, owner_id(1)).await;
    let more = chain.noops(2).take_batch();
    capture(&store, &more).await.expect("the feed goes on");
    assert_eq!(dense(&store).await, more.entries());
}

pub(super) async fn a_transaction_is_fetched_whole<B: StoreBuilder<Store: SpoolLog>>(builder: &B) {
    let (_guard, store, mut chain) = begun(builder).await;
    let (ns, begin) = (namespace("items"), at(&chain));
    let inserts =
        (0..50).map(|number| Operation::Insert { ns: ns.clone(), document: valid(rawdoc! { "_id": number }) });
    chain.noops(2).transaction(inserts).noops(1);
    let batch = chain.take_batch();
    capture(&store, &batch).await.expect("the batch is captured");
    let feed = OplogFeed::new(store, builder.node()).with_transactions();
    let (mut from, mut sizes) = (begin, Vec::new());
    let limits = Limits { entries_max: 3, ..ALL };
    while let Some(fetched) = feed.fetch(Some(from), None, limits).await.expect("the feed yields").batch {
        sizes.push(fetched.entries().len());
        from.anchor = fetched.last();
    }
    assert_eq!((from, sizes), (at(&chain), vec![2, 50, 1]));
}

pub(super) async fn what_stands_beside_the_entries_is_remembered<B: StoreBuilder<Store: SpoolLog>>(builder: &B) {
    let (_guard, store, mut chain) = begun(builder).await;
    for token in ["one", "two"] {
        let batch = chain.noops(1).take_batch().with_token(Some(Token::new(token.as_bytes())));
        capture(&store, &batch).await.expect("the batch is captured");
        assert_eq!(captured(&store).await, Some((at(&chain), beside(token))));
    }
    capture(&store, &chain.noops(1).take_batch()).await.expect("the batch is captured");
    assert_eq!(captured(&store).await, Some((at(&chain), Resume::default())), "it is that of the last batch");
}

pub(super) async fn a_copy_survives_a_restart<B: StoreBuilder<Store: SpoolLog>>(builder: &B) {
    let (guard, store, mut chain) = begun(builder).await;
    let Some(store) = builder.reopen(&guard, store).await else { return };
    assert_eq!(captured(&store).await, Some((at(&chain), beside("begin"))));
    lease_log(&store, owner_id(1)).await;
    let batch = chain.noops(3).take_batch().with_token(Some(Token::new(*b"more")));
    capture(&store, &batch).await.expect("the batch is captured");
    let Some(store) = builder.reopen(&guard, store).await else { return };
    assert_eq!(captured(&store).await, Some((at(&chain), beside("more"))));
    assert_eq!(dense(&store).await, batch.entries());
    let result = store.append(&chain.noops(1).take()).await;
    assert!(result.as_ref().is_err_and(|error| matches!(error.fault(), Fault::Occupied { .. })), "{result:?}");
}

pub(super) async fn a_capture_wakes_those_who_wait_for_it<B: StoreBuilder<Store: SpoolLog>>(builder: &B) {
    if !builder.tells() {
        return;
    }
    let (_guard, store, mut chain) = begun(builder).await;
    for _ in 0..5 {
        let head = chain.last().position.index;
        let batch = chain.noops(1).take_batch();
        woken(&store, head, async { capture(&store, &batch).await.expect("the batch is captured") }).await;
    }
}
