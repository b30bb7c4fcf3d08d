//! Verify finds every difference, and nothing else.

mod foreign;
mod held;

use bson::rawdoc;
use oplogsync_core::{
    catalog::{CollectionOptions, Index},
    command::Action,
    filter::Filter,
    memory::MemoryStore,
    store_error::{Fault, StoreError},
    testing::{
        chain::valid,
        documents::{id, namespace, only_id},
        foreign::Foreign,
        manual_host::ManualHost,
    },
    verify::{CatalogDifference, Counts, DifferenceKind, Report, VerifyMode, VerifyOptions, compare, count},
};
use proptest::{prelude::*, sample::select};

pub(crate) use self::{
    foreign::{Change, action, changes},
    held::{Differences, Held},
};
use crate::cluster::{Nodes, block_on, cases, on_every_store};

/// What a report names.
pub(crate) fn found(report: &Report) -> Differences {
    let documents = report.differences.iter().map(|one| (one.ns.clone(), one.id.clone(), one.kind));
    (documents.collect(), report.catalog.clone())
}

/// Filters under which the names that tests use are left out or renamed.
pub(crate) fn filters() -> impl Strategy<Value = Filter> {
    let text = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let moved = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    select(vec![
        Filter::everything(),
        Filter::new(&[], &text(&["shop.orders"]), &[]).unwrap(),
        Filter::new(&text(&["shop"]), &[], &[moved("shop", "copy")]).unwrap(),
        Filter::new(&[], &[], &[moved("shop.items", "shop.orders"), moved("shop.orders", "shop.items")]).unwrap(),
        Filter::new(&text(&["other"]), &[], &[]).unwrap(),
    ])
}

async fn every_difference_is_found<N: Nodes>(
    shared: Vec<Change>,
    left: Vec<Change>,
    right: Vec<Change>,
    filter: Filter,
) {
    let (source, target) = (N::node("db1"), N::node("db2"));
    for (node, own) in [(&source, &left), (&target, &right)] {
        for change in shared.iter().chain(own) {
            change.make(node.inner()).await;
        }
    }
    let (held, of_target) = (Held::by(source.inner()).await.behind(&filter), Held::by(target.inner()).await);
    let expected = held.differences(&of_target);
    for mode in [VerifyMode::Digest, VerifyMode::Full] {
        let options = VerifyOptions { mode, rechecks: 1, filter: filter.clone(), ..VerifyOptions::default() };
        let report = compare(source.inner(), target.inner(), &ManualHost::hurried(1), options).await.unwrap();
        assert_eq!(found(&report), expected, "{mode:?}");
        assert_eq!(report.is_equal(), expected.0.is_empty() && expected.1.is_empty(), "{report:?}");
    }
    let options = VerifyOptions { rechecks: 1, filter: filter.clone(), ..VerifyOptions::default() };
    let counts = count(source.inner(), target.inner(), &ManualHost::hurried(1), &options).await.unwrap();
    assert!(counts.iter().all(|counts| counts.source_ns == filter.origin(&counts.ns)), "{counts:?}");
    let counts: Vec<_> = counts.into_iter().map(|counts| (counts.ns, counts.source, counts.target)).collect();
    assert_eq!(counts, held.numbers(&of_target));
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn every_difference_is_found_and_nothing_else(
        shared in changes(16), left in changes(5), right in changes(5), filter in filters(),
    ) {
        on_every_store!(every_difference_is_found(shared, left, right, filter));
    }
}

fn nodes() -> (MemoryStore, MemoryStore) {
    (MemoryStore::new("db1"), MemoryStore::new("db2"))
}

/// Flaws 9 and 22 of the seed: what others write to a replica stayed hidden.
#[test]
fn a_difference_beyond_the_most_that_are_named_still_counts() {
    block_on(async {
        let (source, target) = nodes();
        for name in ["items", "orders"] {
            for number in 0..5 {
                source.put_foreign_document(&namespace(name), valid(only_id(number)));
            }
        }
        let options = VerifyOptions { differences_max: 2, rechecks: 1, ..VerifyOptions::default() };
        let report = compare(&source, &target, &ManualHost::hurried(1), options).await.unwrap();
        assert_eq!((report.differences.len(), report.more), (2, 8));
        assert!(!report.is_equal());
    });
}

