//! The documents of a [`SledStore`], and how far they have come.

use std::{collections::BTreeMap, ops::Bound};

use oplogsync_core::{
    apply::Existence,
    batch::{Batch, Change, Contradiction},
    checkpoint::{Checkpoint, Stop},
    digest::NamespaceDigest,
    doc_id::DocId,
    document::Document,
    documents::{Applied, Documents},
    entry::Entry,
    ids::{LogId, OwnerId},
    lease::LeaseName,
    limits::Limits,
    namespace::Namespace,
    position::Anchor,
    store_error::{Fault, StoreError},
};

use crate::{
    key::Key,
    keyspace::{Keyspace, View, Writer, document},
    record::{Record, Unreadable},
    step::Step,
    store::SledStore,
    trouble::Trouble,
};

/// A batch, folded: what is left to do, and between which two checkpoints.
#[derive(Debug)]
struct Folded {
    log: LogId,
    after: Anchor,
    last: Anchor,
    changes: Vec<Change>,
}

impl Keyspace {
    /// See [`Documents::get`].
    ///
    /// # Errors
    /// As there.
    pub fn get(&self, ns: &Namespace, ids: &[DocId]) -> Result<Vec<Option<Document>>, StoreError> {
        self.read(
            || format!("read {} documents of {ns}", ids.len()),
            |view| ids.iter().map(|id| view.document(ns, id)).collect(),
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
                    let ns = Key::text(&key).and_then(|text| Namespace::new(text).ok());
                    found.push(ns.ok_or_else(|| Unreadable::Misplaced.at(&key))?);
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

    /// See [`Documents::checkpoint`].
    ///
    /// # Errors
    /// As there.
    pub fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        self.read_durable(|| "read the checkpoint".to_owned(), |view| view.record(&Key::checkpoint()))
    }

    /// See [`Documents::apply`].
    ///
    /// # Errors
    /// As there.
    pub fn apply(&self, batch: &Batch, owner: OwnerId) -> Result<Applied, StoreError> {
        let folded = Folded::new(self.node(), batch)?;
        self.apply_folded(&folded, owner)
    }

    fn apply_folded(&self, folded: &Folded, owner: OwnerId) -> Result<Applied, StoreError> {
        self.write(
            Step::Apply,
            || folded.doing(),
            |writer| {
                check_checkpoint(&writer.view, folded)?;
                writer.leases.check(LeaseName::Documents, owner)?;
                let applied = apply_changes(writer, &folded.changes)?;
                writer.put(&Key::checkpoint(), &Checkpoint { log: folded.log, anchor: folded.last })?;
                writer.remove(&Key::stop());
                Ok(applied)
            },
        )
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

impl Folded {
    fn new(node: &str, batch: &Batch) -> Result<Self, StoreError> {
        let (log, after, last) = (batch.log(), *batch.after(), batch.last());
        let mut folded = Self { log, after, last, changes: Vec::new() };
        folded.changes = batch.fold().map_err(|why| {
            let Contradiction { ns, id, position, needs } = why.clone();
            let fault = Fault::Drift { ns, id, needs, index: position.index };
            StoreError::new(node, folded.doing(), fault).because(why)
        })?;
        Ok(folded)
    }

    fn doing(&self) -> String {
        format!("apply the entries after {} up to {}", self.after.position, self.last.position)
    }
}

/// The stored checkpoint must be the one that the batch follows.
fn check_checkpoint(view: &View<'_>, folded: &Folded) -> Result<(), Trouble> {
    let expected = Checkpoint { log: folded.log, anchor: folded.after };
    let origin = || Checkpoint { log: folded.log, anchor: Entry::origin(folded.log) };
    let found = view.record(&Key::checkpoint())?.unwrap_or_else(origin);
    if found == expected {
        return Ok(());
    }
    Err(Trouble::new(Fault::CheckpointMoved { found: found.anchor.position }))
}

fn apply_changes(writer: &mut Writer<'_>, changes: &[Change]) -> Result<Applied, Trouble> {
    let mut digests: BTreeMap<&Namespace, NamespaceDigest> = BTreeMap::new();
    let mut applied = Applied::default();
    for change in changes {
        let Change { ns, id, before: needs, after, index } = change;
        let current = writer.view.document(ns, id)?;
        if Existence::of(current.as_ref()) != *needs {
            let (ns, id) = (ns.clone(), id.clone());
            return Err(Trouble::new(Fault::Drift { ns, id, needs: *needs, index: *index }));
        }
        let digest = match digests.entry(ns) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(unknown) => {
                unknown.insert(writer.view.record(&Key::digest(ns))?.unwrap_or_default())
            }
        };
        if let Some(current) = &current {
            digest.remove(current);
        }
        if let Some(document) = after {
            digest.add(document);
            writer.put_document(ns, id, document);
        } else if current.is_some() {
            writer.remove(&Key::document(ns, id));
        }
        applied.changed += 1;
    }
    for (ns, digest) in digests {
        if digest.count == 0 {
            writer.remove(&Key::digest(ns));
        } else {
            writer.put(&Key::digest(ns), &digest)?;
        }
    }
    Ok(applied)
}

fn scan(view: &View<'_>, ns: &Namespace, after: Option<&DocId>, limits: Limits) -> Result<Vec<Document>, Trouble> {
    let start = match after {
        Some(id) => Bound::Excluded(Key::document(ns, id).as_bytes().to_vec()),
        None => Bound::Included(Key::documents(ns).as_bytes().to_vec()),
    };
    let end = Bound::Excluded(Key::documents_end(ns).as_bytes().to_vec());
    let mut found: Vec<Document> = Vec::new();
    let mut size = 0;
    for item in view.tree.range((start, end)) {
        if found.len() >= limits.entries_max.max(1) {
            break;
        }
        let (key, bytes) = item.map_err(Trouble::reading)?;
        let document = document(&key, &bytes)?;
        size += document.as_bytes().len();
        if !found.is_empty() && size > limits.bytes_max {
            break;
        }
        found.push(document);
    }
    Ok(found)
}

impl Documents for SledStore {
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
        self.blocking(move |keyspace| keyspace.apply_folded(&folded, owner)).await
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
