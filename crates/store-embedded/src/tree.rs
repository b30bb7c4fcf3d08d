//! [`View`] and [`Writer`]: one state of the tree, and what is to be changed in it.

use std::ops::{Bound, Deref};

use oplogsync_core::{
    catalog::Collection, digest::NamespaceDigest, doc_id::DocId, document::Document, entry::Entry, namespace::Namespace,
};

use crate::{
    changes::Changes,
    engine::Engine,
    group_commit::Ticket,
    key::Key,
    leases::LeaseTable,
    place::{Place, Range},
    presence::Presence,
    record::{Commits, NextPlace, Record, Unreadable, payload, seal, unseal},
    sum::{Sum, Summands},
    trouble::Trouble,
};

/// A record as it is stored: its key and its bytes.
type Stored<E> = (<E as Engine>::Bytes, <E as Engine>::Bytes);

/// One state of the tree.
pub(crate) struct View<'a, E> {
    pub(crate) tree: &'a E,
}

impl<E: Engine> View<'_, E> {
    pub(crate) fn record<R: Record>(&self, key: &Key) -> Result<Option<R>, Trouble> {
        let found = self.get(key.as_bytes())?;
        found.map(|bytes| R::decode(key.as_bytes(), &bytes)).transpose()
    }

    /// The bytes at a key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<E::Bytes>, Trouble> {
        // Nothing can be there.
        if key.len() > E::KEY_BYTES_MAX {
            return Ok(None);
        }
        self.tree.get(key).map_err(Trouble::reading)
    }

    /// Whether there is no record at all.
    pub(crate) fn is_empty(&self) -> Result<bool, Trouble> {
        Ok(self.range((Bound::Unbounded, Bound::Unbounded)).next().transpose()?.is_none())
    }

    /// All records under a prefix, in order.
    pub(crate) fn under(&self, prefix: &Key) -> impl Iterator<Item = Result<Stored<E>, Trouble>> + use<E> {
        self.range(prefix.range())
    }

    /// All records of some keys, in order.
    pub(crate) fn range(&self, keys: Range) -> impl Iterator<Item = Result<Stored<E>, Trouble>> + use<E> {
        // No key is between a bound that is too long and what is left of it.
        let shorten = |mut key: Vec<u8>| {
            key.truncate(E::KEY_BYTES_MAX);
            key
        };
        self.tree.range((keys.0.map(shorten), keys.1.map(shorten))).map(|item| item.map_err(Trouble::reading))
    }

    /// Where the documents of a namespace stand, if there are any.
    pub(crate) fn place(&self, ns: &Namespace) -> Result<Option<Place>, Trouble> {
        if let Some(place) = self.record(&Key::place(ns))? {
            return Ok(Some(place));
        }
        let digest = self.record::<NamespaceDigest>(&Key::digest(ns))?;
        Ok(digest.map(|_| Place::named(ns)))
    }

    /// What is known of a collection beside its documents.
    pub(crate) fn collection(&self, ns: &Namespace) -> Result<Option<Collection>, Trouble> {
        self.record(&Key::collection(ns))
    }

    /// Whether a namespace is a view, which has no documents.
    pub(crate) fn is_view(&self, ns: &Namespace) -> Result<bool, Trouble> {
        Ok(self.collection(ns)?.is_some_and(|collection| collection.options.is_view()))
    }

    /// The document of a collection with this id.
    pub(crate) fn document(&self, ns: &Namespace, place: &Place, id: &DocId) -> Result<Option<Document>, Trouble> {
        let found = self.stored(ns, place.document(id))?;
        found.map(|stored| stored.document(ns.as_str())).transpose()
    }

    /// The same, as it is stored at its key.
    pub(crate) fn stored(&self, ns: &Namespace, key: Key) -> Result<Option<StoredDocument<E::Bytes>>, Trouble> {
        let Some(record) = self.get(key.as_bytes())? else { return Ok(None) };
        StoredDocument::new(ns.as_str(), key, record).map(Some)
    }
}

/// A document as it is stored, known to be what was written.
pub(crate) struct StoredDocument<B> {
    key: Key,
    record: B,
}

impl<B: Deref<Target = [u8]>> StoredDocument<B> {
    /// The document of a collection in the record at `key`.
    pub(crate) fn new(collection: &str, key: Key, record: B) -> Result<Self, Trouble> {
        match unseal(key.as_bytes(), &record) {
            Ok(_) => Ok(Self { key, record }),
            Err(why) => Err(why.at_document(collection, key.as_bytes())),
        }
    }

