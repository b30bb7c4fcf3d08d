//! Copying documents into a store that fails on demand.

use super::{Call, Faulty};
use crate::{
    batch::Batch,
    checkpoint::{Checkpoint, Resume},
    command::Action,
    doc_id::DocId,
    document::Document,
    entry::Entry,
    ids::OwnerId,
    initial_sync::{Note, Piece, SyncTarget},
    limits::Limits,
    namespace::Namespace,
    store_error::StoreError,
};

impl<S: SyncTarget> SyncTarget for Faulty<S> {
    async fn notes(&self) -> Result<Vec<Note>, StoreError> {
        self.call(Call::Notes, self.inner.notes()).await
    }

    async fn put_notes(&self, notes: &[Note], owner: OwnerId) -> Result<(), StoreError> {
        self.counts().count_notes(notes);
        // The first ones only.
        let (some, _) = notes.split_at(notes.len() / 2);
        self.call_or_tear(Call::PutNotes, self.inner.put_notes(notes, owner), self.inner.put_notes(some, owner)).await
    }

    async fn wipe(&self, owner: OwnerId) -> Result<(), StoreError> {
        self.counts().wiped += 1;
        self.call_or_tear(Call::Wipe, self.inner.wipe(owner), self.wipe_in_part(owner)).await
    }

    async fn run(&self, action: &Action, owner: OwnerId) -> Result<(), StoreError> {
        self.call(Call::Run, self.inner.run(action, owner)).await
    }

    async fn copy(&self, piece: &Piece, note: &Note, owner: OwnerId) -> Result<(), StoreError> {
        let is_false = piece.is_fresh && self.holds_any(piece).await?;
        {
            let mut counts = self.counts();
            counts.pieces += 1;
            counts.false_fresh += u64::from(is_false);
        }
        let torn = self.copy_in_part(piece, note, owner);
        self.call_or_tear(Call::Copy, self.inner.copy(piece, note, owner), torn).await
    }

    async fn mend(
        &self,
        ns: &Namespace,
        id: &DocId,
        document: Option<&Document>,
        owner: OwnerId,
    ) -> Result<(), StoreError> {
        self.call(Call::Mend, self.inner.mend(ns, id, document, owner)).await
    }

    async fn begin_at(
        &self,
        checkpoint: Checkpoint,
        resume: &Resume,
        notes: &[Note],
        owner: OwnerId,
    ) -> Result<(), StoreError> {
        let done = self.inner.begin_at(checkpoint, resume, notes, owner);
        // The checkpoint comes last.
        self.call_or_tear(Call::BeginAt, done, self.inner.put_notes(notes, owner)).await
    }
}

impl<S: SyncTarget> Faulty<S> {
    /// A wipe that was cut off behind the first collection.
    async fn wipe_in_part(&self, owner: OwnerId) -> Result<(), StoreError> {
        match self.inner.namespaces().await?.into_iter().next() {
            Some(ns) => self.inner.run(&Action::Drop { ns }, owner).await,
            None => Ok(()),
        }
    }

    /// The later half of the documents, without the note: they are written in no order.
    async fn copy_in_part(&self, piece: &Piece, note: &Note, owner: OwnerId) -> Result<(), StoreError> {
        let known = self.inner.notes().await?.into_iter().find(|known| known.name == note.name);
        let before = known.unwrap_or_else(|| Note { name: note.name.clone(), document: None });
        let (first, second) = piece.documents.split_at(piece.documents.len() / 2);
        let after = first.last().map(crate::document::Document::id).or_else(|| piece.after.clone());
        let half = Piece { after, documents: second.to_vec(), ..piece.clone() };
        self.inner.copy(&half, &before, owner).await
    }

    /// A command that was cut off before its checkpoint; documents are written as one with theirs.
    pub(super) async fn run_only(&self, batch: &Batch, owner: OwnerId) -> Result<(), StoreError> {
        let Some(action) = batch.command() else { return Ok(()) };
        let origin = Checkpoint { log: batch.log(), anchor: Entry::origin(batch.log()) };
        let found = self.inner.checkpoint().await?.unwrap_or(origin);
        if found != (Checkpoint { log: batch.log(), anchor: *batch.after() }) {
            return Ok(());
        }
        self.inner.run(&action, owner).await
    }

    async fn holds_any(&self, piece: &Piece) -> Result<bool, StoreError> {
        let first = Limits { entries_max: 1, ..Limits::default() };
        let found = self.inner.scan(&piece.ns, piece.after.as_ref(), first).await?;
        Ok(found.first().is_some_and(|document| piece.contains(&document.id())))
    }
}
