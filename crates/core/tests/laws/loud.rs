//! L9: what cannot be applied stops the replica at the entry before it, with the position and the
//! reason, until somebody has mended it.

use std::time::Duration;

use bson::rawdoc;
use oplogsync_core::{
    documents::Documents,
    entry::{Entry, Operation},
    host::Host,
    limits::Limits,
    log::Log,
    memory::MemoryStore,
    replicator::ReplicateError,
    store_error::Fault,
    testing::{
        chain::{Chain, log_id, valid},
        documents::{id, namespace, only_id},
        faulty::{Action, Call},
        manual_host::ManualHost,
        strategies,
    },
};
use proptest::{prelude::*, sample::Index};

use crate::cluster::{
    InMemory, Node, Nodes, block_on, cases, check_prefix, documents, fold, on_every_store, replicator,
};

/// An operation that contradicts the documents that are there.
fn impossible(present: &crate::cluster::Fold, choice: Index) -> Operation {
    let absent = id("nobody has this id");
    let document = valid(absent.to_raw_document());
    let (ns, items) = match present.iter().next() {
        Some((ns, collection)) => (ns.clone(), collection.values().cloned().collect()),
        None => (namespace("items"), Vec::new()),
    };
    match choice.index(2 + items.len()) {
        0 => Operation::Delete { ns, id: absent },
        1 => Operation::Update { ns, document },
        number => Operation::Insert { ns, document: items[number - 2].clone() },
    }
}

/// The log goes on behind an entry that cannot be applied.
async fn stops_before_the_impossible<N: Nodes>(entries: Vec<Entry>, cut: Index, choice: Index, limits: Limits) {
    let (before, behind) = entries.split_at(cut.index(entries.len() + 1));
    let mut chain = Chain::new(log_id(1));
    for entry in before {
        chain.push(entry.operation().clone());
    }
    let sound = chain.take();
    let at = chain.push(impossible(&fold(&sound), choice)).last().position;
    for entry in behind {
        chain.push(entry.operation().clone());
    }
    let (source, target, host) = (N::node("db1"), N::node("db2"), ManualHost::hurried(1));
    source.create_log(log_id(1)).await.unwrap();
    source.append(&sound).await.unwrap();
    source.append(&chain.take()).await.unwrap();

    // However often it is started again.
    for _ in 0..2 {
        let mut replicator = replicator(&source, &target, &host, limits);
        let error = replicator.run(std::future::pending(), &()).await.unwrap_err();

        let ReplicateError::Target(store) = &error else { panic!("{error:?}") };
        assert!(matches!(store.fault(), Fault::Drift { index, .. } if *index == at.index), "{at}: {error:?}");
        assert!(store.to_string().contains(&format!("index {}", at.index)), "{error}");
        assert_eq!(documents(target.inner()).await, fold(&sound), "everything before {at} and nothing after it");
        let checkpoint = target.checkpoint().await.unwrap().map(|checkpoint| checkpoint.anchor);
        assert_eq!(checkpoint, sound.last().map(Entry::anchor));
        let stop = target.stop().await.unwrap().expect("the target remembers that it stopped");
        assert_eq!((stop.at.index, stop.too_stale), (at.index, false));
    }
}

/// Somebody writes to the replica beside us, behind entry number `cut`, and later undoes it.
/// Returns whether there was a document to touch.
async fn goes_on_once_it_is_mended(entries: Vec<Entry>, cut: usize, limits: Limits) -> bool {
    let (source, target, host) = (InMemory::node("db1"), InMemory::node("db2"), ManualHost::hurried(1));
    let (before, behind) = entries.split_at(cut);
    source.create_log(log_id(1)).await.unwrap();
    source.append(before).await.unwrap();
    let mut first = replicator(&source, &target, &host, limits);
    while first.step().await.unwrap().progress.behind > 0 {}
    source.append(behind).await.unwrap();
    let touched =
        behind.iter().find_map(|entry| Some((entry.operation().namespace()?, entry.operation().doc_id()?, entry)));
    let Some((ns, id, entry)) = touched.filter(|_| !before.is_empty()) else { return false };
    let store: &MemoryStore = target.inner();
    let original = store.get(ns, std::slice::from_ref(&id)).await.unwrap().pop().flatten();
    match &original {
        Some(_) => store.delete_foreign_document(ns, &id),
        None => store.put_foreign_document(ns, valid(id.to_raw_document())),
    }

    let mut second = replicator(&source, &target, &host, limits);
    second.run(std::future::pending(), &()).await.unwrap_err();
    let checkpoint = target.checkpoint().await.unwrap().unwrap();
    assert_eq!(checkpoint.anchor.position.index + 1, entry.position().index, "it stops at the entry before it");
    assert!(target.stop().await.unwrap().is_some());

    match original {
        Some(document) => store.put_foreign_document(ns, document),
        None => store.delete_foreign_document(ns, &id),
    }
    let mut third = replicator(&source, &target, &host, limits);
    while third.step().await.unwrap().progress.behind > 0 {}
    assert_eq!(check_prefix(source.inner(), target.inner()).await, entries.len() as u64);
    assert_eq!(target.stop().await.unwrap(), None, "the stop is forgotten");
    true
}

