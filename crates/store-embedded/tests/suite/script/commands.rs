//! Commands of every kind.

use bson::{RawDocumentBuf, rawdoc};
use oplogsync_core::{
    catalog::{CollectionOptions, Index},
    command::Action,
};

use super::Script;

impl Script {
    pub(super) fn action(&mut self) -> Action {
        let ns = self.namespace();
        match self.random.below(12) {
            0..2 => Action::Create { ns, options: self.options() },
            2..4 => Action::Drop { ns },
            4..7 => Action::Rename { ns, to: self.namespace(), drop_target: !self.one_in(3) },
            7 => Action::DropDatabase { database: ns.database_name() },
            8..10 => Action::CreateIndexes { ns, indexes: vec![self.index(), self.index()] },
            10 => Action::DropIndexes { ns, names: vec![self.index().name().to_owned()] },
            _ if self.one_in(2) => {
                let name = self.index().name().to_owned();
                Action::Modify { ns, changes: rawdoc! { "index": { "name": name, "hidden": true } } }
            }
            _ => Action::Modify { ns, changes: rawdoc! { "validator": { "n": self.number() } } },
        }
    }

    fn options(&mut self) -> CollectionOptions {
        let options = match self.random.below(3) {
            0 => RawDocumentBuf::new(),
            1 => rawdoc! { "validator": { "n": self.number() }, "validationLevel": "moderate" },
            _ => rawdoc! { "viewOn": "items", "pipeline": [{ "$match": { "n": self.number() } }] },
        };
        CollectionOptions::new(&options).unwrap()
    }

    fn index(&mut self) -> Index {
        let field = ["a", "b", "c"][usize::try_from(self.random.below(3)).unwrap()];
        let mut key = RawDocumentBuf::new();
        key.append(bson::raw::CString::try_from(field).unwrap(), 1);
        Index::new(&rawdoc! { "v": 2, "key": key, "name": format!("{field}_1"), "unique": self.one_in(2) }).unwrap()
    }
}