/// What no replica can hold is no reason to call one equal.
#[test]
fn a_collection_that_cannot_have_its_new_name_is_named_instead_of_left_out() {
    let (long, new_name) = (namespace(&"c".repeat(240)), "d".repeat(60));
    let renames = [(long.database().to_owned(), new_name.clone())];
    let filter = Filter::new(&[], &[new_name], &renames).unwrap();
    let options = CollectionOptions::new(&rawdoc! { "validator": { "n": 1 } }).unwrap();
    let held =
        [Change::Put(long.clone(), valid(only_id(1))), Change::Run(Action::Create { ns: long.clone(), options })];
    let names_it = |error: StoreError| {
        assert_eq!(*error.fault(), Fault::Unreplicable { name: long.to_string() });
        let why = std::error::Error::source(&error).map(ToString::to_string);
        assert!(why.as_ref().is_some_and(|why| why.contains("`[filter] rename`")), "{why:?}");
    };
    for change in held {
        block_on(async {
            let (source, target) = nodes();
            source.put_foreign_document(&namespace("items"), valid(only_id(1)));
            change.make(&source).await;
            let host = ManualHost::hurried(1);
            let options = VerifyOptions { filter: filter.clone(), ..VerifyOptions::default() };
            names_it(count(&source, &target, &host, &options).await.unwrap_err());
            for mode in [VerifyMode::Digest, VerifyMode::Full] {
                names_it(
                    compare(&source, &target, &host, VerifyOptions { mode, ..options.clone() }).await.unwrap_err(),
                );
            }
        });
    }
}

/// Compares while the first look ends in a wait, and `meanwhile` happens.
async fn compare_while(
    source: &MemoryStore,
    target: &MemoryStore,
    options: VerifyOptions,
    meanwhile: impl AsyncFnOnce(),
) -> Report {
    let (host, cooldown) = (ManualHost::standing(1), options.cooldown);
    let between = async {
        // Let the first look happen: it ends in a wait.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        meanwhile().await;
        host.advance(cooldown);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        host.advance(cooldown);
    };
    let (report, ()) = tokio::join!(compare(source, target, &host, options), between);
    report.unwrap()
}

/// On a running system a document is different while its last change is under way.
#[test]
fn a_difference_that_passes_does_not_count() {
    block_on(async {
        let (source, target) = nodes();
        let (ns, document) = (namespace("items"), valid(only_id(1)));
        source.put_foreign_document(&ns, document.clone());
        let options = VerifyOptions { rechecks: 2, ..VerifyOptions::default() };
        let arrives = async || target.put_foreign_document(&ns, document);
        assert!(compare_while(&source, &target, options, arrives).await.is_equal());
    });
}

/// And so is a collection while a command is under way, with all its documents.
#[test]
fn a_rename_and_an_index_under_way_do_not_count_however_many_documents_move() {
    block_on(async {
        let (source, target) = nodes();
        let (ns, to) = (namespace("items"), namespace("goods"));
        let index = Index::new(&rawdoc! { "v": 2, "key": { "n": 1 }, "name": "n_1" }).unwrap();
        let rename = Action::Rename { ns: ns.clone(), to: to.clone(), drop_target: false };
        let indexed = Action::CreateIndexes { ns: to.clone(), indexes: vec![index] };
        for node in [&source, &target] {
            for number in 0..20 {
                node.put_foreign_document(&ns, valid(only_id(number)));
            }
        }
        for action in [&rename, &indexed] {
            Foreign(&source).run(action).await;
        }
        let options = VerifyOptions { rechecks: 2, differences_max: 5, ..VerifyOptions::default() };
        let arrive = async || {
            for action in [&rename, &indexed] {
                Foreign(&target).run(action).await;
            }
        };
        assert!(compare_while(&source, &target, options.clone(), arrive).await.is_equal());
        let back = Action::Rename { ns: to.clone(), to: ns, drop_target: false };
        Foreign(&target).run(&back).await;
        let report = compare_while(&source, &target, options, async || {}).await;
        assert_eq!((report.differences.len(), report.more), (5, 35));
        let gone = CatalogDifference { ns: to, index: None, kind: DifferenceKind::Missing };
        assert!(report.catalog.contains(&gone), "{report:?}");
    });
}

