//! A repaired target is what the log makes of it up to its checkpoint, and goes on from there.

mod bench;
mod of_snapshots;

use bson::rawdoc;
use oplogsync_core::{
    apply::Existence,
    catalog::{CollectionOptions, Index},
    command::Action,
    doc_id::DocId,
    documents::Documents,
    entry::{Entry, Operation},
    filter::Filter,
    ids::LogId,
    limits::Limits,
    log::Log,
    memory::MemoryStore,
    namespace::{DatabaseName, Namespace},
    repair::{Outcome, Repaired, Unsettled},
    testing::{
        documents::{id, namespace, only_id},
        manual_host::ManualHost,
        random::Random,
        strategies,
    },
    verify::{CatalogDifference, DifferenceKind, compare},
    write::Write,
};
use proptest::{collection::vec, prelude::*};

use self::bench::{Bench, Deed, options};
use crate::{
    cluster::{InMemory, Node, Nodes, Store, block_on, cases, on_every_store, replicator, whole_log},
    verified::{Change, Differences, Held, action, changes, filters},
};

/// What is left to differ at the checkpoint: documents that the next entry for them replaces or deletes, and
/// what a command to come drops.
fn may_differ<'a>(
    mut rest: impl Iterator<Item = &'a Operation>,
    ns: &Namespace,
    filter: &Filter,
    id: Option<&DocId>,
) -> bool {
    let of_document = |operation: &Operation| {
        id.is_some()
            && operation.namespace().and_then(|ns| filter.map(ns)).as_ref() == Some(ns)
            && operation.doc_id().as_ref() == id
    };
    let drops = |operation: &Operation| match operation {
        Operation::Command(command) => match command.action() {
            Action::Drop { ns: dropped } => filter.map(dropped).as_ref() == Some(ns),
            Action::DropDatabase { database } => filter.is_whole(database.as_str()),
            Action::Rename { ns: from, to, drop_target } => {
                let names = [from, to].map(|name| filter.map(name));
                let is_over = names[1].as_ref() == Some(ns) && (*drop_target || names[0].is_none());
                is_over || names[0].as_ref() == Some(ns) && names[1].is_none()
            }
            _ => false,
        },
        _ => false,
    };
    let first = rest.find(|operation| drops(operation) || of_document(operation));
    first.is_some_and(|first| drops(first) || Existence::before(first) == Existence::Present)
}

/// Whether a collection that is there, as a command to come makes it once more, may be absent before that. Only what
/// stood in its place is taken away.
fn is_made_again<'a>(
    mut rest: impl Iterator<Item = &'a Operation>,
    differs: &CatalogDifference,
    filter: &Filter,
) -> bool {
    let concerns = |operation: &Operation| {
        let ns = match operation {
            Operation::Command(command) => command.action().namespace(),
            operation => operation.namespace(),
        };
        ns.and_then(|ns| filter.map(ns)).as_ref() == Some(&differs.ns)
    };
    let creates = |operation: &Operation| match operation {
        Operation::Command(command) => matches!(command.action(), Action::Create { .. }),
        _ => false,
    };
    let is_whole = differs.index.is_none() && differs.kind == DifferenceKind::Missing;
    is_whole && rest.find(|operation| concerns(operation)).is_some_and(creates)
}

/// Whether an index is as a command to come makes it, and refuses nothing until then: it is missing, or is there with no
/// document to come before that.
fn is_harmless<'a>(rest: impl Iterator<Item = &'a Operation>, differs: &CatalogDifference, filter: &Filter) -> bool {
    let Some(name) = &differs.index else { return false };
    let is_here = |ns: &Namespace| filter.map(ns).as_ref() == Some(&differs.ns);
    let mut is_written = false;
    for operation in rest {
        let Operation::Command(command) = operation else {
            is_written |= operation.namespace().is_some_and(is_here);
            continue;
        };
        match command.action() {
            Action::CreateIndexes { ns, indexes }
                if is_here(ns) && indexes.iter().any(|index| index.name() == name) =>
            {
                return differs.kind == DifferenceKind::Extra && !is_written;
            }
            Action::DropIndexes { ns, names } if is_here(ns) && names.contains(name) => {
                return differs.kind == DifferenceKind::Missing;
            }
            Action::Create { ns, .. } | Action::Drop { ns } if is_here(ns) => return false,
            _ => {}
        }
    }
    false
}

/// Whether a collection gets another name: what its documents have to be before, nobody has asked.
fn renames<'a>(mut rest: impl Iterator<Item = &'a Operation>) -> bool {
    let is_rename = |operation: &Operation| match operation {
        Operation::Command(command) => matches!(command.action(), Action::Rename { .. }),
        _ => false,
    };
    rest.any(is_rename)
}

