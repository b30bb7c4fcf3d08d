//! What [`Documents::apply`](crate::documents::Documents::apply) owes when a collection is renamed.

use bson::{RawDocumentBuf, rawdoc};

use super::{
    StoreBuilder, apply,
    apply_checks::refused,
    command_checks::{assert_gone, assert_holds, collections, index, run_twice, validated},
    document_checks::fill,
};
use crate::{
    catalog::{Collection, CollectionOptions},
    command::Action,
    documents::Documents,
    lease::Leases,
    namespace::Namespace,
    store_error::Fault,
    testing::{
        chain::{Chain, log_id},
        documents::{id, namespace, only_id},
    },
};

fn rename(ns: &Namespace, to: &Namespace, drop_target: bool) -> Action {
    Action::Rename { ns: ns.clone(), to: to.clone(), drop_target }
}

/// Runs a command as the next entry of the log.
async fn run(store: &(impl Documents + Leases), chain: &mut Chain, action: Action) {
    apply(store, &chain.command(action).take_batch()).await.expect("the command is run");
}

fn three(what: &str) -> Vec<RawDocumentBuf> {
    (1..=3).map(|number| rawdoc! { "_id": number, "n": number, "of": what }).collect()
}

async fn insert(store: &(impl Documents + Leases), chain: &mut Chain, ns: &Namespace, documents: &[RawDocumentBuf]) {
    for document in documents {
        chain.insert(ns, document.clone());
    }
    apply(store, &chain.take_batch()).await.expect("the batch is applied");
}

pub(super) async fn a_rename_takes_documents_options_and_indexes_along<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (ns, to, mut chain) = (namespace("items"), namespace("goods"), Chain::new(log_id(1)));
    run(&store, &mut chain, Action::Create { ns: ns.clone(), options: validated() }).await;
    let indexes = vec![index("n", true)];
    run(&store, &mut chain, Action::CreateIndexes { ns: ns.clone(), indexes: indexes.clone() }).await;
    insert(&store, &mut chain, &ns, &three("items")).await;
    run(&store, &mut chain, rename(&ns, &to, false)).await;
    assert_gone(&store, &ns).await;
    assert_holds(&store, &to, &three("items")).await;
    assert_eq!(collections(&store).await, [Collection { ns: to, options: validated(), indexes }]);
}

pub(super) async fn a_rename_of_a_collection_that_was_never_created<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (ns, to) = (namespace("items"), namespace("goods"));
    let mut chain = fill(&store, &ns, &three("items")).await;
    run(&store, &mut chain, rename(&ns, &to, false)).await;
    assert_gone(&store, &ns).await;
    assert_holds(&store, &to, &three("items")).await;
}

pub(super) async fn a_rename_of_a_collection_without_documents<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (ns, to, mut chain) = (namespace("items"), namespace("goods"), Chain::new(log_id(1)));
    let indexes = vec![index("n", false)];
    run(&store, &mut chain, Action::CreateIndexes { ns: ns.clone(), indexes: indexes.clone() }).await;
    run(&store, &mut chain, rename(&ns, &to, true)).await;
    assert_gone(&store, &ns).await;
    assert_eq!(collections(&store).await, [Collection { ns: to, options: CollectionOptions::default(), indexes }]);
}

pub(super) async fn a_rename_is_done_once<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (ns, to) = (namespace("items"), namespace("goods"));
    let mut chain = fill(&store, &ns, &three("items")).await;
    for drop_target in [false, true] {
        run_twice(&store, &mut chain, rename(&ns, &to, drop_target)).await;
        assert_gone(&store, &ns).await;
        assert_holds(&store, &to, &three("items")).await;
    }
    run_twice(&store, &mut chain, rename(&to, &to, true)).await;
    assert_holds(&store, &to, &three("items")).await;
}

pub(super) async fn a_rename_replaces_its_target_if_it_may<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (ns, to) = (namespace("items"), namespace("goods"));
    let mut chain = fill(&store, &ns, &three("items")).await;
    insert(&store, &mut chain, &to, &[only_id(1), only_id(7)]).await;
    run(&store, &mut chain, Action::CreateIndexes { ns: to.clone(), indexes: vec![index("n", false)] }).await;
    run_twice(&store, &mut chain, rename(&ns, &to, true)).await;
    assert_gone(&store, &ns).await;
    assert_holds(&store, &to, &three("items")).await;
    assert_eq!(collections(&store).await, [], "nothing of the target is left");
}

