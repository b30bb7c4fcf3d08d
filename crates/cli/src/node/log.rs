//! The oplog of a node.

use oplogsync_core::{
    entry::Entry,
    ids::{LogId, OpId},
    limits::Limits,
    log::{Acknowledgement, Appended, Log, LogEnds},
    position::{Anchor, Position},
    store_error::StoreError,
};

use super::{Node, Store, on_store};

impl Log for Node {
    async fn create_log(&self, log: LogId) -> Result<LogEnds, StoreError> {
        on_store!(self, store => store.create_log(log))
    }

    async fn log_ends(&self) -> Result<Option<LogEnds>, StoreError> {
        on_store!(self, store => store.log_ends())
    }

    async fn append(&self, entries: &[Entry]) -> Result<Appended, StoreError> {
        on_store!(self, store => store.append(entries))
    }

    async fn read(&self, from: u64, limits: Limits) -> Result<Vec<Entry>, StoreError> {
        on_store!(self, store => store.read(from, limits))
    }

    async fn find(&self, op_id: OpId) -> Result<Option<Position>, StoreError> {
        on_store!(self, store => store.find(op_id))
    }

    async fn trim(&self, floor: &Anchor) -> Result<(), StoreError> {
        on_store!(self, store => store.trim(floor))
    }

    async fn acknowledge(&self, acknowledgement: &Acknowledgement) -> Result<(), StoreError> {
        on_store!(self, store => store.acknowledge(acknowledgement))
    }

    async fn appended(&self, index: u64) {
        // Whoever waits has read before, so the node is open.
        match self.store.get() {
            Some(Store::Sled(store)) => store.appended(index).await,
            Some(Store::Fjall(store)) => store.appended(index).await,
            #[cfg(feature = "mongo")]
            Some(Store::Mongo(store)) => store.appended(index).await,
            None => std::future::pending().await,
        }
    }

    async fn acknowledgements(&self) -> Result<Vec<Acknowledgement>, StoreError> {
        on_store!(self, store => store.acknowledgements())
    }
}
