//! [`Held`]: what a node holds, told in the plainest way; and what differs between two of them.

use std::collections::{BTreeMap, BTreeSet};

use oplogsync_core::{
    catalog::{Collection, CollectionOptions, Index},
    doc_id::DocId,
    document::Document,
    documents::Documents,
    filter::Filter,
    namespace::Namespace,
    verify::{CatalogDifference, DifferenceKind},
};

use crate::cluster::{Fold, documents};

/// Documents, and collections that are not as their first document has made them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Held {
    pub(crate) documents: Fold,
    pub(crate) collections: BTreeMap<Namespace, Collection>,
}

/// What differs: documents and collections.
pub(crate) type Differences = (Vec<(Namespace, DocId, DifferenceKind)>, Vec<CatalogDifference>);

impl Held {
    pub(crate) async fn by(store: &impl Documents) -> Self {
        let collections = store.collections().await.unwrap().into_iter().filter(|collection| !collection.is_plain());
        let collections = collections.map(|collection| (collection.ns.clone(), collection)).collect();
        Self { documents: documents(store).await, collections }
    }

    /// What a replica of it holds behind a filter.
    pub(crate) fn behind(&self, filter: &Filter) -> Self {
        let documents = self.documents.iter();
        let documents = documents.filter_map(|(ns, held)| Some((filter.map(ns)?, held.clone()))).collect();
        let held = |collection: &Collection| {
            let ns = filter.map(&collection.ns)?;
            let indexes = collection.indexes.iter().map(Index::on_replica).collect();
            Some((ns.clone(), Collection { ns, options: collection.options.clone(), indexes }))
        };
        Self { documents, collections: self.collections.values().filter_map(held).collect() }
    }

    fn has(&self, ns: &Namespace) -> bool {
        self.collections.contains_key(ns) || self.documents.contains_key(ns)
    }

    fn options(&self, ns: &Namespace) -> CollectionOptions {
        self.collections.get(ns).map(|collection| collection.options.clone()).unwrap_or_default()
    }

    fn index(&self, ns: &Namespace, name: &str) -> Option<&Index> {
        self.collections.get(ns)?.indexes.iter().find(|index| index.name() == name)
    }

    fn document(&self, ns: &Namespace, id: &DocId) -> Option<&Document> {
        self.documents.get(ns)?.get(id)
    }

    /// What `target` has otherwise.
    pub(crate) fn differences(&self, target: &Self) -> Differences {
        (self.different_documents(target), self.different_collections(target))
    }

    /// How many documents both hold, wherever one of them holds some.
    pub(crate) fn numbers(&self, target: &Self) -> Vec<(Namespace, u64, u64)> {
        let names: BTreeSet<_> = self.documents.keys().chain(target.documents.keys()).collect();
        let number = |held: &Self, ns: &Namespace| held.documents.get(ns).map_or(0, BTreeMap::len) as u64;
        names.into_iter().map(|ns| (ns.clone(), number(self, ns), number(target, ns))).collect()
    }

    fn different_documents(&self, target: &Self) -> Vec<(Namespace, DocId, DifferenceKind)> {
        let all = [self, target].into_iter().flat_map(|held| &held.documents);
        let all: BTreeSet<_> = all.flat_map(|(ns, held)| held.keys().map(move |id| (ns.clone(), id.clone()))).collect();
        let kind = |(ns, id)| {
            let kind = different(self.document(&ns, &id), target.document(&ns, &id))?;
            Some((ns, id, kind))
        };
        all.into_iter().filter_map(kind).collect()
    }

    fn different_collections(&self, target: &Self) -> Vec<CatalogDifference> {
        let mut found = Vec::new();
        let names: BTreeSet<_> = self.collections.keys().chain(target.collections.keys()).collect();
        for ns in names {
            let mut differs = |index, kind| found.push(CatalogDifference { ns: ns.clone(), index, kind });
            match (self.has(ns), target.has(ns)) {
                (true, false) => differs(None, DifferenceKind::Missing),
                (false, true) => differs(None, DifferenceKind::Extra),
                _ => {
                    if self.options(ns) != target.options(ns) {
                        differs(None, DifferenceKind::Changed);
                    }
                    let indexes =
                        |held: &Self| held.collections.get(ns).map(|it| it.indexes.clone()).unwrap_or_default();
                    let names = indexes(self).into_iter().chain(indexes(target)).map(|index| index.name().to_owned());
                    for name in names.collect::<BTreeSet<_>>() {
                        if let Some(kind) = different(self.index(ns, &name), target.index(ns, &name)) {
                            differs(Some(name), kind);
                        }
                    }
                }
            }
        }
        found
    }
}

fn different<T: PartialEq>(source: Option<&T>, target: Option<&T>) -> Option<DifferenceKind> {
    match (source, target) {
        (Some(_), None) => Some(DifferenceKind::Missing),
        (None, Some(_)) => Some(DifferenceKind::Extra),
        (a, b) => (a != b).then_some(DifferenceKind::Changed),
    }
}
