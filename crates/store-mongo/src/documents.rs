//! [`Documents`]: reading the documents of a node, and the rest of the trait.

use std::collections::{HashMap, HashSet};

use bson::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf, raw::cstr, rawdoc};
use oplogsync_core::{
    batch::Batch,
    checkpoint::{Checkpoint, Stop},
    digest::NamespaceDigest,
    doc_id::DocId,
    document::Document,
    documents::{Applied, Documents},
    ids::OwnerId,
    limits::Limits,
    namespace::Namespace,
    store_error::{Fault, StoreError},
};

use crate::{
    bulk::by_id,
    entry_document::show_id,
    error::{Access, Failure},
    node_document::DocumentsState,
    query::Flow,
    scope::Place,
    store::MongoStore,
};

/// Ids in one query, in number and in bytes.
const IDS_MAX: usize = 1000;
const IDS_BYTES_MAX: usize = 4 * 1024 * 1024;

impl Documents for MongoStore {
    async fn get(&self, ns: &Namespace, ids: &[DocId]) -> Result<Vec<Option<Document>>, StoreError> {
        self.read_by_ids(ns, ids).await.map_err(|failure| self.store_error(format!("read documents of {ns}"), failure))
    }

    async fn scan(&self, ns: &Namespace, after: Option<&DocId>, limits: Limits) -> Result<Vec<Document>, StoreError> {
        self.scan_from(ns, after, limits).await.map_err(|failure| self.store_error(format!("scan {ns}"), failure))
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, StoreError> {
        self.list_namespaces().await.map_err(|failure| self.store_error("list the collections", failure))
    }

    async fn digest(&self, ns: &Namespace) -> Result<NamespaceDigest, StoreError> {
        self.compute_digest(ns)
            .await
            .map_err(|failure| self.store_error(format!("compute the digest of {ns}"), failure))
    }

    async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        let state = self.documents_state().await;
        state.map(|state| state.checkpoint).map_err(|failure| self.store_error("read the checkpoint", failure))
    }

    async fn apply(&self, batch: &Batch, owner: OwnerId) -> Result<Applied, StoreError> {
        Box::pin(self.apply_batch(batch, owner)).await.map_err(|failure| {
            let doing = format!("apply entries {}..={}", batch.after().next_index(), batch.last().position.index);
            self.store_error(doing, failure)
        })
    }

    async fn unfinished(&self) -> Result<Option<u64>, StoreError> {
        let state = self.documents_state().await;
        let index = |state: DocumentsState| state.unfinished().map(|window| window.index);
        state.map(index).map_err(|failure| self.store_error("read what is unfinished", failure))
    }

    async fn stop(&self) -> Result<Option<Stop>, StoreError> {
        let state = self.documents_state().await;
        state.map(|state| state.stop).map_err(|failure| self.store_error("read why the node has stopped", failure))
    }

    async fn set_stop(&self, stop: &Stop) -> Result<(), StoreError> {
        let doing = || format!("remember the stop at {}", stop.at);
        self.write_stop(stop).await.map_err(|failure| self.store_error(doing(), failure))
    }
}

/// A document that the server holds, checked.
fn checked(raw: &RawDocument, place: &Place) -> Result<Document, Failure> {
    Document::new(raw.to_owned()).map_err(|source| {
        let id = raw.get("_id").ok().flatten().map_or_else(|| "missing".to_owned(), show_id);
        Failure::new(Fault::Incompatible).because(Unusable { place: place.to_string(), id, source })
    })
}

#[derive(Debug, thiserror::Error)]
#[error("{place} holds a document that cannot be replicated, with the _id {id}")]
struct Unusable {
    place: String,
    id: String,
    source: oplogsync_core::document::DocumentError,
}

