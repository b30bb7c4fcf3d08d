//! [`EarlyIndexes`]: indexes that a target has before the command that makes them.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::{
    catalog::Collection,
    command::Action,
    filter::Filter,
    namespace::{DatabaseName, Namespace},
    verify::{CatalogDifference, DifferenceKind},
};

/// What the entries behind a target's checkpoint do first to each index, by the source's names.
///
/// An index that somebody has made at the target, as the source makes it only behind the checkpoint, is at both when they
/// are compared; the documents that are written before that command meet it all the same, and it may refuse them.
#[derive(Debug, Default)]
pub(super) struct EarlyIndexes {
    collections: HashMap<Namespace, Ahead>,
    /// What is met in these only behind that is not what the target has.
    dropped: HashSet<DatabaseName>,
}

#[derive(Debug, Default)]
struct Ahead {
    /// Another collection has the name from some command on, and the indexes behind that are its own.
    is_over: bool,
    is_written: bool,
    /// Whether the first command about an index makes it behind documents.
    made_late: BTreeMap<String, bool>,
}

impl EarlyIndexes {
    /// Takes note of an entry that changes a document.
    pub(super) fn note_document(&mut self, ns: &Namespace) {
        if self.collections.get(ns).is_none_or(|ahead| !ahead.is_written) {
            self.ahead(ns).is_written = true;
        }
    }

    /// Takes note of a command.
    pub(super) fn note_command(&mut self, action: &Action) {
        match action {
            Action::CreateIndexes { ns, indexes } => {
                let ahead = self.ahead(ns);
                for index in indexes.iter().filter(|_| !ahead.is_over) {
                    ahead.made_late.entry(index.name().to_owned()).or_insert(ahead.is_written);
                }
            }
            Action::DropIndexes { ns, names } => {
                let ahead = self.ahead(ns);
                for name in names.iter().filter(|_| !ahead.is_over) {
                    ahead.made_late.entry(name.clone()).or_insert(false);
                }
            }
            Action::Modify { .. } => {}
            Action::Create { ns, .. } | Action::Drop { ns } => self.ahead(ns).is_over = true,
            Action::Rename { ns, to, .. } => [ns, to].into_iter().for_each(|ns| self.ahead(ns).is_over = true),
            Action::DropDatabase { database } => {
                let collections = self.collections.iter_mut().filter(|(ns, _)| ns.database() == database.as_str());
                collections.for_each(|(_, ahead)| ahead.is_over = true);
                self.dropped.insert(database.clone());
            }
        }
    }

    /// Those that a target has, by its own names.
    pub(super) fn of(&self, filter: &Filter, actual: &BTreeMap<Namespace, Collection>) -> Vec<CatalogDifference> {
        let of_collection = |(ns, ahead): (&Namespace, &Ahead)| {
            let collection = actual.get(&filter.map(ns)?)?;
            let names = collection.indexes.iter().map(|index| index.name().to_owned());
            let early = names.filter(|name| ahead.made_late.get(name) == Some(&true));
            let differs =
                |name| CatalogDifference { ns: collection.ns.clone(), index: Some(name), kind: DifferenceKind::Extra };
            Some(early.map(differs).collect::<Vec<_>>())
        };
        self.collections.iter().filter_map(of_collection).flatten().collect()
    }

    fn ahead(&mut self, ns: &Namespace) -> &mut Ahead {
        let is_over = || self.dropped.iter().any(|database| database.as_str() == ns.database());
        self.collections.entry(ns.clone()).or_insert_with(|| Ahead { is_over: is_over(), ..Ahead::default() })
    }
}
