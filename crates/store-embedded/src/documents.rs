//! The documents of an [`EmbeddedStore`], and how far they have come.

use oplogsync_core::{
    batch::Batch,
    catalog::Collection,
    checkpoint::{Checkpoint, Resume, Stop},
    digest::NamespaceDigest,
    doc_id::DocId,
    document::Document,
    documents::{Applied, Documents, Size},
    ids::OwnerId,
    limits::Limits,
    namespace::Namespace,
    store_error::StoreError,
};

use crate::{
    apply::Folded,
    engine::Engine,
    key::Key,
    keyspace::Keyspace,
    record::{Record, Unreadable},
    step::Step,
    store::EmbeddedStore,
    tree::{View, document},
    trouble::Trouble,
};

impl<E: Engine> Keyspace<E> {
    /// See [`Documents::get`].
    ///
    /// # Errors
    /// As there.
    pub fn get(&self, ns: &Namespace, ids: &[DocId]) -> Result<Vec<Option<Document>>, StoreError> {
        self.read(
            || format!("read {} documents of {ns}", ids.len()),
            |view| {
                let Some(place) = view.place(ns)? else { return Ok(vec![None; ids.len()]) };
                ids.iter().map(|id| view.document(ns, &place, id)).collect()
            },
        )
    }

    /// See [`Documents::scan`].
    ///
    /// # Errors
    /// As there.
    pub fn scan(&self, ns: &Namespace, after: Option<&DocId>, limits: Limits) -> Result<Vec<Document>, StoreError> {
        self.read(|| format!("scan the documents of {ns}"), |view| scan(view, ns, after, limits))
    }

    /// See [`Documents::namespaces`].
    ///
    /// # Errors
    /// As there.
    pub fn namespaces(&self) -> Result<Vec<Namespace>, StoreError> {
        self.read(
            || "read which namespaces there are".to_owned(),
            |view| {
                let mut found = Vec::new();
                for item in view.under(&Key::digests()) {
                    let (key, bytes) = item?;
                    NamespaceDigest::decode(&key, &bytes)?;
                    found.push(Key::namespace(&key).ok_or_else(|| Unreadable::Misplaced.at(&key))?);
                }
                Ok(found)
            },
        )
    }

    /// See [`Documents::digest`].
    ///
    /// # Errors
    /// As there.
    pub fn digest(&self, ns: &Namespace) -> Result<NamespaceDigest, StoreError> {
        let digest = self.read(|| format!("read the digest of {ns}"), |view| view.record(&Key::digest(ns)))?;
        Ok(digest.unwrap_or_default())
    }

    /// See [`Documents::collections`].
    ///
    /// # Errors
    /// As there.
    pub fn collections(&self) -> Result<Vec<Collection>, StoreError> {
        self.read(
            || "read which collections there are".to_owned(),
            |view| {
                let found = view.under(&Key::collections());
                found.map(|item| item.and_then(|(key, bytes)| Collection::decode(&key, &bytes))).collect()
            },
        )
    }

    /// See [`Documents::size`]. How many bytes the documents have is not kept.
    ///
    /// # Errors
    /// As there.
    pub fn size(&self, ns: &Namespace) -> Result<Size, StoreError> {
        Ok(Size { documents: self.digest(ns)?.count, bytes: 0 })
    }

    /// See [`Documents::checkpoint`].
    ///
    /// # Errors
    /// As there.
    pub fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        self.read_durable(|| "read the checkpoint".to_owned(), |view| view.record(&Key::checkpoint()))
    }

    /// See [`Documents::resume`].
    ///
    /// # Errors
    /// As there.
    pub fn resume(&self) -> Result<Resume, StoreError> {
        let doing = || "read what stands beside the checkpoint".to_owned();
        self.read_durable(doing, |view| Ok(view.record(&Key::resume())?.unwrap_or_default()))
    }

    /// See [`Documents::stop`].
    ///
    /// # Errors
    /// As there.
    pub fn stop(&self) -> Result<Option<Stop>, StoreError> {
        self.read(|| "read why it has stopped".to_owned(), |view| view.record(&Key::stop()))
    }

    /// See [`Documents::set_stop`].
    ///
    /// # Errors
    /// As there.
    pub fn set_stop(&self, stop: &Stop) -> Result<(), StoreError> {
        let doing = || format!("remember that it has stopped at {}", stop.at);
        self.write(Step::Stop, doing, |writer| writer.put(&Key::stop(), stop))
    }
}

fn scan<E: Engine>(
    view: &View<'_, E>,
    ns: &Namespace,
    after: Option<&DocId>,
    limits: Limits,
) -> Result<Vec<Document>, Trouble> {
    let Some(place) = view.place(ns)? else { return Ok(Vec::new()) };
    let mut found: Vec<Document> = Vec::new();
    let mut size = 0;
    for item in view.range(place.range(after, None)) {
        if found.len() >= limits.entries_max.max(1) {
            break;
        }
        let (key, bytes) = item?;
        let document = document(ns.as_str(), &key, &bytes)?;
        size += document.as_bytes().len();
        if !found.is_empty() && size > limits.bytes_max {
            break;
        }
        found.push(document);
    }
    Ok(found)
}

impl<E: Engine> Documents for EmbeddedStore<E> {
    fn batch_max(&self) -> Limits {
        E::BATCH_MAX
    }

    async fn get(&self, ns: &Namespace, ids: &[DocId]) -> Result<Vec<Option<Document>>, StoreError> {
        let (ns, ids) = (ns.clone(), ids.to_vec());
        self.blocking(move |keyspace| keyspace.get(&ns, &ids)).await
    }

    async fn scan(&self, ns: &Namespace, after: Option<&DocId>, limits: Limits) -> Result<Vec<Document>, StoreError> {
        let (ns, after) = (ns.clone(), after.cloned());
        self.blocking(move |keyspace| keyspace.scan(&ns, after.as_ref(), limits)).await
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, StoreError> {
        self.blocking(Keyspace::namespaces).await
    }

    async fn collections(&self) -> Result<Vec<Collection>, StoreError> {
        self.blocking(Keyspace::collections).await
    }

    async fn size(&self, ns: &Namespace) -> Result<Size, StoreError> {
        let ns = ns.clone();
        self.blocking(move |keyspace| keyspace.size(&ns)).await
    }

    async fn resume(&self) -> Result<Resume, StoreError> {
        self.blocking(Keyspace::resume).await
    }

    async fn digest(&self, ns: &Namespace) -> Result<NamespaceDigest, StoreError> {
        let ns = ns.clone();
        self.blocking(move |keyspace| keyspace.digest(&ns)).await
    }

    async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        self.blocking(Keyspace::checkpoint).await
    }

    async fn apply(&self, batch: &Batch, owner: OwnerId) -> Result<Applied, StoreError> {
        // Folded here, where the batch can be borrowed: only what is left of it moves to the other thread.
        let folded = Folded::new(self.keyspace().node(), batch)?;
        self.blocking(move |keyspace| keyspace.apply_folded(folded, owner)).await
    }

    async fn unfinished(&self) -> Result<Option<u64>, StoreError> {
        // Data and checkpoint are one atomic write.
        std::future::ready(Ok(None)).await
    }

    async fn stop(&self) -> Result<Option<Stop>, StoreError> {
        self.blocking(Keyspace::stop).await
    }

    async fn set_stop(&self, stop: &Stop) -> Result<(), StoreError> {
        let stop = stop.clone();
        self.blocking(move |keyspace| keyspace.set_stop(&stop)).await
    }
}
