//! [`World`]: what a [`ModelSource`](super::ModelSource) holds, and what it has ever done.

use std::collections::BTreeMap;

use bson::{RawDocumentBuf, rawdoc};

use crate::{
    catalog::{Collection, CollectionOptions, Index},
    clock::OpTime,
    command::{Action, Command},
    diff::Diff,
    doc_id::DocId,
    document::Document,
    entry::Operation,
    namespace::{DatabaseName, Namespace},
    testing::{chain::valid, documents::id, random::Random},
};

/// Collections with their documents.
pub type Seen = BTreeMap<Namespace, (Collection, BTreeMap<DocId, Document>)>;

pub(super) const DATABASES: [&str; 2] = ["crm", "shop"];
/// Collections in them.
const COLLECTIONS: [&str; 5] = ["shop.a", "shop.b", "shop.c", "crm.d", "crm.e"];
/// Views of some of them.
const VIEWS: [(&str, &str); 2] = [("shop.va", "a"), ("crm.vd", "d")];

#[derive(Debug)]
pub(super) struct World {
    pub(super) random: Random,
    pub(super) now: OpTime,
    pub(super) operations: Vec<(OpTime, Operation)>,
    seen: Seen,
    past: Vec<(OpTime, Seen)>,
    pub(super) left: usize,
}

impl World {
    pub(super) fn new(seed: u64, writes: usize) -> Self {
        Self {
            random: Random::new(seed),
            now: OpTime::from_timestamp(1_700_000_000, 1),
            operations: Vec::new(),
            seen: Seen::new(),
            past: Vec::new(),
            left: writes,
        }
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen.clone()
    }

    pub(super) fn seen_at(&self, at: OpTime) -> Seen {
        self.past.iter().rev().find(|(optime, _)| *optime <= at).map(|(_, seen)| seen.clone()).unwrap_or_default()
    }

    /// Collections as they are now, with the number of their documents.
    pub(super) fn collections(&self) -> impl Iterator<Item = (Collection, u64)> {
        self.seen.values().map(|(collection, documents)| (collection.clone(), documents.len() as u64))
    }

    /// The documents of a collection at a time, or now.
    pub(super) fn documents_at(&self, ns: &Namespace, at: Option<OpTime>) -> Vec<Document> {
        let seen = match at {
            None => Some(&self.seen),
            Some(at) => self.past.iter().rev().find(|(optime, _)| *optime <= at).map(|(_, seen)| seen),
        };
        seen.and_then(|seen| seen.get(ns))
            .map(|(_, documents)| documents.values().cloned().collect())
            .unwrap_or_default()
    }

    /// One write, of one operation or several at once; `false` when there are none left.
    pub(super) fn write(&mut self) -> bool {
        let Some(left) = self.left.checked_sub(1) else { return false };
        self.left = left;
        let ns = self.pick(&COLLECTIONS);
        match self.random.below(30) {
            0 | 1 => self.rename(&ns),
            2 => self.drop_collection(&ns),
            3 => self.create(&ns),
            4 | 5 => self.change_indexes(&ns),
            6 => self.modify(&ns),
            7 => self.change_view(),
            8 => self.drop_database(&ns.database_name()),
            kind => {
                let several = if kind < 13 { 1 + self.random.below(4) } else { 1 };
                // A transaction may create what it writes to.
                if kind >= 11 {
                    self.create_if_missing(&ns);
                }
                self.tick();
                for _ in 0..several {
                    self.change_document(&ns);
                }
            }
        }
        self.remember();
        true
    }

    /// What there is now can be read later.
    fn remember(&mut self) {
        self.past.push((self.now, self.seen.clone()));
    }

    fn pick(&mut self, names: &[&str]) -> Namespace {
        let at = usize::try_from(self.random.below(names.len() as u64)).unwrap_or_default();
        named(names.get(at).copied().unwrap_or("shop.a"))
    }

