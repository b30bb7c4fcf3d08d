//! [`Fold`]: what a log comes to.

use std::collections::BTreeMap;

use oplogsync_core::{catalog::Collection, command::Action, entry::Operation, namespace::Namespace};

use super::Contents;

/// What the entries of a log come to, one after the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fold {
    pub(crate) contents: Contents,
    pub(crate) collections: BTreeMap<Namespace, Collection>,
}

impl Fold {
    pub(crate) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Insert { ns, document } | Operation::Update { ns, document } => {
                self.contents.insert((ns.clone(), document.id()), document.clone());
            }
            Operation::Delete { ns, id } => drop(self.contents.remove(&(ns.clone(), id.clone()))),
            Operation::Command(command) => self.run(command.action()),
            Operation::Noop | Operation::NewTerm => {}
            Operation::Patch { .. } => panic!("a primary writes full images only"),
        }
    }

    fn run(&mut self, action: &Action) {
        match action {
            Action::Create { ns, options } => self.change(ns, |collection| collection.options = options.clone()),
            Action::Drop { ns } => self.move_to(ns, None),
            Action::Rename { ns, to, .. } => {
                self.move_to(to, None);
                self.move_to(ns, Some(to));
            }
            Action::CreateIndexes { ns, indexes } => self.change(ns, |collection| collection.create_indexes(indexes)),
            Action::DropIndexes { ns, names } => self.change(ns, |collection| collection.drop_indexes(names)),
            Action::Modify { ns, changes } => self.change(ns, |collection| collection.modify(changes)),
            Action::DropDatabase { .. } => panic!("these primaries drop no database"),
        }
    }

    fn change(&mut self, ns: &Namespace, change: impl FnOnce(&mut Collection)) {
        change(self.collections.entry(ns.clone()).or_insert_with(|| Collection::plain(ns.clone())));
    }

    /// Gives what has one name another, or none.
    fn move_to(&mut self, ns: &Namespace, to: Option<&Namespace>) {
        let collection = self.collections.remove(ns);
        let (documents, others): (Contents, Contents) =
            std::mem::take(&mut self.contents).into_iter().partition(|((of, _), _)| of == ns);
        self.contents = others;
        let Some(to) = to else { return };
        if let Some(collection) = collection {
            self.collections.insert(to.clone(), Collection { ns: to.clone(), ..collection });
        }
        self.contents.extend(documents.into_iter().map(|((_, id), document)| ((to.clone(), id), document)));
    }
}
