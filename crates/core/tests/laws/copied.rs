//! A target that is copied while its source goes on, and is killed again and again, ends equal to it.

pub(crate) mod life;
pub(crate) mod totals;
mod writes;

use std::{cell::RefCell, collections::BTreeMap};

use oplogsync_core::{
    catalog::Collection,
    doc_id::DocId,
    document::Document,
    documents::Documents,
    feed::OplogFeed,
    filter::Filter,
    initial_sync::{LogSource, SyncOptions, SyncTarget},
    limits::Limits,
    log::Log,
    namespace::Namespace,
    primary::{Primary, PrimaryOptions},
    replicator::ReplicatorOptions,
    testing::{
        faulty::Faulty,
        manual_host::ManualHost,
        model_source::{ModelSource, Seen},
        random::Random,
    },
};
use proptest::{prelude::*, test_runner::TestRunner};

use self::{
    life::{LIVES, Life, trouble},
    totals::Totals,
    writes::write,
};
use crate::cluster::{InMemory, InSled, Nodes, block_on, cases};

pub(crate) fn options(random: &mut Random, filter: Filter) -> (ReplicatorOptions, SyncOptions) {
    let entries_max = 1 + usize::try_from(random.below(6)).unwrap();
    let limits = Limits { entries_max, ..Limits::default() };
    let replication = ReplicatorOptions { limits, filter, ..ReplicatorOptions::default() };
    let sync = SyncOptions { lanes: 3, limits, part_documents: 3, parts_max: 3, ..SyncOptions::default() };
    (replication, sync)
}

/// One of a few filters: of everything, of a part, and under other names.
pub(crate) fn filter(random: &mut Random) -> Filter {
    let (include, exclude, renames): (&[&str], &[&str], &[(&str, &str)]) = match random.below(5) {
        0 => (&["shop"], &["shop.b"], &[("shop.a", "other.z")]),
        1 => (&["shop", "crm"], &[], &[("crm", "copy")]),
        2 => (&["shop.a", "shop.va", "crm.*"], &["crm.e"], &[]),
        _ => (&[], &[], &[]),
    };
    let text = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let renames: Vec<_> = renames.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
    Filter::new(&text(include), &text(exclude), &renames).unwrap()
}

async fn documents(store: &impl Documents, ns: &Namespace) -> BTreeMap<DocId, Document> {
    let all = store.scan(ns, None, Limits { entries_max: 1000, ..Limits::default() }).await.unwrap();
    all.into_iter().map(|document| (document.id(), document)).collect()
}

/// What a node holds.
async fn seen(store: &impl SyncTarget) -> Seen {
    let mut all = Seen::new();
    for ns in store.namespaces().await.unwrap() {
        all.insert(ns.clone(), (Collection::plain(ns.clone()), documents(store, &ns).await));
    }
    for collection in store.collections().await.unwrap() {
        let ns = collection.ns.clone();
        all.entry(ns.clone()).or_insert((Collection::plain(ns), BTreeMap::new())).0 = collection;
    }
    all
}

/// What a target should hold of a source.
pub(crate) fn expected(seen: Seen, filter: &Filter) -> Seen {
    let kept = seen.into_iter().filter_map(|(ns, (collection, documents))| {
        let ns = filter.map(&ns)?;
        Some((ns.clone(), (Collection { ns, ..collection }, documents)))
    });
    kept.collect()
}

pub(crate) async fn assert_equal(target: &impl SyncTarget, expected: Seen) {
    assert_eq!(told(seen(target).await), told(expected));
    assert_eq!(target.notes().await.unwrap(), [], "nothing of the copy is left");
}

/// Without collections of which nobody can tell whether they are there.
fn told(mut seen: Seen) -> Seen {
    seen.retain(|_, (collection, documents)| !collection.is_plain() || !documents.is_empty());
    seen
}