/// MongoDB calls `1` and `1.0` one id, and a document with the other one is another document.
#[test]
fn ids_that_are_equal_with_other_bytes_are_a_changed_document() {
    block_on(async {
        let (source, target) = nodes();
        source.put_foreign_document(&namespace("items"), valid(only_id(1)));
        target.put_foreign_document(&namespace("items"), valid(only_id(1.0)));
        let report = compare(&source, &target, &ManualHost::hurried(1), VerifyOptions::default()).await.unwrap();
        let expected = (vec![(namespace("items"), id(1), DifferenceKind::Changed)], vec![]);
        assert_eq!(found(&report), expected);
    });
}

#[test]
fn a_collection_with_nothing_in_it_that_is_as_any_other_is_as_good_as_none() {
    block_on(async {
        let (source, target) = nodes();
        Foreign(&source).run(&Action::Create { ns: namespace("empty"), options: CollectionOptions::default() }).await;
        let report = compare(&source, &target, &ManualHost::hurried(1), VerifyOptions::default()).await.unwrap();
        assert!(report.is_equal(), "{report:?}");
    });
}

#[test]
fn a_view_holds_no_documents_and_is_compared_as_it_is_defined() {
    block_on(async {
        let (source, target) = nodes();
        let ns = namespace("items");
        let view = rawdoc! { "viewOn": "orders", "pipeline": [] };
        let view = CollectionOptions::new(&view).unwrap();
        Foreign(&source).run(&Action::Create { ns: ns.clone(), options: view }).await;
        target.put_foreign_document(&ns, valid(only_id(1)));
        let report = compare(&source, &target, &ManualHost::hurried(1), VerifyOptions::default()).await.unwrap();
        let options = CatalogDifference { ns: ns.clone(), index: None, kind: DifferenceKind::Changed };
        assert_eq!(found(&report), (vec![(ns.clone(), id(1), DifferenceKind::Extra)], vec![options]));
        let counts = count(&source, &target, &ManualHost::hurried(1), &VerifyOptions::default()).await.unwrap();
        assert_eq!(counts, [Counts { source_ns: Some(ns.clone()), ns, source: 0, target: 1 }]);
    });
}

/// The ids of such a collection stand in the order of its collation, which differs from ours.
#[test]
fn a_collection_with_a_collation_is_compared_id_by_id() {
    block_on(async {
        let (source, target) = nodes();
        let ns = namespace("items");
        let collated = rawdoc! { "collation": { "locale": "de", "strength": 1 } };
        let options = CollectionOptions::new(&collated).unwrap();
        for (node, texts) in [(&source, ["a", "B", "c"]), (&target, ["a", "c", "D"])] {
            Foreign(node).run(&Action::Create { ns: ns.clone(), options: options.clone() }).await;
            for text in texts {
                node.put_foreign_document(&ns, valid(only_id(text)));
            }
        }
        source.put_foreign_document(&ns, valid(rawdoc! { "_id": "a", "n": 1 }));
        let report = compare(&source, &target, &ManualHost::hurried(1), VerifyOptions::default()).await.unwrap();
        let (documents, catalog) = found(&report);
        let kinds = [("B", DifferenceKind::Missing), ("D", DifferenceKind::Extra), ("a", DifferenceKind::Changed)];
        let mut named: Vec<_> = documents.into_iter().map(|(_, id, kind)| (id, kind)).collect();
        named.sort();
        assert_eq!((named, catalog), (kinds.map(|(text, kind)| (id(text), kind)).to_vec(), vec![]));
        assert_eq!(report.namespaces[0].compared.documents, 4);
    });
}

#[test]
fn a_report_says_how_much_was_compared() {
    block_on(async {
        let (source, target) = nodes();
        let size = valid(only_id(1)).as_bytes().len() as u64;
        for number in 0..3000 {
            source.put_foreign_document(&namespace("items"), valid(only_id(number)));
            target.put_foreign_document(&namespace("items"), valid(only_id(number + 10)));
        }
        source.put_foreign_document(&namespace("orders"), valid(only_id(1)));
        let report = compare(&source, &target, &ManualHost::hurried(1), VerifyOptions::default()).await.unwrap();
        assert_eq!((report.compared().documents, report.compared().bytes), (3011, 6001 * size));
        assert_eq!((report.differences.len(), report.more), (21, 0));
    });
}
