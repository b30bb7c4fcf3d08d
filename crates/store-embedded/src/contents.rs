//! [`Contents`]: the documents of one collection, while a batch changes them.

use oplogsync_core::{
    digest::NamespaceDigest, doc_id::DocId, document::Document, namespace::Namespace, store_error::Fault,
};

use crate::{
    engine::Engine,
    key::Key,
    place::{PLACE_BYTES, Place},
    tree::{StoredDocument, View, Writer},
    trouble::Trouble,
};

/// The documents of one collection: where they stand, and their digest, which follows each change.
#[derive(Debug)]
pub(crate) struct Contents {
    place: Option<Place>,
    /// Whether the place is not remembered yet.
    is_new: bool,
    digest: NamespaceDigest,
}

/// A document whose key is longer than the engine takes.
#[derive(Debug, thiserror::Error)]
#[error("its _id has {bytes} bytes: {engine} takes at most {max}")]
struct IdTooLong {
    bytes: usize,
    engine: &'static str,
    max: usize,
}

/// Refuses a document with an `_id` that the engine does not take; `index` is that of its entry, if it has one.
pub(crate) fn check_id<E: Engine>(ns: &Namespace, id: &DocId, index: u64) -> Result<(), Trouble> {
    let (bytes, max) = (id.key().len(), E::KEY_BYTES_MAX - PLACE_BYTES);
    if bytes <= max {
        return Ok(());
    }
    let rejected = Trouble::new(Fault::Rejected { ns: ns.clone(), id: id.clone(), index });
    Err(rejected.because(IdTooLong { bytes, engine: E::NAME, max }))
}

impl Contents {
    pub(crate) fn open<E: Engine>(view: &View<'_, E>, ns: &Namespace) -> Result<Self, Trouble> {
        let digest = view.record(&Key::digest(ns))?.unwrap_or_default();
        Ok(Self { place: view.place(ns)?, is_new: false, digest })
    }

    /// Where they stand, if there are any.
    pub(crate) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// The document with this id before the batch.
    pub(crate) fn current<E: Engine>(
        &self,
        writer: &Writer<'_, E>,
        ns: &Namespace,
        id: &DocId,
    ) -> Result<Option<StoredDocument<E::Bytes>>, Trouble> {
        match &self.place {
            Some(place) if !self.is_new => writer.stored(ns, place.document(id)),
            _ => Ok(None),
        }
    }

    /// Puts a document in the place of `current`, the one that is there with the same id.
    pub(crate) fn put<E: Engine>(
        &mut self,
        writer: &mut Writer<'_, E>,
        id: &DocId,
        current: Option<StoredDocument<E::Bytes>>,
        document: &Document,
    ) -> Result<(), Trouble> {
        let key = match current {
            Some(current) => {
                self.digest.remove(current.as_bytes());
                current.into_key()
            }
            None => self.place_or_new(writer)?.document(id),
        };
        self.digest.add(document);
        writer.put_document(key, document);
        Ok(())
    }

    /// Takes `current` away.
    pub(crate) fn remove<E: Engine>(&mut self, writer: &mut Writer<'_, E>, current: StoredDocument<E::Bytes>) {
        self.digest.remove(current.as_bytes());
        writer.remove_document(current.into_key());
    }

    /// Remembers what has come of it. A collection without documents needs no place.
    pub(crate) fn close<E: Engine>(self, writer: &mut Writer<'_, E>, ns: &Namespace) -> Result<(), Trouble> {
        if self.digest.count == 0 {
            writer.remove(&Key::digest(ns));
            writer.remove(&Key::place(ns));
            return Ok(());
        }
        if let Some(place) = self.place.filter(|_| self.is_new) {
            writer.put(&Key::place(ns), &place)?;
        }
        writer.put(&Key::digest(ns), &self.digest)
    }

    fn place_or_new<E: Engine>(&mut self, writer: &mut Writer<'_, E>) -> Result<&Place, Trouble> {
        match &mut self.place {
            Some(place) => Ok(place),
            unknown => {
                self.is_new = true;
                Ok(unknown.insert(writer.new_place()?))
            }
        }
    }
}