pub(super) async fn a_rename_onto_a_collection_is_refused<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (ns, to) = (namespace("items"), namespace("goods"));
    let mut chain = fill(&store, &ns, &three("items")).await;
    insert(&store, &mut chain, &to, &[only_id(7)]).await;
    let fault = refused(builder, &store, &chain.command(rename(&ns, &to, false)).take_batch()).await;
    assert!(matches!(fault, Fault::Occupied { .. }), "{fault:?}");
    assert_holds(&store, &ns, &three("items")).await;
    assert_holds(&store, &to, &[only_id(7)]).await;
}

pub(super) async fn a_rename_onto_a_collection_that_has_nothing_any_more_is_made<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (ns, to) = (namespace("items"), namespace("goods"));
    let mut chain = fill(&store, &ns, &three("items")).await;
    // A server goes on to list both, and other stores none or one of them: to a primary neither is there.
    run(&store, &mut chain, Action::CreateIndexes { ns: to.clone(), indexes: vec![index("n", false)] }).await;
    let names = vec![index("n", false).name().to_owned()];
    run(&store, &mut chain, Action::DropIndexes { ns: to.clone(), names }).await;
    run(&store, &mut chain, rename(&ns, &to, false)).await;
    assert_gone(&store, &ns).await;
    assert_holds(&store, &to, &three("items")).await;
    insert(&store, &mut chain, &ns, &[only_id(7)]).await;
    chain.delete(&ns, id(7));
    apply(&store, &chain.take_batch()).await.expect("it goes on");
    run(&store, &mut chain, rename(&to, &ns, false)).await;
    assert_gone(&store, &to).await;
    assert_holds(&store, &ns, &three("items")).await;
}

pub(super) async fn both_names_of_a_rename_go_on<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (ns, to) = (namespace("items"), namespace("goods"));
    let mut chain = fill(&store, &ns, &three("items")).await;
    run(&store, &mut chain, rename(&ns, &to, false)).await;
    insert(&store, &mut chain, &ns, &[only_id(1), only_id(2)]).await;
    chain.delete(&to, id(1)).patch(&to, id(2), rawdoc! { "u": { "of": "goods" } }).insert(&to, only_id(9));
    apply(&store, &chain.take_batch()).await.expect("the renamed collection goes on");
    assert_holds(&store, &ns, &[only_id(1), only_id(2)]).await;
    let goods = [rawdoc! { "_id": 2, "n": 2, "of": "goods" }, rawdoc! { "_id": 3, "n": 3, "of": "items" }, only_id(9)];
    assert_holds(&store, &to, &goods).await;
    run(&store, &mut chain, Action::Drop { ns: to.clone() }).await;
    assert_gone(&store, &to).await;
    assert_holds(&store, &ns, &[only_id(1), only_id(2)]).await;
}

pub(super) async fn names_may_be_exchanged<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (a, b, between) = (namespace("items"), namespace("goods"), namespace("between"));
    let mut chain = fill(&store, &a, &three("items")).await;
    insert(&store, &mut chain, &b, &three("goods")).await;
    for (first, second) in [("goods", "items"), ("items", "goods")] {
        for (ns, to) in [(&a, &between), (&b, &a), (&between, &b)] {
            run(&store, &mut chain, rename(ns, to, false)).await;
        }
        assert_holds(&store, &a, &three(first)).await;
        assert_holds(&store, &b, &three(second)).await;
        assert_gone(&store, &between).await;
    }
}

pub(super) async fn a_renamed_collection_survives_a_restart<B: StoreBuilder>(builder: &B) {
    let (guard, store) = builder.build().await;
    let (ns, to, last) = (namespace("items"), namespace("goods"), namespace("last"));
    let mut chain = fill(&store, &ns, &three("items")).await;
    run(&store, &mut chain, rename(&ns, &to, false)).await;
    insert(&store, &mut chain, &ns, &[only_id(1)]).await;
    let Some(store) = builder.reopen(&guard, store).await else { return };
    assert_holds(&store, &to, &three("items")).await;
    run(&store, &mut chain, rename(&to, &last, false)).await;
    insert(&store, &mut chain, &to, &three("goods")).await;
    let Some(store) = builder.reopen(&guard, store).await else { return };
    for (ns, documents) in [(&ns, vec![only_id(1)]), (&to, three("goods")), (&last, three("items"))] {
        assert_holds(&store, ns, &documents).await;
    }
}

pub(super) async fn a_rename_into_another_database<B: StoreBuilder>(builder: &B) {
    let Some(database) = builder.other_database() else { return };
    let (_guard, store) = builder.build().await;
    let (ns, to) = (namespace("items"), Namespace::new(&format!("{database}.items")).expect("a name"));
    let mut chain = fill(&store, &ns, &three("items")).await;
    run_twice(&store, &mut chain, rename(&ns, &to, false)).await;
    assert_gone(&store, &ns).await;
    assert_holds(&store, &to, &three("items")).await;
}
