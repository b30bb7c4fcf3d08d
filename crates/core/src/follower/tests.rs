use std::sync::atomic::{AtomicBool, Ordering};

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
    memory::MemoryStore,
    primary::{Primary, PrimaryOptions},
    replicator::Event,
    testing::{documents::namespace, faulty::Faulty, manual_host::ManualHost},
    write::Write,
};

/// How often the target has arrived at the head, and how often something was to be copied again.
#[derive(Default)]
struct Witness {
    arrivals: watch::Sender<usize>,
    again: watch::Sender<usize>,
}

impl Observer for Witness {
    fn observe(&self, event: Event<'_>) {
        if matches!(event, Event::CaughtUp(_)) {
            self.arrivals.send_modify(|count| *count += 1);
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

#[tokio::test]
async fn from_the_copy_to_its_stop_a_follower_leaves_its_target_to_nobody() {
    // Given a source with a collection that is replicated and one that is not.
    let source = MemoryStore::new("source");
    let host = ManualHost::hurried(7);
    let primary = Primary::open(source.clone(), host.clone(), PrimaryOptions::default()).await.unwrap();
    for name in ["shown", "hidden"] {
        primary.write(Write::Insert { ns: namespace(name), document: rawdoc! { "_id": 1 } }).await.unwrap();
    }
    let filter = Filter::new(&[], &[namespace("hidden").to_string()], &[]).unwrap();
    let options = ReplicatorOptions { filter, ..ReplicatorOptions::default() };
    let target = Faulty::new(MemoryStore::new("target"), "target");
    // Others run between any two calls, and none fails.
    target.storm(1, u64::MAX);
    let (feed, copied) = (OplogFeed::new(source.clone(), "source"), LogSource::new(source, "source"));
    let follower = Follower::new("target", feed, copied, target.clone(), host, options, SyncOptions::default());
    let witness = Witness::default();

    // When it is copied, followed, and a part of it copied again, because that gets a name that is replicated.
    let is_stopped = AtomicBool::new(false);
    let arrived = async {
        witness.arrivals.subscribe().wait_for(|count| *count > 0).await.unwrap();
        let rename = Action::Rename { ns: namespace("hidden"), to: namespace("new"), drop_target: false };
        primary.run(rename).await.unwrap();
        witness.again.subscribe().wait_for(|count| *count > 0).await.unwrap();
        let before = *witness.arrivals.borrow();
        witness.arrivals.subscribe().wait_for(|count| *count > before).await.unwrap();
        is_stopped.store(true, Ordering::Relaxed);
    };
    let run = follower.run(arrived, &witness);

    // Then at no moment in between the lease is free for somebody else.
    let mut seen = false;
    let watched = async {
        loop {
            let is_held = target.inner().lease(LeaseName::Documents).await.unwrap().is_some();
            let is_over = is_stopped.load(Ordering::Relaxed);
            assert!(is_held || is_over || !seen, "the lease was given back after {} calls", target.calls());
            seen |= is_held;
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        ended = run => ended.unwrap(),
        () = watched => {}
    }
    assert!(seen);
    assert_eq!(target.inner().namespaces().await.unwrap(), [namespace("new"), namespace("shown")]);
    assert_eq!(target.inner().lease(LeaseName::Documents).await.unwrap(), None);
}
