//! What follows a spool ends equal to the source behind it, though spool and target fail, both who fills it
//! and who follows it are killed, and it is trimmed; and a spool that does not go on from where a replica is
//! leaves it alone.

use oplogsync_core::{
    capture::{Capture, CaptureError, CaptureOptions, SpoolFeed, SpoolSource},
    documents::Documents,
    feed::FeedError,
    filter::Filter,
    follower::FollowError,
    replicator::ReplicateError,
    spool::SpoolLog,
    testing::{faulty::Faulty, manual_host::ManualHost, model_source::ModelSource, random::Random},
};
use proptest::prelude::*;

use crate::{
    cluster::{InMemory, Nodes, Store, block_on, cases, on_every_store},
    copied::{
        assert_equal, expected, filter,
        life::{LIVES, Life, trouble},
        options,
        totals::Totals,
    },
};

type Filler<S> = Capture<ModelSource, ModelSource, Faulty<S>, ManualHost>;
type Followed<S> = (SpoolFeed<Faulty<S>, ModelSource>, SpoolSource<Faulty<S>, ModelSource>);

fn filler<S: Store + SpoolLog>(source: &ModelSource, spool: &Faulty<S>, seed: u64, filter: &Filter) -> Filler<S> {
    let options = CaptureOptions { filter: filter.clone(), ..CaptureOptions::default() };
    let host = ManualHost::hurried(seed);
    Capture::new("spool", source.clone(), source.clone(), spool.clone(), host, options)
}

fn followed<S: Store + SpoolLog>(source: &ModelSource, spool: &Faulty<S>) -> Followed<S> {
    let feed = SpoolFeed::new(spool.clone(), "spool", source.clone());
    (feed, SpoolSource::new(spool.clone(), "spool", source.clone()))
}

/// Fills the spool until it holds all that the source has told.
async fn fill<S: Store + SpoolLog>(filler: &Filler<S>, source: &ModelSource, spool: &Faulty<S>) {
    let is_full = async {
        let captured =
            || async { spool.inner().captured().await.unwrap().map(|(checkpoint, _)| checkpoint.anchor.optime) };
        while captured().await < Some(source.newest()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = is_full => {}
        ended = filler.run(std::future::pending(), &()) => panic!("nobody asked for a stop: {ended:?}"),
    }
}

/// Trims what the target has applied.
async fn trim<S: Store + SpoolLog>(spool: &Faulty<S>, target: &Faulty<S>) -> bool {
    let checkpoint = target.inner().checkpoint().await.unwrap();
    let ends = spool.inner().log_ends().await.unwrap();
    let Some((checkpoint, ends)) = checkpoint.zip(ends) else { return false };
    if ends.log != checkpoint.log || ends.floor.position.index >= checkpoint.anchor.position.index {
        return false;
    }
    spool.inner().trim(&checkpoint.anchor).await.unwrap();
    true
}

async fn of_a_spool<N: Nodes<Store: SpoolLog>>(seed: u64, writes: usize) {
    let mut random = Random::new(seed);
    let source = ModelSource::new(seed, writes);
    let (spool, target): (Faulty<N::Store>, Faulty<N::Store>) = (N::node("spool"), N::node("target"));
    let filter = filter(&mut random);
    let (replication, sync) = options(&mut random, filter.clone());
    let (feed, behind) = followed(&source, &spool);
    let mut totals = Totals::default();
    for number in 1..=LIVES {
        let is_last = number == LIVES;
        let seed = seed.wrapping_add(number);
        let capture = filler(&source, &spool, seed, &filter);
        if is_last {
            source.finish();
            fill(&capture, &source, &spool).await;
        } else {
            trouble(&target, &mut random);
            trouble(&spool, &mut random);
        }
        let life = Life { seed, replication: &replication, sync: &sync, is_last, meanwhile: &|| {} };
        tokio::select! {
            biased;
            () = life.live((&feed, &behind), &target, &mut totals) => {}
            ended = capture.run(std::future::pending(), &()) => panic!("nobody asked for a stop: {ended:?}"),
        }
        target.revive();
        spool.revive();
        if random.below(2) == 0 {
            trim(&spool, &target).await;
        }
    }
    assert_equal(target.inner(), expected(source.seen(), &filter)).await;
    totals.of(target.tally());
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn what_follows_a_spool_ends_equal_to_the_source(seed: u64, writes in 10..100_usize) {
        on_every_store!(of_a_spool(seed, writes));
    }
}

/// A replica that follows a source itself.
async fn replica_of(source: &ModelSource, seed: u64) -> Faulty<<InMemory as Nodes>::Store> {
    let target = InMemory::node("target");
    let (replication, sync) = options(&mut Random::new(seed), Filter::everything());
    let life = Life { seed, replication: &replication, sync: &sync, is_last: true, meanwhile: &|| {} };
    life.live((source, source), &target, &mut Totals::default()).await;
    target
}

#[test]
fn a_replica_is_not_put_behind_a_spool_that_was_begun_later() {
    block_on(async {
        for seed in 0..40 {
            // Given a replica of a source that is at rest: some have applied nothing since they were copied.
            let source = ModelSource::new(seed, 30);
            source.finish();
            let target = replica_of(&source, seed).await;
            let before = target.inner().checkpoint().await.unwrap().unwrap();
            // And a spool that was begun when the source had gone on.
            source.go_on(10);
            let spool: Faulty<<InMemory as Nodes>::Store> = InMemory::node("spool");
            fill(&filler(&source, &spool, seed, &Filter::everything()), &source, &spool).await;
            // When the replica follows the spool.
            let (replication, sync) = options(&mut Random::new(seed), Filter::everything());
            let (feed, behind) = followed(&source, &spool);
            let host = ManualHost::hurried(seed);
            let follower = oplogsync_core::follower::Follower::new(
                "target",
                feed,
                behind,
                target.clone(),
                host,
                replication,
                sync,
            );
            let ended = follower.run(std::future::pending(), &()).await;
            // Then it stops, and is what it was.
            let Err(FollowError::Replicate(ReplicateError::Feed(error))) = ended else { panic!("{ended:?}") };
            assert!(matches!(error, FeedError::Diverged { .. } | FeedError::WentBack { .. }), "{error:?}");
            assert_eq!(target.inner().checkpoint().await.unwrap(), Some(before));
        }
    });
}

#[test]
fn a_spool_is_not_filled_through_another_filter() {
    block_on(async {
        let (source, spool) = (ModelSource::new(7, 20), InMemory::node("spool"));
        fill(&filler(&source, &spool, 7, &Filter::everything()), &source, &spool).await;
        let other = Filter::new(&["shop".to_owned()], &[], &[]).unwrap();
        let ended = filler(&source, &spool, 8, &other).run(std::future::pending(), &()).await;
        assert!(matches!(ended, Err(CaptureError::OtherFilter { .. })), "{ended:?}");
    });
}
