//! What a simulated node says about copies: there are none, and feeds go on by positions alone.

use super::client::SimStore;
use crate::{
    checkpoint::{Checkpoint, Resume},
    command::Action,
    doc_id::DocId,
    document::Document,
    ids::OwnerId,
    initial_sync::{Note, Piece, SyncTarget},
    namespace::Namespace,
    store_error::{Fault, StoreError},
};

impl SimStore {
    fn no_copies<T>(&self) -> Result<T, StoreError> {
        Err(self.error("copy", Fault::Defect))
    }
}

impl SyncTarget for SimStore {
    async fn notes(&self) -> Result<Vec<Note>, StoreError> {
        Ok(Vec::new())
    }

    async fn put_notes(&self, _: &[Note], _: OwnerId) -> Result<(), StoreError> {
        self.no_copies()
    }

    async fn wipe(&self, _: OwnerId) -> Result<(), StoreError> {
        self.no_copies()
    }

    async fn run(&self, _: &Action, _: OwnerId) -> Result<(), StoreError> {
        self.no_copies()
    }

    async fn copy(&self, _: &Piece, _: &Note, _: OwnerId) -> Result<(), StoreError> {
        self.no_copies()
    }

    async fn mend(&self, _: &Namespace, _: &DocId, _: Option<&Document>, _: OwnerId) -> Result<(), StoreError> {
        self.no_copies()
    }

    async fn begin_at(&self, _: Checkpoint, _: &Resume, _: &[Note], _: OwnerId) -> Result<(), StoreError> {
        self.no_copies()
    }
}
