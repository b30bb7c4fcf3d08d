//! What commands make of a store's collections.

use std::collections::BTreeSet;

use oplogsync_core::{
    catalog::{Collection, CollectionOptions},
    command::Action,
    digest::NamespaceDigest,
    namespace::{DatabaseName, Namespace},
    store_error::Fault,
};

use crate::{
    engine::Engine,
    key::Key,
    record::{Dropped, Record, Unreadable},
    tree::{View, Writer},
    trouble::Trouble,
};

impl<E: Engine> View<'_, E> {
    fn has_documents(&self, ns: &Namespace) -> Result<bool, Trouble> {
        Ok(self.record::<NamespaceDigest>(&Key::digest(ns))?.is_some())
    }

    fn has(&self, ns: &Namespace) -> Result<bool, Trouble> {
        Ok(self.has_documents(ns)? || self.collection(ns)?.is_some())
    }

    /// Whether nothing is there but, perhaps, a name.
    fn is_bare(&self, ns: &Namespace) -> Result<bool, Trouble> {
        Ok(!self.has_documents(ns)? && self.collection(ns)?.is_none_or(|collection| collection.is_plain()))
    }

    /// Everything that is in a database.
    fn names_in(&self, database: &DatabaseName) -> Result<BTreeSet<Namespace>, Trouble> {
        let mut names = BTreeSet::new();
        for prefix in [Key::digests_in(database), Key::collections_in(database)] {
            for item in self.under(&prefix) {
                let (key, _) = item?;
                names.insert(Key::namespace(&key).ok_or_else(|| Unreadable::Misplaced.at(&key))?);
            }
        }
        Ok(names)
    }
}

impl<E: Engine> Writer<'_, E> {
    /// Changes collections or indexes; what is as it should be already stays.
    ///
    /// Unique indexes are remembered like all others, and nothing is checked against them.
    pub(crate) fn run(&mut self, action: &Action) -> Result<(), Trouble> {
        match action {
            Action::Create { ns, options } => self.create(ns, options),
            Action::Drop { ns } => self.drop_collection(ns),
            Action::Rename { ns, to, drop_target } => self.rename(ns, to, *drop_target),
            Action::DropDatabase { database } => {
                self.view.names_in(database)?.iter().try_for_each(|ns| self.drop_collection(ns))
            }
            Action::CreateIndexes { ns, indexes } => self.change(ns, |collection| collection.create_indexes(indexes)),
            Action::DropIndexes { ns, names } => self.change(ns, |collection| collection.drop_indexes(names)),
            Action::Modify { ns, changes } => self.change(ns, |collection| collection.modify(changes)),
        }
    }

    fn create(&mut self, ns: &Namespace, options: &CollectionOptions) -> Result<(), Trouble> {
        if options.is_view() && self.view.has_documents(ns)? {
            return Err(Trouble::new(Fault::Occupied { what: format!("the collection {ns} with its documents") }));
        }
        self.change(ns, |collection| collection.options = options.clone())
    }

    fn change(&mut self, ns: &Namespace, change: impl FnOnce(&mut Collection)) -> Result<(), Trouble> {
        let mut collection = self.view.collection(ns)?.unwrap_or_else(|| Collection::plain(ns.clone()));
        change(&mut collection);
        self.put_collection(&collection)
    }

    /// What could not be read any more is not written: a command may say anything about an index.
    fn put_collection(&mut self, collection: &Collection) -> Result<(), Trouble> {
        let key = Key::collection(&collection.ns);
        let bytes = collection.encode(&key)?;
        Collection::decode(key.as_bytes(), &bytes).map_err(|why| why.meaning(Fault::Incompatible))?;
        self.put(&key, collection)
    }

    /// The documents go later.
    pub(crate) fn drop_collection(&mut self, ns: &Namespace) -> Result<(), Trouble> {
        if let Some(place) = self.view.place(ns)? {
            self.put(&Key::dropped(&place), &Dropped)?;
            self.remove(&Key::place(ns));
            self.remove(&Key::digest(ns));
        }
        self.remove(&Key::collection(ns));
        Ok(())
    }

    /// A collection that is not there has been renamed already. The documents stay where they are.
    fn rename(&mut self, ns: &Namespace, to: &Namespace, drop_target: bool) -> Result<(), Trouble> {
        if ns == to || !self.view.has(ns)? {
            return Ok(());
        }
        if !drop_target && !self.view.is_bare(to)? {
            return Err(Trouble::new(Fault::Occupied { what: to.to_string() }));
        }
        self.drop_collection(to)?;
        if let Some(collection) = self.view.collection(ns)? {
            self.put_collection(&Collection { ns: to.clone(), ..collection })?;
            self.remove(&Key::collection(ns));
        }
        if let (Some(place), Some(digest)) =
            (self.view.place(ns)?, self.view.record::<NamespaceDigest>(&Key::digest(ns))?)
        {
            self.put(&Key::place(to), &place)?;
            self.put(&Key::digest(to), &digest)?;
            self.remove(&Key::place(ns));
            self.remove(&Key::digest(ns));
        }
        Ok(())
    }
}
