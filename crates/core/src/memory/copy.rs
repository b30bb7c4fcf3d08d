//! Copying documents into a store in memory.

use super::{MemoryStore, State};
use crate::{
    checkpoint::{Checkpoint, Resume},
    command::Action,
    doc_id::DocId,
    document::Document,
    ids::OwnerId,
    initial_sync::{Note, Piece, SyncTarget},
    lease::LeaseName,
    namespace::Namespace,
    store_error::{Fault, StoreError},
};

impl SyncTarget for MemoryStore {
    async fn notes(&self) -> Result<Vec<Note>, StoreError> {
        let state = self.state();
        let note =
            |(name, document): (&String, &_)| Note { name: name.clone(), document: Some(Clone::clone(document)) };
        Ok(state.notes.iter().map(note).collect())
    }

    async fn put_notes(&self, notes: &[Note], owner: OwnerId) -> Result<(), StoreError> {
        self.change(owner, "write notes", |state| {
            state.put_notes(notes);
            Ok(())
        })
    }

    async fn wipe(&self, owner: OwnerId) -> Result<(), StoreError> {
        self.change(owner, "wipe everything", |state| {
            state.collections.clear();
            state.catalog.clear();
            state.checkpoint = None;
            state.resume = Resume::default();
            state.stop = None;
            Ok(())
        })
    }

    async fn run(&self, action: &Action, owner: OwnerId) -> Result<(), StoreError> {
        self.change(owner, "run a command", |state| state.run(action))
    }

    async fn copy(&self, piece: &Piece, note: &Note, owner: OwnerId) -> Result<(), StoreError> {
        self.change(owner, "copy documents", |state| {
            if state.is_view(&piece.ns) {
                return Err(Fault::Occupied { what: format!("the view {}", piece.ns) });
            }
            if let Some(collection) = state.collections.get_mut(&piece.ns) {
                collection.retain(|id, _| !piece.contains(id));
            }
            state.collections.retain(|_, collection| !collection.is_empty());
            for document in &piece.documents {
                state.put(&piece.ns, document.id(), Some(document.clone()));
            }
            state.put_notes(std::slice::from_ref(note));
            Ok(())
        })
    }

    async fn mend(
        &self,
        ns: &Namespace,
        id: &DocId,
        document: Option<&Document>,
        owner: OwnerId,
    ) -> Result<(), StoreError> {
        self.change(owner, "mend a document", |state| {
            state.put(ns, id.clone(), document.cloned());
            Ok(())
        })
    }

    async fn begin_at(
        &self,
        checkpoint: Checkpoint,
        resume: &Resume,
        notes: &[Note],
        owner: OwnerId,
    ) -> Result<(), StoreError> {
        self.change(owner, "set the checkpoint", |state| {
            state.put_notes(notes);
            state.checkpoint = Some(checkpoint);
            state.resume = resume.clone();
            state.stop = None;
            Ok(())
        })
    }
}

impl MemoryStore {
    /// One change by the owner of the lease.
    fn change(
        &self,
        owner: OwnerId,
        doing: &str,
        change: impl FnOnce(&mut State) -> Result<(), Fault>,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        let changed = state.check_owner(LeaseName::Documents, owner).and_then(|()| change(&mut state));
        changed.map_err(|fault| self.error(doing, fault))
    }
}

impl State {
    fn put_notes(&mut self, notes: &[Note]) {
        for note in notes {
            match &note.document {
                Some(document) => self.notes.insert(note.name.clone(), document.clone()),
                None => self.notes.remove(&note.name),
            };
        }
    }
}
