mod faults;

use std::sync::Mutex;

use bson::{RawBson, RawDocumentBuf, rawdoc};

use super::*;
use crate::{
    apply::Existence,
    doc_id::DocId,
    documents::Documents,
    feed::OplogFeed,
    host::SystemHost,
    ids::LogId,
    log::Log,
    memory::MemoryStore,
    namespace::Namespace,
    primary::{Primary, PrimaryError, PrimaryOptions},
    verify::{VerifyOptions, compare},
    write::Write,
};

type MemoryReplicator = Replicator<OplogFeed<MemoryStore>, MemoryStore, SystemHost>;

struct Pair {
    source: MemoryStore,
    primary: Primary<MemoryStore, SystemHost>,
    target: MemoryStore,
}

impl Pair {
    async fn new() -> Self {
        let source = MemoryStore::new("db1");
        let primary = Primary::open(source.clone(), SystemHost, PrimaryOptions::default()).await.unwrap();
        Self { source, primary, target: MemoryStore::new("db2") }
    }

    fn replicator(&self) -> MemoryReplicator {
        replicator(&self.source, &self.target)
    }

    async fn insert(&self, document: RawDocumentBuf) {
        self.primary.write(Write::Insert { ns: ns(), document }).await.unwrap();
    }

    async fn insert_many(&self, ids: std::ops::Range<i32>) {
        for id in ids {
            self.insert(rawdoc! { "_id": id }).await;
        }
    }

    async fn equal(&self) -> bool {
        compare(&self.source, &self.target, &SystemHost, VerifyOptions { rechecks: 0, ..VerifyOptions::default() })
            .await
            .unwrap()
            .is_equal()
    }

    async fn checkpoint_index(&self) -> u64 {
        self.target.checkpoint().await.unwrap().map_or(0, |checkpoint| checkpoint.anchor.position.index)
    }
}

fn replicator(source: &MemoryStore, target: &MemoryStore) -> MemoryReplicator {
    let options = ReplicatorOptions {
        limits: Limits { entries_max: 4, ..Limits::default() },
        poll_interval: Duration::from_millis(2),
        lease_term: Duration::from_millis(40),
        ..ReplicatorOptions::default()
    };
    Replicator::new("db2", OplogFeed::new(source.clone(), "db1"), target.clone(), SystemHost, options)
}

fn ns() -> Namespace {
    Namespace::new("shop.orders").unwrap()
}

fn id(value: i32) -> DocId {
    DocId::new(RawBson::Int32(value)).unwrap()
}

fn document(raw: RawDocumentBuf) -> Document {
    Document::new(raw).unwrap()
}

async fn catch_up(replicator: &mut MemoryReplicator) -> Result<(), ReplicateError> {
    while replicator.step().await?.progress.behind > 0 {}
    Ok(())
}

#[tokio::test]
async fn a_replica_ends_equal_to_its_primary() {
    let pair = Pair::new().await;
    pair.insert_many(0..10).await;
    let replace = Write::Replace { ns: ns(), id: id(3), document: rawdoc! { "qty": 5 }, upsert: false };
    pair.primary.write(replace).await.unwrap();
    pair.primary.write(Write::Delete { ns: ns(), id: id(4) }).await.unwrap();

    catch_up(&mut pair.replicator()).await.unwrap();

    assert!(pair.equal().await);
    assert_eq!(pair.target.digest(&ns()).await.unwrap().count, 9);
}

#[tokio::test]
async fn a_replica_that_starts_again_goes_on_from_its_checkpoint() {
    let pair = Pair::new().await;
    pair.insert_many(0..10).await;
    let mut first = pair.replicator();
    catch_up(&mut first).await.unwrap();
    first.close().await.unwrap();
    pair.insert_many(10..13).await;

    let mut second = pair.replicator();
    let step = second.step().await.unwrap();

    assert_eq!((step.entries, step.progress.behind), (3, 0));
    assert!(pair.equal().await);
}