/// A replica of these entries that leaves nothing out.
async fn replica_of(id: LogId, log: &[Entry]) -> Node<MemoryStore> {
    let (source, replica) = (InMemory::node("db1"), InMemory::node("reference"));
    source.create_log(id).await.unwrap();
    source.append(log).await.unwrap();
    let mut replicator = replicator(&source, &replica, &ManualHost::hurried(1), Limits::default());
    while replicator.step().await.unwrap().progress.behind > 0 {}
    replica
}

/// Compares a target with what a replica that leaves nothing out holds at the same entry, seen through the filter.
/// Returns whether replication has to go on from there.
async fn check_checkpoint<S: Store>(bench: &Bench<S>) -> bool {
    let target = bench.target.inner();
    let checkpoint = target.checkpoint().await.unwrap().unwrap();
    let mut log = whole_log(bench.source.inner()).await;
    let rest = log.split_off(usize::try_from(checkpoint.anchor.position.index).unwrap());
    let reference = Held::by(replica_of(checkpoint.log, &log).await.inner()).await.behind(&bench.filter);
    let differences = reference.differences(&Held::by(target).await);
    let rest = || rest.iter().map(Entry::operation);
    if renames(rest()) {
        return false;
    }
    check_differences(differences, &bench.filter, rest);
    true
}

/// Checks that what differs at a checkpoint is none that matters.
fn check_differences<'a, R: Iterator<Item = &'a Operation>>(
    (documents, catalog): Differences,
    filter: &Filter,
    rest: impl Fn() -> R,
) {
    for (ns, id, kind) in documents {
        assert!(may_differ(rest(), &ns, filter, Some(&id)), "{ns} {id} is {kind:?}, and has to be as it was");
    }
    for differs in catalog {
        let may_differ = may_differ(rest(), &differs.ns, filter, None)
            || is_made_again(rest(), &differs, filter)
            || is_harmless(rest(), &differs, filter);
        assert!(may_differ, "{differs:?}");
    }
}

/// Mends a target that somebody else wrote to, while its primary goes on, and is cut off again and again.
async fn a_repaired_replica_goes_on<N: Nodes>(
    deeds: Vec<Deed>,
    foreign: Vec<Change>,
    later: Vec<Deed>,
    filter: Filter,
    seed: u64,
) {
    let mut random = Random::new(seed);
    let bench = Bench::<N::Store>::new::<N>(filter, seed).await;
    bench
        .do_all(vec![Deed::Command(Action::Create { ns: namespace("first"), options: CollectionOptions::default() })])
        .await;
    bench.do_all(deeds).await;
    bench.follow().await.unwrap();
    for change in &foreign {
        change.make(bench.target.inner()).await;
    }
    let mut later = later.into_iter();
    for round in 1.. {
        assert!(round < 60, "it is never mended");
        let is_calm = later.len() == 0 && round > 6;
        if !is_calm {
            bench.target.die_after(random.below(60), random.below(2) == 0);
        }
        let deeds: Vec<Deed> = later.by_ref().take(usize::try_from(random.below(4)).unwrap()).collect();
        let (repaired, ()) = tokio::join!(bench.repair(), bench.do_all(deeds));
        bench.target.revive();
        let is_mended = repaired.as_ref().is_ok_and(Repaired::is_mended);
        let goes_on = is_mended && check_checkpoint(&bench).await;
        // One that could not be mended may stop.
        if let Err(error) = bench.follow().await {
            assert!(!goes_on, "{error}: {error:?} after {repaired:?}");
            continue;
        }
        if is_calm {
            assert!(repaired.is_ok(), "{repaired:?}");
        }
        if is_calm && is_mended {
            break;
        }
    }
    let options = options(&bench.filter);
    let report = compare(bench.source.inner(), bench.target.inner(), &bench.host, options).await.unwrap();
    assert!(report.is_equal(), "{report:?}");
}

fn deeds(most: usize) -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        8 => strategies::write().prop_map(Deed::Write),
        2 => action().prop_map(Deed::Command),
    ];
    vec(deed, 0..=most)
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn a_repaired_replica_is_as_the_log_says_and_goes_on_without_drift(
        before in deeds(24), foreign in changes(10), later in deeds(16), filter in filters(), seed: u64,
    ) {
        on_every_store!(a_repaired_replica_goes_on(before, foreign, later, filter, seed));
    }
}

/// Does some deeds that a replica applies, changes it beside oplogsync, and mends it before it applies others.
async fn mended_before(before: Vec<Deed>, foreign: &[Change], later: Vec<Deed>) -> (Bench<MemoryStore>, Repaired) {
    let bench = Bench::new::<InMemory>(Filter::everything(), 1).await;
    bench.do_all(before).await;
    bench.follow().await.unwrap();
    for change in foreign {
        change.make(bench.target.inner()).await;
    }
    bench.do_all(later).await;
    let repaired = bench.repair().await.unwrap();
    (bench, repaired)
}

