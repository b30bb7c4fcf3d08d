//! What DDL makes of a store in memory.

use super::State;
use crate::{catalog::Collection, command::Action, namespace::Namespace, store_error::Fault};

impl State {
    /// Changes collections or indexes; what is as it should be already stays.
    pub(super) fn run(&mut self, action: &Action) -> Result<(), Fault> {
        match action {
            Action::Create { ns, options } => {
                if options.is_view() && self.collections.contains_key(ns) {
                    return Err(Fault::Occupied { what: format!("the collection {ns} with its documents") });
                }
                self.collection(ns).options = options.clone();
            }
            Action::Drop { ns } => self.drop_collection(ns),
            Action::DropDatabase { database } => {
                let inside = |ns: &&Namespace| ns.database() == database.as_str();
                let names: Vec<Namespace> =
                    self.catalog.keys().chain(self.collections.keys()).filter(inside).cloned().collect();
                for ns in &names {
                    self.drop_collection(ns);
                }
            }
            Action::Rename { ns, to, drop_target } => return self.rename(ns, to, *drop_target),
            Action::CreateIndexes { ns, indexes } => self.collection(ns).create_indexes(indexes),
            Action::DropIndexes { ns, names } => self.collection(ns).drop_indexes(names),
            Action::Modify { ns, changes } => self.collection(ns).modify(changes),
        }
        Ok(())
    }

    fn collection(&mut self, ns: &Namespace) -> &mut Collection {
        self.catalog.entry(ns.clone()).or_insert_with(|| Collection::plain(ns.clone()))
    }

    fn drop_collection(&mut self, ns: &Namespace) {
        self.catalog.remove(ns);
        self.collections.remove(ns);
    }

    pub(super) fn is_view(&self, ns: &Namespace) -> bool {
        self.catalog.get(ns).is_some_and(|collection| collection.options.is_view())
    }

    fn has(&self, ns: &Namespace) -> bool {
        self.catalog.contains_key(ns) || self.collections.contains_key(ns)
    }

    /// Whether nothing is there but, perhaps, a name.
    fn is_bare(&self, ns: &Namespace) -> bool {
        self.catalog.get(ns).is_none_or(Collection::is_plain) && !self.collections.contains_key(ns)
    }

    /// A collection that is not there has been renamed already.
    fn rename(&mut self, ns: &Namespace, to: &Namespace, drop_target: bool) -> Result<(), Fault> {
        if ns == to || !self.has(ns) {
            return Ok(());
        }
        if !self.is_bare(to) && !drop_target {
            return Err(Fault::Occupied { what: to.to_string() });
        }
        self.drop_collection(to);
        if let Some(collection) = self.catalog.remove(ns) {
            self.catalog.insert(to.clone(), Collection { ns: to.clone(), ..collection });
        }
        if let Some(documents) = self.collections.remove(ns) {
            self.collections.insert(to.clone(), documents);
        }
        Ok(())
    }
}
