//! What an initial sync and a repair need of a node, and its leases.

use oplogsync_core::{
    checkpoint::{Checkpoint, Resume},
    command::Action,
    doc_id::DocId,
    document::Document,
    ids::OwnerId,
    initial_sync::{Note, Piece, SyncTarget},
    lease::{Lease, LeaseName, Leases},
    namespace::Namespace,
    store_error::StoreError,
};

use super::{Node, Store, on_store};

impl Leases for Node {
    async fn lease(&self, name: LeaseName) -> Result<Option<Lease>, StoreError> {
        on_store!(self, store => store.lease(name))
    }

    async fn swap_lease(
        &self,
        name: LeaseName,
        expected: Option<&Lease>,
        new: Option<&Lease>,
    ) -> Result<bool, StoreError> {
        on_store!(self, store => store.swap_lease(name, expected, new))
    }
}

impl SyncTarget for Node {
    async fn notes(&self) -> Result<Vec<Note>, StoreError> {
        on_store!(self, store => store.notes())
    }

    async fn put_notes(&self, notes: &[Note], owner: OwnerId) -> Result<(), StoreError> {
        on_store!(self, store => store.put_notes(notes, owner))
    }

    async fn wipe(&self, owner: OwnerId) -> Result<(), StoreError> {
        on_store!(self, store => store.wipe(owner))
    }

    async fn run(&self, action: &Action, owner: OwnerId) -> Result<(), StoreError> {
        on_store!(self, store => store.run(action, owner))
    }

    async fn copy(&self, piece: &Piece, note: &Note, owner: OwnerId) -> Result<(), StoreError> {
        on_store!(self, store => store.copy(piece, note, owner))
    }

    async fn mend(
        &self,
        ns: &Namespace,
        id: &DocId,
        document: Option<&Document>,
        owner: OwnerId,
    ) -> Result<(), StoreError> {
        on_store!(self, store => store.mend(ns, id, document, owner))
    }

    async fn begin_at(
        &self,
        checkpoint: Checkpoint,
        resume: &Resume,
        notes: &[Note],
        owner: OwnerId,
    ) -> Result<(), StoreError> {
        on_store!(self, store => store.begin_at(checkpoint, resume, notes, owner))
    }
}