impl MongoStore {
    pub(crate) async fn read_by_ids(&self, ns: &Namespace, ids: &[DocId]) -> Result<Vec<Option<Document>>, Failure> {
        let place = self.place(ns)?;
        let mut found: HashMap<DocId, Document> = HashMap::with_capacity(ids.len());
        for filter in filters(ids) {
            let mut command = self.find_command(&place, filter);
            command.append(cstr!("maxTimeMS"), self.max_time_ms());
            self.query(&place.database, command, |raw| {
                let document = checked(raw, &place)?;
                found.insert(document.id(), document);
                Ok(Flow::More)
            })
            .await?;
        }
        // An id may be asked for twice.
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    /// Those of the ids that have a document.
    pub(crate) async fn existing(&self, place: &Place, ids: &[DocId]) -> Result<HashSet<DocId>, Failure> {
        let mut existing = HashSet::with_capacity(ids.len());
        for filter in filters(ids) {
            let mut command = self.find_command(place, filter);
            command.append(cstr!("projection"), rawdoc! { "_id": 1 });
            command.append(cstr!("maxTimeMS"), self.max_time_ms());
            self.query(&place.database, command, |raw| {
                existing.insert(checked(raw, place)?.id());
                Ok(Flow::More)
            })
            .await?;
        }
        Ok(existing)
    }

    async fn scan_from(&self, ns: &Namespace, after: Option<&DocId>, limits: Limits) -> Result<Vec<Document>, Failure> {
        let place = self.place(ns)?;
        // Nothing comes after it, and a server takes it for an empty range and an error.
        if after.is_some_and(|after| matches!(after.value(), RawBsonRef::MaxKey)) {
            return Ok(Vec::new());
        }
        let mut command = self.find_command(&place, rawdoc! {});
        command.append(cstr!("hint"), rawdoc! { "_id": 1 });
        command.append(cstr!("sort"), rawdoc! { "_id": 1 });
        if let Some(after) = after {
            // A filter `$gt` would compare within the type of `after` only; a bound of the index does not.
            command.append(cstr!("min"), after.to_raw_document());
        }
        let count = i64::try_from(limits.entries_max.max(1)).unwrap_or(i64::MAX).saturating_add(1);
        command.append(cstr!("limit"), count);
        command.append(cstr!("batchSize"), count);
        command.append(cstr!("maxTimeMS"), self.max_time_ms());
        let (mut documents, mut bytes, mut full) = (Vec::new(), 0, false);
        self.query(&place.database, command, |raw| {
            let document = checked(raw, &place)?;
            // The bound is inclusive.
            if documents.is_empty() && after.is_some_and(|after| document.id() == *after) {
                return Ok(Flow::More);
            }
            bytes += document.as_bytes().len();
            full = documents.len() == limits.entries_max.max(1) || (bytes > limits.bytes_max && !documents.is_empty());
            if full {
                return Ok(Flow::Enough);
            }
            documents.push(document);
            Ok(Flow::More)
        })
        .await?;
        if after.is_some() && !full {
            self.scan_the_last(&place, limits, &mut documents).await?;
        }
        Ok(documents)
    }

    /// Adds the document whose id is `MaxKey`: without an upper bound a scan with a lower one
    /// ends before it.
    async fn scan_the_last(&self, place: &Place, limits: Limits, documents: &mut Vec<Document>) -> Result<(), Failure> {
        let Some(last) = self.find_one(place, rawdoc! { "_id": { "$eq": RawBson::MaxKey } }, None).await? else {
            return Ok(());
        };
        let last = checked(&last, place)?;
        let bytes: usize = documents.iter().chain([&last]).map(|document| document.as_bytes().len()).sum();
        let fits = documents.len() < limits.entries_max && bytes <= limits.bytes_max;
        if (fits || documents.is_empty()) && documents.last().is_none_or(|document| document.id() != last.id()) {
            documents.push(last);
        }
        Ok(())
    }

    async fn compute_digest(&self, ns: &Namespace) -> Result<NamespaceDigest, Failure> {
        let place = self.place(ns)?;
        let mut digest = NamespaceDigest::default();
        // Without `maxTimeMS`, which would bound the whole scan; each batch has the client's deadline.
        let command = self.find_command(&place, rawdoc! {});
        self.query(&place.database, command, |raw| {
            digest.add(&checked(raw, &place)?);
            Ok(Flow::More)
        })
        .await?;
        Ok(digest)
    }

    async fn list_namespaces(&self) -> Result<Vec<Namespace>, Failure> {
        let databases = match self.inner.scope.only_database() {
            Some(database) => vec![database.to_owned()],
            None => self.list_databases().await?,
        };
        let mut namespaces = Vec::new();
        for database in databases {
            for collection in self.list_collections(&database).await? {
                let place = Place { database: database.clone(), collection };
                let Some(ns) = self.inner.scope.logical(&place) else { continue };
                if self.find_one(&place, rawdoc! {}, None).await?.is_some() {
                    namespaces.push(ns);
                }
            }
        }
        namespaces.sort();
        Ok(namespaces)
    }

    async fn list_databases(&self) -> Result<Vec<String>, Failure> {
        let command = rawdoc! { "listDatabases": 1, "nameOnly": true };
        let reply = self.run("admin", command, Access::Read, None).await?;
        let malformed = || Failure::said(Fault::Unexpected, "the server's list of databases has an unknown form");
        let databases = reply.get_array("databases").map_err(|_| malformed())?;
        let name = |database: &bson::Bson| {
            let name = database.as_document().and_then(|database| database.get_str("name").ok());
            name.map(str::to_owned).ok_or_else(malformed)
        };
        databases.iter().map(name).collect()
    }

    /// Real collections; no views.
    async fn list_collections(&self, database: &str) -> Result<Vec<String>, Failure> {
        let command = rawdoc! {
            "listCollections": 1, "filter": { "type": "collection" }, "nameOnly": true, "maxTimeMS": self.max_time_ms(),
        };
        let mut names = Vec::new();
        self.query(database, command, |collection| {
            let name = collection.get_str("name").map_err(|error| Failure::new(Fault::Unexpected).because(error))?;
            names.push(name.to_owned());
            Ok(Flow::More)
        })
        .await?;
        Ok(names)
    }
}

/// The filters that together match the documents with these ids.
fn filters(ids: &[DocId]) -> Vec<RawDocumentBuf> {
    let (mut filters, mut open, mut held, mut bytes) = (Vec::new(), RawArrayBuf::new(), 0, 0);
    for id in ids {
        if looks_like_an_operator(id) {
            filters.push(by_id(id));
            continue;
        }
        open.push(id.value());
        held += 1;
        bytes += id.key().len();
        if held == IDS_MAX || bytes >= IDS_BYTES_MAX {
            filters.push(rawdoc! { "_id": { "$in": std::mem::take(&mut open) } });
            (held, bytes) = (0, 0);
        }
    }
    if held > 0 {
        filters.push(rawdoc! { "_id": { "$in": open } });
    }
    filters
}

/// `$in` refuses a document whose first field starts with `$`; `$eq` takes it literally.
fn looks_like_an_operator(id: &DocId) -> bool {
    match id.value() {
        RawBsonRef::Document(document) => {
            document.iter().next().is_some_and(|field| field.is_ok_and(|(name, _)| name.as_str().starts_with('$')))
        }
        _ => false,
    }
}
