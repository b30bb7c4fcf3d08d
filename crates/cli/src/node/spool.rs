//! A node as a spool.

#[cfg(feature = "mongo")]
use oplogsync_core::store_error::Fault;
use oplogsync_core::{
    batch::Batch,
    checkpoint::{Checkpoint, Resume},
    ids::OwnerId,
    spool::SpoolLog,
    store_error::StoreError,
};

use super::{Node, Store};

/// Calls the chosen store, which is that of a spool.
macro_rules! on_spool {
    ($node:ident, $store:ident => $call:expr) => {
        match $node.store().await? {
            Store::Sled($store) => $call.await,
            Store::Fjall($store) => $call.await,
            #[cfg(feature = "mongo")]
            Store::Mongo(_) => Err(StoreError::new($node.name(), "be a spool", Fault::Defect)),
        }
    };
}

impl SpoolLog for Node {
    async fn captured(&self) -> Result<Option<(Checkpoint, Resume)>, StoreError> {
        on_spool!(self, store => store.captured())
    }

    async fn begin_capture(&self, checkpoint: Checkpoint, resume: &Resume, owner: OwnerId) -> Result<(), StoreError> {
        on_spool!(self, store => store.begin_capture(checkpoint, resume, owner))
    }

    async fn capture(&self, batch: &Batch, owner: OwnerId) -> Result<(), StoreError> {
        on_spool!(self, store => store.capture(batch, owner))
    }
}
