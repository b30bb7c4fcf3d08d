//! Changes that somebody makes beside oplogsync.

use bson::rawdoc;
use oplogsync_core::{
    catalog::{CollectionOptions, Index},
    command::Action,
    document::Document,
    initial_sync::SyncTarget,
    namespace::Namespace,
    testing::{documents::namespace, foreign::Foreign, strategies},
};
use proptest::{collection::vec, prelude::*, sample::select};

/// A change beside oplogsync.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Put(Namespace, Document),
    Delete(Namespace, Document),
    Run(Action),
}

impl Change {
    pub(crate) async fn make(&self, store: &impl SyncTarget) {
        let foreign = Foreign(store);
        match self {
            Self::Put(ns, document) => foreign.put(ns, document).await,
            Self::Delete(ns, document) => foreign.delete(ns, &document.id()).await,
            Self::Run(action) => foreign.run(action).await,
        }
    }
}

/// Some changes of a few documents, collections and indexes.
pub(crate) fn changes(most: usize) -> impl Strategy<Value = Vec<Change>> {
    let document = || strategies::doc_id().prop_flat_map(strategies::document);
    let change = prop_oneof![
        6 => (strategies::namespace(), document()).prop_map(|(ns, document)| Change::Put(ns, document)),
        3 => (strategies::namespace(), document()).prop_map(|(ns, document)| Change::Delete(ns, document)),
        4 => action().prop_map(Change::Run),
    ];
    vec(change, 0..=most)
}

/// A change of collections or indexes.
pub(crate) fn action() -> impl Strategy<Value = Action> {
    let ns = || select(vec![namespace("items"), namespace("orders"), namespace("empty")]);
    let options = select(vec![
        CollectionOptions::default(),
        CollectionOptions::new(&rawdoc! { "validator": { "n": 1 } }).unwrap(),
        CollectionOptions::new(&rawdoc! { "validator": { "n": 2 }, "validationAction": "warn" }).unwrap(),
    ]);
    let indexes = select(vec![
        rawdoc! { "v": 2, "key": { "n": 1 }, "name": "n_1" },
        rawdoc! { "v": 2, "key": { "n": 1 }, "name": "n_1", "unique": true },
        rawdoc! { "v": 2, "key": { "n": -1 }, "name": "m_1" },
        rawdoc! { "v": 2, "key": { "at": 1 }, "name": "at_1", "expireAfterSeconds": 60 },
        rawdoc! { "v": 2, "key": { "at": 1 }, "name": "at_1", "expireAfterSeconds": i32::MAX },
    ]);
    prop_oneof![
        2 => (ns(), options).prop_map(|(ns, options)| Action::Create { ns, options }),
        1 => ns().prop_map(|ns| Action::Drop { ns }),
        4 => (ns(), indexes).prop_map(|(ns, index)| {
            Action::CreateIndexes { ns, indexes: vec![Index::new(&index).unwrap()] }
        }),
        1 => (ns(), ns()).prop_filter("another name", |(ns, to)| ns != to).prop_map(|(ns, to)| {
            Action::Rename { ns, to, drop_target: true }
        }),
        2 => (ns(), select(vec!["n_1", "m_1", "at_1"])).prop_map(|(ns, name)| {
            Action::DropIndexes { ns, names: vec![name.to_owned()] }
        }),
    ]
}
