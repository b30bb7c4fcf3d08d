//! A replicator on a slow or failing target, and behind a source that does not keep its word.

use super::*;
use crate::{
    lease::LeaseName,
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
    async fn fetch(&self, _checkpoint: Option<Checkpoint>, _limits: Limits) -> Result<Fetch, FeedError> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut head = crate::entry::Entry::origin(LogId::from_bytes([1; 16]));
        let floor = head;
        head.position.index = 9;
        Ok(Fetch { batch: None, head, floor })
    }

    async fn acknowledge(&self, _replica: &str, _at: &Anchor) -> Result<(), FeedError> {
        Ok(())
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
