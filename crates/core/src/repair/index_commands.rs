//! [`IndexCommands`]: what the commands behind a target's checkpoint do first to each index.

use std::collections::{BTreeMap, HashMap};

use crate::{
    catalog::Collection,
    command::Action,
    filter::Filter,
    namespace::Namespace,
    verify::{CatalogDifference, DifferenceKind},
};

/// What the commands behind a target's checkpoint do first to each index, by the source's names.
///
/// An index that only a command to come makes or drops is, at the source, as somebody else has made it at the target
/// already: comparing the two shows nothing, and the entries before that command still meet it.
#[derive(Debug, Default)]
pub(super) struct IndexCommands(HashMap<Namespace, Ahead>);

#[derive(Debug, Default)]
struct Ahead {
    /// Another collection has the name from some command on, and the indexes behind that are its own.
    is_over: bool,
    /// Whether the first command about an index makes it, or drops it.
    makes: BTreeMap<String, bool>,
}

impl IndexCommands {
    /// Takes note of what a command does to a collection that it concerns.
    pub(super) fn note(&mut self, ns: &Namespace, action: &Action) {
        let ahead = self.0.entry(ns.clone()).or_default();
        if ahead.is_over {
            return;
        }
        let mut note = |name: &str, makes| {
            ahead.makes.entry(name.to_owned()).or_insert(makes);
        };
        match action {
            Action::CreateIndexes { indexes, .. } => indexes.iter().for_each(|index| note(index.name(), true)),
            Action::DropIndexes { names, .. } => names.iter().for_each(|name| note(name, false)),
            Action::Modify { .. } => {}
            Action::Create { .. } | Action::Drop { .. } | Action::DropDatabase { .. } | Action::Rename { .. } => {
                ahead.is_over = true;
            }
        }
    }

    /// The indexes that a target has, or lacks, too early, by its own names.
    pub(super) fn too_early(
        &self,
        filter: &Filter,
        actual: &BTreeMap<Namespace, Collection>,
    ) -> Vec<CatalogDifference> {
        let of_collection = |(ns, ahead): (&Namespace, &Ahead)| {
            let collection = actual.get(&filter.map(ns)?)?;
            let has = |name: &str| collection.indexes.iter().any(|index| index.name() == name);
            let early = ahead.makes.iter().filter(|(name, makes)| has(name) == **makes).map(|(name, makes)| {
                let kind = if *makes { DifferenceKind::Extra } else { DifferenceKind::Missing };
                CatalogDifference { ns: collection.ns.clone(), index: Some(name.clone()), kind }
            });
            Some(early.collect::<Vec<_>>())
        };
        self.0.iter().filter_map(of_collection).flatten().collect()
    }
}