#[tokio::test]
async fn an_entry_that_cannot_be_applied_stops_the_replica_at_the_entry_before_it() {
    let pair = Pair::new().await;
    pair.insert_many(0..10).await;
    pair.target.put_foreign_document(&ns(), document(rawdoc! { "_id": 6, "foreign": true }));
    let mut replicator = pair.replicator();
    // A target that holds something and has no checkpoint is refused at once, so begin before it.
    pair.target.delete_foreign_document(&ns(), &id(6));
    replicator.step().await.unwrap();
    pair.target.put_foreign_document(&ns(), document(rawdoc! { "_id": 6, "foreign": true }));

    let stopped = replicator.run(std::future::pending(), &()).await;

    // Entry 1 begins the term, so document 6 is written by entry 8.
    let Err(ReplicateError::Target(error)) = stopped else { panic!("{stopped:?}") };
    let drift = Fault::Drift { ns: ns(), id: id(6), needs: Existence::Absent, index: 8 };
    assert_eq!(error.fault(), &drift);
    assert_eq!(pair.checkpoint_index().await, 7);
    let stop = pair.target.stop().await.unwrap().unwrap();
    assert_eq!((stop.at, stop.too_stale), (Position { term: 1, index: 8 }, false));

    // Once the foreign document is gone, it goes on and the stop is forgotten.
    pair.target.delete_foreign_document(&ns(), &id(6));
    catch_up(&mut pair.replicator()).await.unwrap();
    assert!(pair.equal().await);
    assert_eq!(pair.target.stop().await.unwrap(), None);
}

