//! A replicator on a slow or failing target, and behind a source that does not keep its word.

use super::*;
use crate::{
    checkpoint::Checkpoint,
    command,
    documents::Documents,
    entry::Entry,
    filter::Filter,
    lease::{LEASE_TERM, LeaseName, Leases},
    testing::{
        faulty::{Action, Call, Faulty},
        manual_host::ManualHost,
    },
};

type FaultyReplicator = Replicator<OplogFeed<MemoryStore>, Faulty<MemoryStore>, ManualHost>;

fn faulty_replicator(pair: &Pair, target: &Faulty<MemoryStore>, host: &ManualHost) -> FaultyReplicator {
    let options =
        ReplicatorOptions { limits: Limits { entries_max: 4, ..Limits::default() }, ..ReplicatorOptions::default() };
    Replicator::new("db2", OplogFeed::new(pair.source.clone(), "db1"), target.clone(), host.clone(), options)
}

#[tokio::test]
async fn a_replica_that_isolates_an_entry_slowly_does_not_take_itself_for_a_rival() {
    let pair = Pair::new().await;
    pair.insert_many(0..10).await;
    let (target, host) = (Faulty::new(pair.target.clone(), "db2"), ManualHost::standing(1));
    let mut replicator = faulty_replicator(&pair, &target, &host);
    replicator.step().await.unwrap();
    pair.target.put_foreign_document(&ns(), document(rawdoc! { "_id": 6 }));
    // The batch that holds the foreign document's entry fails, the one before that entry takes long.
    target.plan(Call::Apply, Action::Pass);
    let hold = target.hold(Call::Apply);
    let time = async {
        hold.reached().await;
        host.advance(LEASE_TERM / 2);
        tokio::task::yield_now().await;
        hold.release();
    };

    let (stopped, ()) = tokio::join!(replicator.run(std::future::pending(), &()), time);

    let Err(ReplicateError::Target(error)) = stopped else { panic!("{stopped:?}") };
    assert!(matches!(error.fault(), Fault::Drift { index: 8, .. }), "{error:?}");
    assert_eq!(pair.checkpoint_index().await, 7);
    assert!(pair.target.stop().await.unwrap().is_some());
}

#[tokio::test]
async fn a_first_batch_that_takes_long_keeps_the_lease() {
    let pair = Pair::new().await;
    pair.insert_many(0..2).await;
    let (target, host) = (Faulty::new(pair.target.clone(), "db2"), ManualHost::standing(1));
    let mut replicator = faulty_replicator(&pair, &target, &host);
    let hold = target.hold(Call::Apply);
    let time = async {
        hold.reached().await;
        let before = pair.target.lease(LeaseName::Documents).await.unwrap();
        host.advance(LEASE_TERM / 2);
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        let after = pair.target.lease(LeaseName::Documents).await.unwrap();
        hold.release();
        (before, after)
    };

    let (stepped, (before, after)) = tokio::join!(replicator.step(), time);

    stepped.unwrap();
    assert_ne!(before, after, "another process would have taken it over");
}

/// A feed that tells of more and yields none of it, and counts how often it is asked.
#[derive(Debug, Default)]
struct Promises(std::sync::atomic::AtomicU64);

impl Feed for Promises {
    async fn fetch(
        &self,
        _checkpoint: Option<Checkpoint>,
        _token: Option<&crate::checkpoint::Token>,
        _limits: Limits,
    ) -> Result<Fetch, FeedError> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut head = Entry::origin(LogId::from_bytes([1; 16]));
        let floor = head;
        head.position.index = 9;
        Ok(Fetch { batch: None, head, floor })
    }

    async fn acknowledge(&self, _replica: &str, _at: &Anchor) -> Result<(), FeedError> {
        Ok(())
    }

    async fn changed(&self, _at: &Anchor) {
        std::future::pending::<()>().await;
    }

    async fn image(&self, _entry: &Entry) -> Result<Image, FeedError> {
        Ok(Image::Unknown)
    }
}

#[tokio::test]
async fn a_source_that_tells_of_more_and_yields_nothing_is_polled_and_not_stormed() {
    let host = ManualHost::standing(1);
    let mut replicator =
        Replicator::new("db2", Promises::default(), MemoryStore::new("db2"), host, ReplicatorOptions::default());
    let shutdown = async {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    };
    replicator.run(shutdown, &()).await.unwrap();
    assert_eq!(replicator.feed.0.into_inner(), 1, "no time has passed");
}