fn insert(ns: &Namespace, value: i32) -> Deed {
    Deed::Write(Write::Insert { ns: ns.clone(), document: only_id(value) })
}

fn delete(ns: &Namespace, value: i32) -> Deed {
    Deed::Write(Write::Delete { ns: ns.clone(), id: id(value) })
}

#[test]
fn a_collection_that_is_emptied_and_created_again_keeps_its_documents_until_then() {
    block_on(async {
        let ns = namespace("items");
        let options = CollectionOptions::new(&rawdoc! { "validator": { "n": 1 } }).unwrap();
        let create = Deed::Command(Action::Create { ns: ns.clone(), options });
        let later = vec![delete(&ns, 1), create];
        let (bench, repaired) = mended_before(vec![insert(&ns, 1)], &[], later).await;
        // The command to come makes the difference.
        let outcomes: Vec<_> = repaired.catalog.iter().map(|(_, outcome)| outcome).collect();
        assert!(matches!(outcomes[..], [Outcome::Unsettled(Unsettled::Command { .. })]), "{repaired:?}");
        assert!(bench.target.get(&ns, &[id(1)]).await.unwrap()[0].is_some(), "{repaired:?}");
        bench.follow().await.unwrap();
    });
}

#[test]
fn a_collection_whose_database_is_dropped_later_keeps_its_documents_until_then() {
    block_on(async {
        let ns = namespace("items");
        let index = Index::new(&rawdoc! { "v": 2, "key": { "n": 1 }, "name": "n_1" }).unwrap();
        let indexed = Deed::Command(Action::CreateIndexes { ns: ns.clone(), indexes: vec![index] });
        let drop_index = Change::Run(Action::DropIndexes { ns: ns.clone(), names: vec!["n_1".to_owned()] });
        let drop_all = Action::DropDatabase { database: DatabaseName::new(ns.database()).unwrap() };
        let later = vec![delete(&ns, 1), Deed::Command(drop_all)];
        let (bench, repaired) = mended_before(vec![insert(&ns, 1), indexed], &[drop_index], later).await;
        assert!(repaired.is_mended(), "{repaired:?}");
        bench.follow().await.unwrap();
    });
}

#[test]
fn an_index_that_is_there_before_the_documents_that_its_command_comes_behind_is_told_until_then() {
    block_on(async {
        let ns = namespace("items");
        let index = Index::new(&rawdoc! { "v": 2, "key": { "n": 1 }, "name": "n_1", "unique": true }).unwrap();
        let create = || Action::CreateIndexes { ns: ns.clone(), indexes: vec![index.clone()] };
        let foreign = [Change::Run(create())];
        let later = vec![insert(&ns, 2), Deed::Command(create())];
        let (bench, repaired) = mended_before(vec![insert(&ns, 1)], &foreign, later).await;
        let extra = CatalogDifference { ns: ns.clone(), index: Some("n_1".to_owned()), kind: DifferenceKind::Extra };
        let [(found, Outcome::Unsettled(Unsettled::Command { .. }))] = &repaired.catalog[..] else {
            panic!("{repaired:?}");
        };
        assert!(*found == extra && !repaired.is_mended(), "{repaired:?}");
        bench.follow().await.unwrap();
        assert!(bench.repair().await.unwrap().is_mended());
    });
}

#[test]
fn an_index_of_which_a_command_to_come_changes_nothing_that_matters_is_not_told() {
    block_on(async {
        let (ns, database) = (namespace("items"), DatabaseName::new(namespace("items").database()).unwrap());
        let index = Index::new(&rawdoc! { "v": 2, "key": { "n": 1 }, "name": "n_1" }).unwrap();
        let create = || Deed::Command(Action::CreateIndexes { ns: ns.clone(), indexes: vec![index.clone()] });
        let drop = || Action::DropIndexes { ns: ns.clone(), names: vec!["n_1".to_owned()] };
        let drop_all = || Deed::Command(Action::DropDatabase { database: database.clone() });
        let cases: [(Vec<Change>, Vec<Deed>); 4] = [
            // A primary logs it once more.
            (vec![], vec![create()]),
            // No document comes before it is made again.
            (vec![], vec![Deed::Command(drop()), insert(&ns, 2), create()]),
            (vec![], vec![drop_all(), insert(&ns, 2), create()]),
            // One that is missing refuses nothing.
            (vec![Change::Run(drop())], vec![insert(&ns, 2), Deed::Command(drop())]),
        ];
        for (foreign, later) in cases {
            let (bench, repaired) = mended_before(vec![insert(&ns, 1), create()], &foreign, later).await;
            assert!(repaired.is_mended() && repaired.catalog.is_empty(), "{repaired:?}");
            bench.follow().await.unwrap();
        }
    });
}