#[tokio::test]
async fn a_target_with_documents_of_unknown_origin_is_refused() {
    let pair = Pair::new().await;
    pair.insert_many(0..1).await;
    pair.target.put_foreign_document(&ns(), document(rawdoc! { "_id": 6 }));
    let refused = pair.replicator().step().await;
    assert!(matches!(refused, Err(ReplicateError::TargetNotEmpty { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_replica_whose_entries_were_trimmed_is_too_stale_and_says_so() {
    let pair = Pair::new().await;
    pair.insert_many(0..3).await;
    catch_up(&mut pair.replicator()).await.unwrap();
    pair.insert_many(3..6).await;
    let floor = pair.source.log_ends().await.unwrap().unwrap().head;
    pair.source.trim(&floor).await.unwrap();

    let stopped = replicator(&pair.source, &pair.target).run(std::future::pending(), &()).await;

    assert!(matches!(stopped, Err(ReplicateError::Feed(FeedError::TooStale { .. }))), "{stopped:?}");
    assert!(pair.target.stop().await.unwrap().unwrap().too_stale);
}

#[tokio::test]
async fn a_replica_that_stands_exactly_at_the_floor_goes_on() {
    let pair = Pair::new().await;
    pair.insert_many(0..3).await;
    catch_up(&mut pair.replicator()).await.unwrap();
    let floor = pair.source.log_ends().await.unwrap().unwrap().head;
    pair.source.trim(&floor).await.unwrap();
    pair.insert_many(3..6).await;

    catch_up(&mut pair.replicator()).await.unwrap();
    assert!(pair.equal().await);
}

#[tokio::test]
async fn a_source_that_was_restored_or_rewritten_is_noticed() {
    let pair = Pair::new().await;
    pair.insert_many(0..3).await;
    catch_up(&mut pair.replicator()).await.unwrap();
    let entries = pair.source.read(1, Limits::default()).await.unwrap();

    // It lost its newest entry.
    pair.source.tamper_with_entry(4, None);
    let back = pair.replicator().step().await;
    assert!(matches!(back, Err(ReplicateError::Feed(FeedError::WentBack { .. }))), "{back:?}");

    // It then wrote another one in its place.
    let operation = crate::entry::Operation::Insert { ns: ns(), document: document(rawdoc! { "_id": 9 }) };
    let other = crate::entry::Entry::seal(
        &entries[2].anchor(),
        entries[2].optime(),
        crate::ids::OpId::from_bytes([3; 16]),
        operation,
    );
    pair.source.append(&[other]).await.unwrap();
    let diverged = pair.replicator().step().await;
    assert!(matches!(diverged, Err(ReplicateError::Feed(FeedError::Diverged { .. }))), "{diverged:?}");
}

#[tokio::test]
async fn a_gap_in_the_log_is_an_error_and_never_skipped() {
    let pair = Pair::new().await;
    pair.insert_many(0..6).await;
    pair.source.tamper_with_entry(3, None);
    let broken = catch_up(&mut pair.replicator()).await;
    assert!(matches!(broken, Err(ReplicateError::Feed(FeedError::Broken { .. }))), "{broken:?}");
    assert!(pair.checkpoint_index().await < 3);
}

#[tokio::test]
async fn a_checkpoint_of_another_log_is_foreign() {
    let pair = Pair::new().await;
    pair.insert_many(0..1).await;
    catch_up(&mut pair.replicator()).await.unwrap();
    let other = MemoryStore::new("db9");
    other.create_log(LogId::from_bytes([9; 16])).await.unwrap();

    let foreign = replicator(&other, &pair.target).step().await;
    assert!(matches!(foreign, Err(ReplicateError::Feed(FeedError::ForeignLog { .. }))), "{foreign:?}");
}

#[tokio::test]
async fn a_replica_cannot_be_opened_as_a_primary_and_gets_no_log() {
    let pair = Pair::new().await;
    pair.insert_many(0..1).await;
    let mut replicator = pair.replicator();
    catch_up(&mut replicator).await.unwrap();
    replicator.close().await.unwrap();

    let refused = Primary::open(pair.target.clone(), SystemHost, PrimaryOptions::default()).await;

    assert!(matches!(refused, Err(PrimaryError::Replica { .. })), "{refused:?}");
    assert_eq!(pair.target.log_ends().await.unwrap(), None);
}

#[tokio::test]
async fn a_second_replicator_on_the_same_target_is_busy_while_the_first_lives() {
    let pair = Pair::new().await;
    pair.insert_many(0..1).await;
    let (mut first, mut second) = (pair.replicator(), pair.replicator());
    first.step().await.unwrap();
    tokio::select! {
        refused = second.step() => {
            let Err(ReplicateError::Target(error)) = refused else { panic!("{refused:?}") };
            assert!(matches!(error.fault(), Fault::Busy { .. }));
        }
        ended = first.run(std::future::pending(), &()) => panic!("{ended:?}"),
    }
}

#[tokio::test]
async fn a_replicator_takes_over_from_one_that_died() {
    let pair = Pair::new().await;
    pair.insert_many(0..1).await;
    let mut dead = pair.replicator();
    dead.step().await.unwrap();
    pair.insert_many(1..2).await;

    pair.replicator().step().await.unwrap();

    assert!(pair.equal().await);
    pair.insert_many(2..3).await;
    let late = dead.step().await;
    assert!(matches!(late, Err(ReplicateError::Target(_))), "{late:?}");
}

/// Notes the names of events and says when the third retry has come.
#[derive(Default)]
struct Notes(Mutex<Vec<&'static str>>, tokio::sync::Notify);

impl Observer for Notes {
    fn observe(&self, event: Event<'_>) {
        let (name, enough) = match event {
            Event::Applied(_) => ("applied", false),
            Event::CaughtUp(_) => ("caught up", true),
            Event::Retrying { attempt, .. } => ("retrying", attempt == 2),
            Event::Stopped { .. } => ("stopped", true),
        };
        self.0.lock().unwrap().push(name);
        if enough {
            self.1.notify_one();
        }
    }
}

#[tokio::test]
async fn a_source_without_a_log_is_waited_for() {
    let (source, target) = (MemoryStore::new("db1"), MemoryStore::new("db2"));
    let (notes, mut replicator) = (Notes::default(), replicator(&source, &target));

    replicator.run(notes.1.notified(), &notes).await.unwrap();
    assert_eq!(*notes.0.lock().unwrap(), ["retrying", "retrying"]);

    let primary = Primary::open(source, SystemHost, PrimaryOptions::default()).await.unwrap();
    primary.write(Write::Insert { ns: ns(), document: rawdoc! { "_id": 1 } }).await.unwrap();
    replicator.run(notes.1.notified(), &notes).await.unwrap();
    assert_eq!(notes.0.lock().unwrap().last(), Some(&"caught up"));
}

#[tokio::test]
async fn the_source_is_told_of_the_progress_of_each_replica() {
    let pair = Pair::new().await;
    pair.insert_many(0..3).await;
    catch_up(&mut pair.replicator()).await.unwrap();
    let told = pair.source.acknowledgements().await.unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].replica.as_str(), told[0].at.position.index), ("db2", pair.checkpoint_index().await));
}