#[tokio::test]
async fn an_apply_that_arrives_late_is_read_again_and_no_reason_to_stop() {
    let pair = Pair::new().await;
    pair.insert_many(0..10).await;
    let (target, host) = (Faulty::new(pair.target.clone(), "db2"), ManualHost::hurried(1));
    let mut replicator = faulty_replicator(&pair, &target, &host);
    target.plan(Call::Apply, Action::Refuse(Fault::CheckpointMoved { found: Position::default() }));
    let notes = Notes::default();

    replicator.run(notes.1.notified(), &notes).await.unwrap();

    assert_eq!(notes.0.lock().unwrap().last(), Some(&"caught up"));
    assert!(pair.equal().await);
}

#[tokio::test]
async fn a_paused_replicator_does_not_blame_a_replica_that_a_rival_has_brought_on() {
    let pair = Pair::new().await;
    pair.insert_many(0..3).await;
    let (target, host) = (Faulty::new(pair.target.clone(), "db2"), ManualHost::standing(1));
    let mut paused = faulty_replicator(&pair, &target, &host);
    // It has read that there is no checkpoint yet, and stands still.
    let hold = target.hold(Call::Unfinished);
    let rival = async {
        hold.reached().await;
        pair.target
            .swap_lease(LeaseName::Documents, pair.target.lease(LeaseName::Documents).await.unwrap().as_ref(), None)
            .await
            .unwrap();
        catch_up(&mut pair.replicator()).await.unwrap();
        let floor = pair.source.log_ends().await.unwrap().unwrap().head;
        pair.source.trim(&floor).await.unwrap();
        hold.release();
    };

    let (stepped, ()) = tokio::join!(paused.step(), rival);

    let Err(ReplicateError::Target(error)) = stepped else { panic!("{stepped:?}") };
    assert!(matches!(error.fault(), Fault::CheckpointMoved { .. }), "{error:?}");
}

#[tokio::test]
async fn a_shutdown_finishes_the_batch_in_hand_and_begins_no_other() {
    let pair = Pair::new().await;
    pair.insert_many(0..10).await;
    let (target, host) = (Faulty::new(pair.target.clone(), "db2"), ManualHost::standing(1));
    let mut replicator = faulty_replicator(&pair, &target, &host);
    // The new term, which is a batch of its own.
    replicator.step().await.unwrap();
    let (hold, shutdown) = (target.hold(Call::Apply), tokio::sync::Notify::new());
    let asked = async {
        hold.reached().await;
        shutdown.notify_one();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let before = pair.checkpoint_index().await;
        hold.release();
        before
    };

    let (stopped, before) = tokio::join!(replicator.run(shutdown.notified(), &()), asked);

    stopped.unwrap();
    assert_eq!(before, 1, "the batch was in hand when the shutdown came");
    assert_eq!(pair.checkpoint_index().await, 5, "it is finished, and the six entries behind it are left");
    assert_eq!(pair.target.digest(&ns()).await.unwrap().count, 4);
}

#[tokio::test]
async fn the_next_batch_is_fetched_while_this_one_is_applied() {
    let pair = Pair::new().await;
    pair.insert_many(0..10).await;
    let (source, target) = (Faulty::new(pair.source.clone(), "db1"), Faulty::new(pair.target.clone(), "db2"));
    let limits = Limits { entries_max: 4, ..Limits::default() };
    let options = ReplicatorOptions { limits, ..ReplicatorOptions::default() };
    let feed = OplogFeed::new(source.clone(), "db1");
    let mut replicator = Replicator::new("db2", feed, target.clone(), ManualHost::standing(1), options);
    // The new term, and meanwhile the fetch of the batch that is applied next.
    replicator.step().await.unwrap();
    let (apply, read) = (target.hold(Call::Apply), source.hold(Call::Read));
    let both = async {
        apply.reached().await;
        read.reached().await;
        let before = pair.checkpoint_index().await;
        apply.release();
        read.release();
        before
    };

    let bounded = tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(replicator.step(), both) });
    let (stepped, before) = bounded.await.expect("neither of the two waits for the other");

    assert_eq!((before, stepped.unwrap().entries, pair.checkpoint_index().await), (1, 4, 5));
    source.plan(Call::Read, Action::Refuse(Fault::Full));
    let next = replicator.step().await.unwrap();
    assert_eq!(next.entries, 4, "what was fetched meanwhile is applied, though the source fails by now");
}