/// Follows a source with snapshots that goes on, killed now and then, on a target that fails now and
/// then, until both are quiet.
async fn of_snapshots<N: Nodes>(seed: u64, writes: usize) -> Totals {
    let mut random = Random::new(seed);
    let source = ModelSource::new(seed, writes);
    let target: Faulty<N::Store> = N::node("target");
    let filter = filter(&mut random);
    let (replication, sync) = options(&mut random, filter.clone());
    let mut totals = Totals::default();
    for number in 1..=LIVES {
        let is_last = number == LIVES;
        let asks_for_all = random.below(if is_last { 2 } else { 12 }) == 0;
        // It may be that the last is written while everything is copied, and that time goes on.
        let finish = || {
            if is_last {
                source.finish();
            }
        };
        if is_last && !asks_for_all {
            finish();
        } else if !is_last {
            trouble(&target, &mut random);
        }
        let seed = seed.wrapping_add(number);
        let life = Life { seed, replication: &replication, sync: &sync, is_last, meanwhile: &finish };
        if asks_for_all {
            life.ask_for_all((&source, &source), target.inner()).await;
        }
        life.live((&source, &source), &target, &mut totals).await;
        target.revive();
    }
    assert_equal(target.inner(), expected(source.seen(), &filter)).await;
    totals.of(target.tally())
}

/// The same with a managed oplog as the source, which has no snapshots, and which a primary goes on writing.
async fn of_a_log<N: Nodes>(seed: u64, writes: usize) -> Totals {
    let mut random = Random::new(seed);
    let source: Faulty<N::Store> = N::node("source");
    let target: Faulty<N::Store> = N::node("target");
    let host = ManualHost::hurried(seed);
    let primary = Primary::open(source.clone(), host, PrimaryOptions::default()).await.unwrap();
    let mut left = writes;
    // What was written first is trimmed away: only a copy can tell of it.
    while left > writes / 2 {
        left -= 1;
        write(&primary, &mut random).await;
    }
    if let Some(ends) = source.log_ends().await.unwrap() {
        source.trim(&ends.head).await.unwrap();
    }
    let filter = filter(&mut random);
    let (replication, sync) = options(&mut random, filter.clone());
    let mut totals = Totals::default();
    for number in 1..=LIVES {
        let is_last = number == LIVES;
        if !is_last {
            trouble(&target, &mut random);
            // No failures, but others run between any two calls.
            source.storm(random.draw(), u64::MAX);
        }
        let count = if is_last { left } else { left.min(usize::try_from(random.below(20)).unwrap()) };
        left -= count;
        let asks_for_all = random.below(12) == 0;
        let writing = async {
            for _ in 0..count {
                write(&primary, &mut random).await;
            }
        };
        let feed = OplogFeed::new(source.clone(), "source");
        let copied = LogSource::new(source.clone(), "source");
        let seed = seed.wrapping_add(number);
        let life = Life { seed, replication: &replication, sync: &sync, is_last, meanwhile: &|| {} };
        if asks_for_all {
            life.ask_for_all((&feed, &copied), target.inner()).await;
        }
        if is_last {
            writing.await;
            life.live((&feed, &copied), &target, &mut totals).await;
        } else {
            tokio::join!(writing, life.live((&feed, &copied), &target, &mut totals));
        }
        target.revive();
        source.revive();
    }
    assert_equal(target.inner(), expected(seen(source.inner()).await, &filter)).await;
    totals.of(target.tally())
}

/// Runs a law on made-up cases, and adds up what happened in them.
fn run(law: impl Fn(u64, usize) -> Totals) -> Totals {
    let config = ProptestConfig { source_file: Some(file!()), ..cases(64) };
    let cases = u64::from(config.cases);
    let totals = RefCell::new(Totals { cases, ..Totals::default() });
    let ended = TestRunner::new(config).run(&(any::<u64>(), 10..120_usize), |(seed, writes)| {
        let happened = law(seed, writes);
        totals.replace_with(|totals| totals.and(happened));
        Ok(())
    });
    ended.unwrap_or_else(|failed| panic!("{failed}"));
    totals.into_inner()
}

#[test]
fn a_copy_of_a_living_source_ends_equal_to_it() {
    let totals = run(|seed, writes| block_on(of_snapshots::<InMemory>(seed, writes)));
    totals.assert_none_is_rare();
    totals.assert_snapshots_were_used();
}

#[test]
fn a_copy_of_a_living_source_into_an_embedded_store_ends_equal_to_it() {
    run(|seed, writes| block_on(of_snapshots::<InSled>(seed, writes))).assert_none_is_rare();
}

#[test]
fn a_copy_of_a_primary_that_goes_on_ends_equal_to_it() {
    let totals = run(|seed, writes| block_on(of_a_log::<InMemory>(seed, writes)));
    totals.assert_none_is_rare();
    totals.assert_entries_were_replayed();
}

#[test]
fn a_copy_of_an_embedded_primary_that_goes_on_ends_equal_to_it() {
    run(|seed, writes| block_on(of_a_log::<InSled>(seed, writes))).assert_none_is_rare();
}