    /// The bytes of the document.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        payload(&self.record)
    }

    /// The document, checked.
    pub(crate) fn document(&self, collection: &str) -> Result<Document, Trouble> {
        let checked = Document::from_bytes(self.as_bytes());
        checked.map_err(|why| Unreadable::from(why).at_document(collection, self.key.as_bytes()))
    }

    /// Where it stands.
    pub(crate) fn into_key(self) -> Key {
        self.key
    }
}

/// The document of a collection in the bytes at `key`.
pub(crate) fn document(collection: &str, key: &[u8], bytes: &[u8]) -> Result<Document, Trouble> {
    unseal(key, bytes)
        .and_then(|payload| Ok(Document::from_bytes(payload)?))
        .map_err(|why: Unreadable| why.at_document(collection, key))
}

/// One state of the tree, and what is to be changed in it.
pub(crate) struct Writer<'a, E> {
    pub(crate) view: View<'a, E>,
    pub(crate) leases: &'a mut LeaseTable,
    presence: &'a mut Presence,
    changes: Changes,
    summands: Summands,
    next_place: Option<NextPlace>,
}

impl<'a, E: Engine> Writer<'a, E> {
    pub(crate) fn new(view: View<'a, E>, leases: &'a mut LeaseTable, presence: &'a mut Presence) -> Self {
        Self { view, leases, presence, changes: Changes::default(), summands: Summands::default(), next_place: None }
    }

    /// The document of a collection that is stored at a key.
    pub(crate) fn stored(&self, ns: &Namespace, key: Key) -> Result<Option<StoredDocument<E::Bytes>>, Trouble> {
        if self.presence.may_hold(key.as_bytes()) { self.view.stored(ns, key) } else { Ok(None) }
    }

    pub(crate) fn put<R: Record>(&mut self, key: &Key, record: &R) -> Result<(), Trouble> {
        let bytes = record.encode(key)?;
        self.insert(key, bytes);
        Ok(())
    }

    /// Puts a payload that is bytes already.
    pub(crate) fn put_payload(&mut self, key: &Key, payload: &[u8]) {
        self.insert(key, seal(key, payload));
    }

    /// Puts a document, which its collection's digest counts.
    pub(crate) fn put_document(&mut self, key: Key, document: &Document) {
        let bytes = seal(&key, document.as_bytes());
        self.presence.add(key.as_bytes());
        self.changes.set(key.into_bytes(), Some(bytes));
    }

    /// Takes a document away, which its collection's digest counts no more.
    pub(crate) fn remove_document(&mut self, key: Key) {
        self.changes.set(key.into_bytes(), None);
    }

    pub(crate) fn put_entry(&mut self, entry: &Entry) {
        let mut bytes = Vec::with_capacity(entry.bytes() + 64);
        oplogsync_core::codec::encode(entry, &mut bytes);
        self.insert(&Key::entry(entry.position().index), bytes);
    }

    pub(crate) fn remove(&mut self, key: &Key) {
        self.summands.note(key, None);
        self.changes.set(key.as_bytes().to_vec(), None);
    }

    /// Makes room for about so many changes.
    pub(crate) fn reserve(&mut self, changes: usize) {
        self.changes.reserve(changes);
    }

    /// A place that no collection has ever had.
    pub(crate) fn new_place(&mut self) -> Result<Place, Trouble> {
        let next = match self.next_place {
            Some(next) => next,
            None => self.view.record(&Key::next_place())?.unwrap_or_default(),
        };
        let following = NextPlace(next.0 + 1);
        self.next_place = Some(following);
        self.put(&Key::next_place(), &following)?;
        Ok(Place::numbered(next.0))
    }

    /// The changes as the commit number `count`; `None` when there are none. `sum` is that of what was there
    /// before, where no commit has told it.
    pub(crate) fn into_changes(mut self, count: Ticket, sum: Option<Sum>) -> Result<Option<Changes>, Trouble> {
        if self.changes.is_empty() {
            return Ok(None);
        }
        let before = match sum {
            Some(sum) => sum,
            None => self.view.record::<Commits>(&Key::commits())?.map_or_else(Sum::default, |last| last.sum),
        };
        let sum = before.after(&self.summands, &self.view)?;
        self.put(&Key::commits(), &Commits { count, sum })?;
        Ok(Some(self.changes))
    }

    fn insert(&mut self, key: &Key, bytes: Vec<u8>) {
        self.summands.note(key, Some(&bytes));
        self.changes.set(key.as_bytes().to_vec(), Some(bytes));
    }
}
