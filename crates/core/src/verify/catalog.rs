//! [`Catalogs`]: the collections and indexes of both nodes.

use std::collections::{BTreeMap, BTreeSet};

use super::{CatalogDifference, Comparison, DifferenceKind, documents::Pair};
use crate::{
    catalog::{Collection, Index},
    documents::Documents,
    filter::Unnameable,
    namespace::Namespace,
    store_error::{Fault, StoreError},
};

/// What both nodes hold, by the target's names.
#[derive(Debug, Default)]
pub(super) struct Catalogs {
    source: Side,
    target: Side,
}

/// What one node holds, by the target's names. A collection that is as its first document has made it is
/// there as long as it has documents.
#[derive(Debug, Default)]
struct Side {
    /// Those that are not plain.
    collections: BTreeMap<Namespace, Collection>,
    /// Those with documents.
    filled: BTreeSet<Namespace>,
}

impl Side {
    fn new(collections: Vec<Collection>, filled: Vec<Namespace>) -> Self {
        let named = collections.into_iter().filter(|it| !it.is_plain()).map(|it| (it.ns.clone(), it));
        Self { collections: named.collect(), filled: filled.into_iter().collect() }
    }

    fn has(&self, ns: &Namespace) -> bool {
        self.collections.contains_key(ns) || self.filled.contains(ns)
    }

    fn is_view(&self, ns: &Namespace) -> bool {
        self.collections.get(ns).is_some_and(|collection| collection.options.is_view())
    }

    fn is_collated(&self, ns: &Namespace) -> bool {
        self.collections.get(ns).is_some_and(|collection| collection.options.has_collation())
    }
}

impl<S: Documents, T: Documents> Comparison<'_, S, T> {
    /// What both nodes hold now. What the filter lets pass and no target can hold is refused: left out, it would
    /// make a target equal that lacks it.
    pub(super) async fn catalogs(&self) -> Result<Catalogs, StoreError> {
        let filter = &self.options.filter;
        let (collections, filled, target_collections, target_filled) = tokio::try_join!(
            self.source.collections(),
            self.source.namespaces(),
            self.target.collections(),
            self.target.namespaces(),
        )?;
        let mut listed = collections.iter().map(|collection| &collection.ns).chain(&filled);
        if let Some(ns) = listed.find(|ns| filter.is_unnameable(ns)) {
            let refused =
                StoreError::new(&self.options.source, "be compared", Fault::Unreplicable { name: ns.to_string() });
            return Err(refused.because(Unnameable));
        }
        let named = |collection: Collection| filter.map(&collection.ns).map(|ns| as_held(ns, &collection));
        let collections = collections.into_iter().filter_map(named).collect();
        let filled = filled.iter().filter_map(|ns| filter.map(ns)).collect();
        let target = Side::new(target_collections, target_filled);
        Ok(Catalogs { source: Side::new(collections, filled), target })
    }

    /// The namespaces that have documents on either side.
    pub(super) fn pairs(&self, catalogs: &Catalogs) -> Vec<Pair> {
        let names: BTreeSet<&Namespace> = catalogs.source.filled.iter().chain(&catalogs.target.filled).collect();
        let pair = |ns: &Namespace| {
            let source_ns = self.options.filter.origin(ns);
            Pair {
                at_source: source_ns.clone().filter(|_| !catalogs.source.is_view(ns)),
                at_target: Some(ns.clone()).filter(|_| !catalogs.target.is_view(ns)),
                in_order: !catalogs.source.is_collated(ns) && !catalogs.target.is_collated(ns),
                source_ns,
                ns: ns.clone(),
            }
        };
        names.into_iter().map(pair).collect()
    }
}

/// A collection of the source as a replica holds it, under the name that it has there.
pub(crate) fn as_held(ns: Namespace, collection: &Collection) -> Collection {
    let indexes = collection.indexes.iter().map(Index::on_replica).collect();
    Collection { ns, options: collection.options.clone(), indexes }
}

impl Catalogs {
    /// What differs, in the order of the names.
    pub(super) fn differences(&self) -> Vec<CatalogDifference> {
        let names: BTreeSet<&Namespace> =
            self.source.collections.keys().chain(self.target.collections.keys()).collect();
        names.into_iter().flat_map(|ns| self.differences_of(ns)).collect()
    }

    fn differences_of(&self, ns: &Namespace) -> Vec<CatalogDifference> {
        let side = |side: &Side| {
            let there = side.has(ns).then(|| side.collections.get(ns).cloned());
            there.map(|known| known.unwrap_or_else(|| Collection::plain(ns.clone())))
        };
        differences(ns, side(&self.source).as_ref(), side(&self.target).as_ref())
    }
}

/// How a collection at the target differs from what it is to be.
pub(crate) fn differences(
    ns: &Namespace,
    source: Option<&Collection>,
    target: Option<&Collection>,
) -> Vec<CatalogDifference> {
    let differs = |index: Option<&Index>, kind| CatalogDifference {
        ns: ns.clone(),
        index: index.map(|index| index.name().to_owned()),
        kind,
    };
    let (source, target) = match (source, target) {
        (Some(source), Some(target)) => (source, target),
        (Some(_), None) => return vec![differs(None, DifferenceKind::Missing)],
        (None, Some(_)) => return vec![differs(None, DifferenceKind::Extra)],
        (None, None) => return Vec::new(),
    };
    let mut found = Vec::new();
    if !source.options.is_like(&target.options) {
        found.push(differs(None, DifferenceKind::Changed));
    }
    for index in &source.indexes {
        match target.indexes.iter().find(|other| other.name() == index.name()) {
            None => found.push(differs(Some(index), DifferenceKind::Missing)),
            Some(other) if !index.does_what(&source.options, other, &target.options) => {
                found.push(differs(Some(index), DifferenceKind::Changed));
            }
            Some(_) => {}
        }
    }
    let is_extra = |index: &&Index| source.indexes.iter().all(|other| other.name() != index.name());
    found.extend(target.indexes.iter().filter(is_extra).map(|index| differs(Some(index), DifferenceKind::Extra)));
    found.sort();
    found
}
