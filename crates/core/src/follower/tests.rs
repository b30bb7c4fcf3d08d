use std::{
    future::Future,
    sync::atomic::{AtomicBool, Ordering},
};

use bson::rawdoc;
use tokio::sync::watch;

use super::*;
use crate::{
    command::Action,
    documents::Documents,
    feed::OplogFeed,
    filter::Filter,
    initial_sync::LogSource,
    lease::{LeaseName, Leases},
    limits::Limits,
    log::Log,
    memory::MemoryStore,
    primary::{Primary, PrimaryOptions},
    replicator::Event,
    store_error::Fault,
    testing::{
        documents::namespace,
        faulty::{self, Call, Faulty},
        manual_host::ManualHost,
    },
    write::Write,
};

/// How many batches were applied, how often the target has arrived at the head, and how often something was to be copied again.
#[derive(Default)]
struct Witness {
    batches: watch::Sender<usize>,
    arrivals: watch::Sender<usize>,
    again: watch::Sender<usize>,
}

impl Observer for Witness {
    fn observe(&self, event: Event<'_>) {
        match event {
            Event::Applied(_) => self.batches.send_modify(|count| *count += 1),
            Event::CaughtUp(_) => self.arrivals.send_modify(|count| *count += 1),
            _ => {}
        }
    }
}

impl SyncObserver for Witness {
    fn observe_sync(&self, event: SyncEvent<'_>) {
        if matches!(event, SyncEvent::Again { .. }) {
            self.again.send_modify(|count| *count += 1);
        }
    }
}

type Node = Faulty<MemoryStore>;
type Following = Follower<OplogFeed<MemoryStore>, LogSource<MemoryStore>, Node, ManualHost>;

/// A primary with a collection that is replicated and one that is not, and a target that follows it.
struct Pair {
    primary: Primary<MemoryStore, ManualHost>,
    target: Node,
    follower: Following,
    witness: Witness,
}

impl Pair {
    async fn new(target: Node) -> Self {
        let (source, host) = (MemoryStore::new("source"), ManualHost::hurried(7));
        let primary = Primary::open(source.clone(), host.clone(), PrimaryOptions::default()).await.unwrap();
        for id in 0..10 {
            for name in ["shown", "hidden"] {
                let document = rawdoc! { "_id": id };
                primary.write(Write::Insert { ns: namespace(name), document }).await.unwrap();
            }
        }
        // What is trimmed has to be copied.
        let head = source.log_ends().await.unwrap().unwrap().head;
        source.trim(&head).await.unwrap();
        let filter = Filter::new(&[], &[namespace("hidden").to_string()], &[]).unwrap();
        let options = ReplicatorOptions { filter, ..ReplicatorOptions::default() };
        // Others run between any two calls, and none fails.
        target.storm(1, u64::MAX);
        let (feed, copied) = (OplogFeed::new(source.clone(), "source"), LogSource::new(source, "source"));
        let follower = Follower::new("target", feed, copied, target.clone(), host, options, SyncOptions::default());
        Self { primary, target, follower, witness: Witness::default() }
    }

    /// The hidden collection gets a name that is replicated, so that it has to be copied again.
    async fn show(&self) {
        let rename = Action::Rename { ns: namespace("hidden"), to: namespace("new"), drop_target: false };
        self.primary.run(rename).await.unwrap();
    }

    async fn arrives_behind(&self, arrivals: usize) {
        self.witness.arrivals.subscribe().wait_for(|count| *count > arrivals).await.unwrap();
    }

    fn arrivals(&self) -> usize {
        *self.witness.arrivals.borrow()
    }

    async fn copies_again(&self) {
        self.witness.again.subscribe().wait_for(|count| *count > 0).await.unwrap();
    }

    async fn lease(&self) -> Option<OwnerId> {
        self.target.inner().lease(LeaseName::Documents).await.unwrap().map(|lease| lease.owner)
    }

    /// Follows until `arrived`; returns who has held the lease until then, in turn, `None` where nobody did.
    async fn owners(&self, arrived: impl Future<Output = ()> + Send) -> Vec<Option<OwnerId>> {
        let is_over = AtomicBool::new(false);
        let arrived = async {
            arrived.await;
            is_over.store(true, Ordering::Relaxed);
        };
        let run = Box::pin(self.follower.run(arrived, &self.witness));
        let mut owners = vec![None];
        let watched = async {
            loop {
                let owner = self.lease().await;
                if !is_over.load(Ordering::Relaxed) && owners.last() != Some(&owner) {
                    owners.push(owner);
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            ended = run => ended.unwrap(),
            () = watched => {}
        }
        owners
    }
}

#[tokio::test]
async fn from_the_copy_to_its_stop_a_follower_leaves_its_target_to_nobody() {
    let pair = Pair::new(Faulty::new(MemoryStore::new("target"), "target")).await;

    // When it is copied, followed, and a part of it copied again.
    let owners = pair.owners(async {
        pair.arrives_behind(0).await;
        pair.show().await;
        pair.copies_again().await;
        pair.arrives_behind(pair.arrivals()).await;
    });
    let owners = owners.await;

    // Then one owner had the lease all the time, and has given it back in the end.
    assert!(matches!(owners[..], [None, Some(_)]), "{owners:?}");
    assert_eq!(pair.target.inner().namespaces().await.unwrap(), [namespace("new"), namespace("shown")]);
    assert_eq!(pair.lease().await, None);
}

#[tokio::test]
async fn what_a_failed_copy_has_sent_is_not_from_the_owner_of_the_next_one() {
    // Given a copy that fails in passing, once.
    let pair = Pair::new(Faulty::new(MemoryStore::new("target"), "target")).await;
    pair.target.plan(Call::Wipe, faulty::Action::Refuse(Fault::Unavailable));

    let owners = pair.owners(pair.arrives_behind(0)).await;

    // Then it gave the lease back, and another owner has taken it.
    let [None, Some(first), None, Some(second)] = owners[..] else { panic!("{owners:?}") };
    assert_ne!(first, second);
}

#[tokio::test]
async fn a_follower_that_is_stopped_between_two_stages_gives_its_lease_back() {
    let pair = Pair::new(Faulty::new(MemoryStore::new("target"), "target")).await;

    // When it is stopped as soon as something is to be copied again.
    pair.owners(async {
        pair.arrives_behind(0).await;
        pair.show().await;
        pair.copies_again().await;
    })
    .await;

    // Then the next process need not wait.
    assert_eq!(pair.lease().await, None);
}

#[tokio::test]
async fn a_target_is_given_no_more_entries_at_once_than_it_takes() {
    let three = Limits { entries_max: 3, ..Limits::NONE };
    let pair = Pair::new(Faulty::new(MemoryStore::new("target"), "target").taking(three)).await;

    pair.owners(pair.arrives_behind(0)).await;
    let copied = pair.target.tally().pieces;
    for id in 10..20 {
        let document = rawdoc! { "_id": id };
        pair.primary.write(Write::Insert { ns: namespace("shown"), document }).await.unwrap();
    }
    pair.owners(pair.arrives_behind(pair.arrivals())).await;

    // Of ten documents three pieces are full; and so are three batches of ten entries.
    assert!(copied >= 4, "{copied}");
    assert!(*pair.witness.batches.borrow() >= 4);
    assert_eq!(pair.target.inner().digest(&namespace("shown")).await.unwrap().count, 20);
}
