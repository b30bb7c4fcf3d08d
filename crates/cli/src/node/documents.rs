//! The documents of a node.

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
use oplogsync_store_embedded::Engine as _;
use oplogsync_store_fjall::Fjall;
use oplogsync_store_sled::Sled;

use super::{Node, Store, on_store};
use crate::config::{Address, Engine};

impl Documents for Node {
    fn batch_max(&self) -> Limits {
        // It may not be open yet.
        match &self.config.address {
            Address::Memory | Address::Folder { engine: Engine::Sled, .. } => Sled::BATCH_MAX,
            Address::Folder { engine: Engine::Fjall, .. } => Fjall::BATCH_MAX,
            Address::Mongo { .. } => Limits::NONE,
        }
    }

    async fn get(&self, ns: &Namespace, ids: &[DocId]) -> Result<Vec<Option<Document>>, StoreError> {
        on_store!(self, store => store.get(ns, ids))
    }

    async fn scan(&self, ns: &Namespace, after: Option<&DocId>, limits: Limits) -> Result<Vec<Document>, StoreError> {
        on_store!(self, store => store.scan(ns, after, limits))
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, StoreError> {
        on_store!(self, store => store.namespaces())
    }

    async fn collections(&self) -> Result<Vec<Collection>, StoreError> {
        on_store!(self, store => store.collections())
    }

    async fn size(&self, ns: &Namespace) -> Result<Size, StoreError> {
        on_store!(self, store => store.size(ns))
    }

    async fn digest(&self, ns: &Namespace) -> Result<NamespaceDigest, StoreError> {
        on_store!(self, store => store.digest(ns))
    }

    async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        on_store!(self, store => store.checkpoint())
    }

    async fn resume(&self) -> Result<Resume, StoreError> {
        on_store!(self, store => store.resume())
    }

    async fn apply(&self, batch: &Batch, owner: OwnerId) -> Result<Applied, StoreError> {
        on_store!(self, store => store.apply(batch, owner))
    }

    async fn unfinished(&self) -> Result<Option<u64>, StoreError> {
        on_store!(self, store => store.unfinished())
    }

    async fn stop(&self) -> Result<Option<Stop>, StoreError> {
        on_store!(self, store => store.stop())
    }

    async fn set_stop(&self, stop: &Stop) -> Result<(), StoreError> {
        on_store!(self, store => store.set_stop(stop))
    }
}
