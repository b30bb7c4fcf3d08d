//! What [`Documents::apply`](crate::documents::Documents::apply) owes when a batch is a command on indexes.

use bson::rawdoc;

use super::{
    StoreBuilder,
    command_checks::{assert_gone, assert_holds, collections, index, run_twice},
    document_checks::fill,
};
use crate::{
    catalog::{Collection, CollectionOptions, Index},
    command::Action,
    namespace::Namespace,
    testing::{
        chain::{Chain, log_id},
        documents::{namespace, only_id},
    },
};

fn with_indexes(ns: &Namespace, indexes: &[Index]) -> Collection {
    Collection { ns: ns.clone(), options: CollectionOptions::default(), indexes: indexes.to_vec() }
}

pub(super) async fn indexes_are_created_and_dropped<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[rawdoc! { "_id": 1, "n": 1, "m": 2 }]).await;
    let [by_a, by_m, by_n] = [index("a", false), index("m", true), index("n", false)];
    let create = |indexes: &[&Index]| Action::CreateIndexes {
        ns: ns.clone(),
        indexes: indexes.iter().map(|index| (*index).clone()).collect(),
    };
    run_twice(&store, &mut chain, create(&[&by_n, &by_m])).await;
    assert_eq!(collections(&store).await, [with_indexes(&ns, &[by_m.clone(), by_n.clone()])], "by name");
    run_twice(&store, &mut chain, create(&[&by_m, &by_a])).await;
    assert_eq!(collections(&store).await, [with_indexes(&ns, &[by_a.clone(), by_m, by_n.clone()])]);
    let drop = |names: &[&str]| Action::DropIndexes {
        ns: ns.clone(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    run_twice(&store, &mut chain, drop(&["m_1"])).await;
    assert_eq!(collections(&store).await, [with_indexes(&ns, &[by_a, by_n])]);
    run_twice(&store, &mut chain, drop(&["a_1", "n_1"])).await;
    assert_eq!(collections(&store).await, []);
    assert_holds(&store, &ns, &[rawdoc! { "_id": 1, "n": 1, "m": 2 }]).await;
}

pub(super) async fn indexes_may_come_before_the_first_document<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (ns, mut chain) = (namespace("items"), Chain::new(log_id(1)));
    let indexes = vec![index("n", false)];
    run_twice(&store, &mut chain, Action::CreateIndexes { ns: ns.clone(), indexes: indexes.clone() }).await;
    assert_eq!(collections(&store).await, [with_indexes(&ns, &indexes)]);
    run_twice(&store, &mut chain, Action::Drop { ns: ns.clone() }).await;
    assert_gone(&store, &ns).await;
}

pub(super) async fn an_index_is_modified<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[only_id(1)]).await;
    let indexes = vec![index("m", false), index("n", false)];
    run_twice(&store, &mut chain, Action::CreateIndexes { ns: ns.clone(), indexes }).await;
    let changes = rawdoc! { "index": { "name": "n_1", "hidden": true } };
    run_twice(&store, &mut chain, Action::Modify { ns: ns.clone(), changes }).await;
    let hidden = rawdoc! { "v": 2, "key": { "n": 1 }, "name": "n_1", "hidden": true };
    let hidden = Index::new(&hidden).expect("the test's index is valid");
    assert_eq!(collections(&store).await, [with_indexes(&ns, &[index("m", false), hidden])]);
}

pub(super) async fn indexes_that_are_not_there_are_dropped_already<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[only_id(1)]).await;
    for ns in [ns, namespace("others")] {
        run_twice(&store, &mut chain, Action::DropIndexes { ns, names: vec!["n_1".to_owned()] }).await;
    }
    assert_eq!(collections(&store).await, []);
}