#[test]
fn a_replica_without_a_document_or_with_one_too_many_stops_and_goes_on_once_it_is_mended() {
    let ns = namespace("items");
    let mut chain = Chain::new(log_id(1));
    chain.insert(&ns, only_id(1)).insert(&ns, only_id(2)).delete(&ns, id(1)).update(&ns, rawdoc! { "_id": 2, "a": 1 });
    let entries = chain.take();
    // What is inserted is there already; what is deleted is not; what is replaced is not.
    for cut in 1..entries.len() {
        let touched = block_on(goes_on_once_it_is_mended(entries.clone(), cut, Limits::default()));
        assert!(touched, "behind entry {cut} nothing was touched");
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn an_impossible_entry_stops_the_replica_at_the_entry_before_it(
        entries in strategies::entries(20),
        cut in any::<Index>(),
        choice in any::<Index>(),
        limits in strategies::limits(),
    ) {
        on_every_store!(stops_before_the_impossible(entries, cut, choice, limits));
    }

    #[test]
    fn a_replica_that_somebody_else_wrote_to_stops_and_goes_on_once_it_is_mended(
        entries in strategies::entries(20), cut in any::<Index>(), limits in strategies::limits()
    ) {
        let cut = cut.index(entries.len() + 1);
        // Where nothing is touched there is nothing to see; fixed cases are touched for certain.
        block_on(goes_on_once_it_is_mended(entries, cut, limits));
    }
}

/// Faults that no waiting cures stop the replica at once.
async fn stops_on<N: Nodes>(call: Call, fault: Fault) {
    let (source, target, host) = (N::node("db1"), N::node("db2"), ManualHost::hurried(1));
    source.create_log(log_id(1)).await.unwrap();
    source.append(&Chain::new(log_id(1)).insert(&namespace("items"), only_id(1)).take()).await.unwrap();
    let failing = if call == Call::Read { &source } else { &target };
    failing.plan(call, Action::Refuse(fault.clone()));
    let mut replicator = replicator(&source, &target, &host, Limits::default());
    replicator.run(std::future::pending(), &()).await.unwrap_err();
    assert_eq!(failing.faults(), 1, "{fault:?} is not tried again");
    assert_eq!(target.checkpoint().await.unwrap(), None);
    assert!(target.stop().await.unwrap().is_some(), "{fault:?} is remembered");
}

#[test]
fn faults_that_no_waiting_cures_stop_the_replica() {
    for fault in [Fault::Corrupt, Fault::Incompatible, Fault::Unexpected, Fault::Denied, Fault::Full, Fault::Poisoned] {
        for call in [Call::Read, Call::Apply] {
            on_every_store!(stops_on(call, fault));
        }
    }
}

/// While a failing entry is tried again on its own the lease is renewed more than once: that must
/// not be taken for another process.
#[test]
fn an_impossible_entry_is_named_however_long_that_takes() {
    block_on(async {
        let (source, target, host) = (InMemory::node("db1"), InMemory::node("db2"), ManualHost::hurried(1));
        let ns = namespace("items");
        let mut chain = Chain::new(log_id(1));
        source.create_log(log_id(1)).await.unwrap();
        source.append(&chain.insert(&ns, only_id(1)).take()).await.unwrap();
        let mut replicator = replicator(&source, &target, &host, Limits::default());
        replicator.step().await.unwrap();
        source.append(&chain.insert(&ns, only_id(2)).insert(&ns, only_id(1)).take()).await.unwrap();

        target.plan(Call::Apply, Action::Pass);
        let hold = target.hold(Call::Apply);
        let slowly = async {
            hold.reached().await;
            for _ in 0..100 {
                host.sleep(Duration::from_secs(1)).await;
            }
            hold.release();
        };
        let (stopped, ()) = tokio::join!(replicator.run(std::future::pending(), &()), slowly);

        let Err(ReplicateError::Target(error)) = &stopped else { panic!("{stopped:?}") };
        assert!(matches!(error.fault(), Fault::Drift { index: 3, .. }), "{error}");
        assert_eq!(check_prefix_of(&source, &target).await, 2);
    });
}

async fn check_prefix_of(source: &Node<MemoryStore>, target: &Node<MemoryStore>) -> u64 {
    let checkpoint = target.checkpoint().await.unwrap().unwrap().anchor.position.index;
    let log = source.read(1, Limits::default()).await.unwrap();
    assert_eq!(documents(target.inner()).await, fold(log.iter().take(usize::try_from(checkpoint).unwrap())));
    checkpoint
}
