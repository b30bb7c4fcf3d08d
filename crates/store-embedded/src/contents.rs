//! [`Contents`]: the documents of one collection, while a batch changes them.

use oplogsync_core::{digest::NamespaceDigest, doc_id::DocId, document::Document, namespace::Namespace};

use crate::{
    engine::Engine,
    key::Key,
    place::Place,
    tree::{View, Writer},
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
        view: &View<'_, E>,
        ns: &Namespace,
        id: &DocId,
    ) -> Result<Option<Document>, Trouble> {
        match &self.place {
            Some(place) if !self.is_new => view.document(ns, place, id),
            _ => Ok(None),
        }
    }

    /// Puts a document in the place of `current`, the one that is there with an equal id.
    pub(crate) fn put<E: Engine>(
        &mut self,
        writer: &mut Writer<'_, E>,
        current: Option<&Document>,
        document: &Document,
    ) -> Result<(), Trouble> {
        if let Some(current) = current {
            self.digest.remove(current);
        }
        self.digest.add(document);
        let key = self.place_or_new(writer)?.document(&document.id());
        writer.put_payload(&key, document.as_bytes());
        Ok(())
    }

    /// Takes `current` away.
    pub(crate) fn remove<E: Engine>(&mut self, writer: &mut Writer<'_, E>, id: &DocId, current: &Document) {
        self.digest.remove(current);
        if let Some(place) = &self.place {
            writer.remove(&place.document(id));
        }
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