#[tokio::test]
async fn a_name_that_the_filter_makes_too_long_stops_the_replica_at_the_entry_before_it() {
    // Given a filter under which the name of one collection is longer than a name may be.
    let pair = Pair::new().await;
    let long = Namespace::new(&format!("shop.{}", "c".repeat(240))).unwrap();
    pair.insert_many(0..10).await;
    pair.primary.write(Write::Insert { ns: long.clone(), document: rawdoc! { "_id": 1 } }).await.unwrap();
    let filter = Filter::new(&[], &["d".repeat(60)], &[("shop".to_owned(), "d".repeat(60))]).unwrap();
    let options = ReplicatorOptions { filter, ..ReplicatorOptions::default() };
    let feed = OplogFeed::new(pair.source.clone(), "db1");
    let mut replicator = Replicator::new("db2", feed, pair.target.clone(), ManualHost::hurried(1), options);

    // When it is followed, then everything before that is applied, and the collection is named.
    let stopped = replicator.run(std::future::pending(), &()).await;
    let Err(ReplicateError::Feed(FeedError::Store(error))) = stopped else { panic!("{stopped:?}") };
    assert_eq!(*error.fault(), Fault::Unreplicable { name: long.to_string() });
    assert_eq!(pair.checkpoint_index().await, 11, "the new term and ten inserts");
    assert!(pair.target.stop().await.unwrap().is_some());
}

#[tokio::test]
async fn a_rename_to_a_name_that_the_filter_makes_too_long_stops_the_replica_before_it() {
    // Given a collection that the source gives a name which a replica cannot give it.
    let pair = Pair::new().await;
    let long = Namespace::new(&format!("shop.{}", "c".repeat(240))).unwrap();
    pair.insert(rawdoc! { "_id": 1 }).await;
    let rename = command::Action::Rename { ns: ns(), to: long.clone(), drop_target: false };
    pair.primary.run(rename).await.unwrap();
    let filter = Filter::new(&[], &["d".repeat(60)], &[("shop".to_owned(), "d".repeat(60))]).unwrap();
    let options = ReplicatorOptions { filter, ..ReplicatorOptions::default() };
    let feed = OplogFeed::new(pair.source.clone(), "db1");
    let mut replicator = Replicator::new("db2", feed, pair.target.clone(), ManualHost::hurried(1), options);

    // When it is followed, then it stops there, and what was copied before is not dropped.
    let stopped = replicator.run(std::future::pending(), &()).await;
    let Err(ReplicateError::Feed(FeedError::Store(error))) = stopped else { panic!("{stopped:?}") };
    assert_eq!(*error.fault(), Fault::Unreplicable { name: long.to_string() });
    assert_eq!(pair.target.namespaces().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_applied_is_told_though_the_source_could_not_be_told() {
    // Given a source that is out of reach when it is to be told of the progress.
    struct Applied(Mutex<usize>);
    impl Observer for Applied {
        fn observe(&self, event: Event<'_>) {
            if let Event::Applied(step) = event {
                *self.0.lock().unwrap() += step.entries;
            }
        }
    }
    let pair = Pair::new().await;
    pair.insert_many(0..3).await;
    let source = Faulty::new(pair.source.clone(), "db1");
    source.plan(Call::Acknowledge, Action::Refuse(Fault::Unavailable));
    let feed = OplogFeed::new(source, "db1");
    let host = ManualHost::hurried(1);
    let mut replicator = Replicator::new("db2", feed, pair.target.clone(), host, ReplicatorOptions::default());

    // When it is followed, then every entry is told as applied, once.
    let told = Applied(Mutex::new(0));
    let until = async {
        while pair.source.acknowledgements().await.unwrap().iter().all(|known| known.replica != "db2") {
            tokio::task::yield_now().await;
        }
    };
    replicator.run(until, &told).await.unwrap();
    assert_eq!(*told.0.lock().unwrap(), 4, "the new term and three inserts");
}

#[tokio::test]
async fn a_batch_that_grew_and_is_refused_for_a_time_is_tried_again_with_fewer_entries() {
    // Given a replica so quick that its batches have grown.
    let pair = Pair::new().await;
    pair.insert_many(0..20_000).await;
    let target = Faulty::new(pair.target.clone(), "db2");
    for _ in 0..6 {
        target.plan(Call::Apply, Action::Pass);
    }
    target.plan(Call::Apply, Action::Refuse(Fault::Unavailable));
    let feed = OplogFeed::new(pair.source.clone(), "db1");
    let options = ReplicatorOptions::default();
    let mut replicator = Replicator::new("db2", feed, target, ManualHost::standing(1), options);
    let mut largest = 0;
    for _ in 0..6 {
        largest = largest.max(replicator.step().await.unwrap().entries);
    }
    assert!(largest > 1000, "{largest}");

    // When one of them fails in a way that passes, then the next one is of the first size again.
    replicator.step().await.unwrap_err();
    assert_eq!(replicator.step().await.unwrap().entries, 1000);
}
