//! What DDL makes of a collection, for stores that keep collections themselves.

use bson::{RawBsonRef, RawDocument};

use super::{Collection, Index};
use crate::element::Elements;

impl Collection {
    /// Adds indexes; one whose name is taken stays as it is, and so does the one on `_id`.
    pub fn create_indexes(&mut self, indexes: &[Index]) {
        for index in indexes {
            if !index.is_on_id() && self.indexes.iter().all(|known| known.name() != index.name()) {
                self.indexes.push(index.clone());
            }
        }
        self.indexes.sort_by(|a, b| a.name().cmp(b.name()));
    }

    /// Takes indexes away; those that are not there do not matter.
    pub fn drop_indexes(&mut self, names: &[String]) {
        self.indexes.retain(|index| !names.iter().any(|name| name == index.name()));
    }

    /// Changes options, and one index if `changes` names one.
    pub fn modify(&mut self, changes: &RawDocument) {
        if let Ok(Some(RawBsonRef::Document(changed))) = changes.get("index")
            && let Ok(Some(RawBsonRef::String(name))) = changed.get("name")
        {
            for index in self.indexes.iter_mut().filter(|index| index.name() == name) {
                *index = index.changed(changed);
            }
        }
        let others: Vec<_> = Elements::of(changes).filter(|field| field.name != "index").collect();
        self.options = self.options.changed(&super::document_of(&others));
    }
}