    fn number(&mut self, bound: u64) -> i32 {
        i32::try_from(self.random.below(bound)).unwrap_or(0)
    }

    /// Now; or, now and then, a little earlier: as a new primary tells it, which does not know yet how much a
    /// majority has.
    pub(super) fn majority_time(&mut self) -> OpTime {
        if self.random.below(8) > 0 {
            return self.now;
        }
        let back = usize::try_from(self.random.below(5)).unwrap_or_default();
        self.past.iter().rev().nth(back).map_or(self.now, |(optime, _)| *optime)
    }

    pub(super) fn tick(&mut self) {
        let (seconds, _) = self.now.to_timestamp();
        self.now = OpTime::from_timestamp(seconds + 1, 1);
    }

    fn log(&mut self, operation: Operation) {
        self.operations.push((self.now, operation));
    }

    /// Tells a command, at a time of its own.
    fn run(&mut self, action: Action) {
        self.tick();
        self.log(Operation::Command(Command::new(action)));
    }

    fn options(&mut self) -> CollectionOptions {
        if self.random.below(2) == 0 {
            return CollectionOptions::default();
        }
        let least = self.number(5);
        CollectionOptions::new(&rawdoc! { "validator": { "n": { "$gte": least } } }).unwrap_or_default()
    }

    fn create(&mut self, ns: &Namespace) {
        if !self.seen.contains_key(ns) {
            let options = self.options();
            self.create_as(ns, options);
        }
    }

    fn create_as(&mut self, ns: &Namespace, options: CollectionOptions) {
        self.run(Action::Create { ns: ns.clone(), options: options.clone() });
        let collection = Collection { options, ..Collection::plain(ns.clone()) };
        self.seen.insert(ns.clone(), (collection, BTreeMap::new()));
    }

    fn create_if_missing(&mut self, ns: &Namespace) {
        if !self.seen.contains_key(ns) {
            self.create_as(ns, CollectionOptions::default());
            self.remember();
        }
    }

    fn drop_collection(&mut self, ns: &Namespace) {
        if self.seen.remove(ns).is_some() {
            self.run(Action::Drop { ns: ns.clone() });
        }
    }

    /// A server tells that each collection goes, then the database. Its views go without a word.
    fn drop_database(&mut self, database: &DatabaseName) {
        let inside: Vec<(Namespace, bool)> = self
            .seen
            .iter()
            .filter(|(ns, _)| ns.database() == database.as_str())
            .map(|(ns, (collection, _))| (ns.clone(), collection.options.is_view()))
            .collect();
        for (ns, _) in inside.iter().filter(|(_, is_view)| !is_view) {
            self.drop_collection(ns);
            self.remember();
        }
        for (ns, _) in &inside {
            self.seen.remove(ns);
        }
        self.run(Action::DropDatabase { database: database.clone() });
    }

    fn rename(&mut self, ns: &Namespace) {
        let to = self.pick(&COLLECTIONS);
        if to == *ns || to.database() != ns.database() || !self.seen.contains_key(ns) {
            return;
        }
        let drop_target = self.seen.contains_key(&to);
        self.run(Action::Rename { ns: ns.clone(), to: to.clone(), drop_target });
        if let Some((collection, documents)) = self.seen.remove(ns) {
            self.seen.insert(to.clone(), (Collection { ns: to, ..collection }, documents));
        }
    }

    fn change_indexes(&mut self, ns: &Namespace) {
        let name = format!("n_{}", self.random.below(2));
        let Some((collection, _)) = self.seen.get_mut(ns) else { return };
        if collection.indexes.iter().any(|index| index.name() == name) {
            collection.drop_indexes(std::slice::from_ref(&name));
            self.run(Action::DropIndexes { ns: ns.clone(), names: vec![name] });
        } else {
            let raw = rawdoc! { "v": 2, "key": { "n": 1 }, "name": name, "unique": false };
            let Ok(index) = Index::new(&raw) else { return };
            collection.create_indexes(std::slice::from_ref(&index));
            self.run(Action::CreateIndexes { ns: ns.clone(), indexes: vec![index] });
        }
    }

