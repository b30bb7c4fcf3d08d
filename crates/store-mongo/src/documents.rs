//! [`Documents`] of a node on MongoDB.

pub(crate) mod catalog;
mod read;

pub(crate) use self::read::{Scanned, Span, checked};
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

use crate::{node_document::DocumentsState, store::MongoStore};

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

    async fn collections(&self) -> Result<Vec<Collection>, StoreError> {
        Ok(self.catalog().await?.collections)
    }

    async fn size(&self, ns: &Namespace) -> Result<Size, StoreError> {
        self.measure(ns).await.map_err(|failure| self.store_error(format!("ask for the size of {ns}"), failure))
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

    async fn resume(&self) -> Result<Resume, StoreError> {
        let state = self.documents_state().await;
        state.map(|state| state.resume).map_err(|failure| self.store_error("read the checkpoint", failure))
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