    /// Changes the validator of a collection, or hides one of its indexes.
    fn modify(&mut self, ns: &Namespace) {
        let (least, is_hidden) = (self.number(5), self.random.below(2) == 0);
        let Some((collection, _)) = self.seen.get_mut(ns) else { return };
        let changes = match collection.indexes.first() {
            Some(index) if least < 3 => rawdoc! { "index": { "name": index.name(), "hidden": is_hidden } },
            _ => rawdoc! { "validator": { "n": { "$gte": least } } },
        };
        collection.modify(&changes);
        self.run(Action::Modify { ns: ns.clone(), changes });
    }

    /// Makes a view, makes it another one, or drops it.
    fn change_view(&mut self) {
        let at = usize::try_from(self.random.below(VIEWS.len() as u64)).unwrap_or_default();
        let (name, of) = VIEWS.get(at).copied().unwrap_or(("shop.va", "a"));
        let (ns, least) = (named(name), self.number(9));
        let definition = rawdoc! { "viewOn": of, "pipeline": [{ "$match": { "n": { "$gte": least } } }] };
        match self.seen.get_mut(&ns) {
            None => self.create_as(&ns, CollectionOptions::new(&definition).unwrap_or_default()),
            Some(_) if least == 0 => self.drop_collection(&ns),
            Some((view, _)) => {
                view.modify(&definition);
                self.run(Action::Modify { ns, changes: definition });
            }
        }
    }

    fn change_document(&mut self, ns: &Namespace) {
        let (number, content) = (self.number(12), self.number(1000));
        let (key, ns) = (id(number), ns.clone());
        if !self.seen.contains_key(&ns) {
            // In the middle of a transaction, at its time.
            self.log(Operation::Command(Command::new(Action::Create {
                ns: ns.clone(),
                options: CollectionOptions::default(),
            })));
            self.seen.insert(ns.clone(), (Collection::plain(ns.clone()), BTreeMap::new()));
        }
        let current = self.seen.get(&ns).and_then(|(_, documents)| documents.get(&key)).cloned();
        let operation = match (current, self.random.below(6)) {
            (None, _) => Operation::Insert { ns, document: valid(rawdoc! { "_id": number, "n": content }) },
            (Some(_), 0) => Operation::Delete { ns, id: key },
            (Some(_), 1) => Operation::Update { ns, document: valid(rawdoc! { "_id": number, "r": content, "n": 1 }) },
            (Some(current), _) => match Diff::new(diff_for(&current, content)) {
                Ok(diff) => Operation::Patch { ns, id: key, diff },
                Err(_) => return,
            },
        };
        self.apply(&operation);
        self.log(operation);
    }

    fn apply(&mut self, operation: &Operation) {
        let (Some(ns), Some(key)) = (operation.namespace(), operation.doc_id()) else { return };
        let Some((_, documents)) = self.seen.get_mut(ns) else { return };
        let current = documents.remove(&key);
        let after = crate::apply::apply(current, operation, crate::apply::Mode::Steady).ok().flatten();
        if let Some(after) = after {
            documents.insert(key, after);
        }
    }
}

/// # Panics
/// When it is no name; all those here are.
#[expect(clippy::expect_used, reason = "the names are those above")]
fn named(text: &str) -> Namespace {
    Namespace::new(text).expect("the name is one")
}

/// A diff that fits this document and no document without its counter: it counts on in place, and adds a
/// field.
fn diff_for(current: &Document, content: i32) -> RawDocumentBuf {
    let list = current.as_raw().get_document("s").is_ok();
    if list {
        rawdoc! { "ss": { "u": { "deep": content } } }
    } else {
        rawdoc! { "u": { "n": content }, "i": { "s": { "deep": content } } }
    }
}
