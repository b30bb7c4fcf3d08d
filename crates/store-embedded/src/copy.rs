//! Copying documents into an [`EmbeddedStore`].

use std::collections::HashSet;

use oplogsync_core::{
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

use crate::{
    apply::IsView,
    contents::{Contents, check_id},
    engine::Engine,
    key::Key,
    keyspace::Keyspace,
    record::{Unreadable, note_document, unseal},
    step::Step,
    store::EmbeddedStore,
    tree::{StoredDocument, View, Writer},
    trouble::Trouble,
};

/// How many documents that are not in a piece are deleted in one step.
const SURPLUS_STEP: usize = 1000;

/// A piece that no collection can have.
const NO_PART: &str = "the documents of a piece belong to its part, each once, in the order of their ids";

impl<E: Engine> Keyspace<E> {
    /// See [`SyncTarget::notes`].
    ///
    /// # Errors
    /// As there.
    pub fn notes(&self) -> Result<Vec<Note>, StoreError> {
        self.read_durable(|| "read the notes".to_owned(), notes)
    }

    /// See [`SyncTarget::put_notes`].
    ///
    /// # Errors
    /// As there.
    pub fn put_notes(&self, notes: &[Note], owner: OwnerId) -> Result<(), StoreError> {
        self.write_as(
            owner,
            Step::Note,
            || format!("write {} notes", notes.len()),
            |writer| {
                writer.put_notes(notes);
                Ok(())
            },
        )
    }

    /// See [`SyncTarget::wipe`].
    ///
    /// # Errors
    /// As there.
    pub fn wipe(&self, owner: OwnerId) -> Result<(), StoreError> {
        let doing = || "wipe everything".to_owned();
        self.write_as(owner, Step::Wipe, doing, wipe)?;
        self.sweep_all().map_err(|trouble| trouble.on(self.node(), doing()))
    }

    /// See [`SyncTarget::run`].
    ///
    /// # Errors
    /// As there.
    pub fn run(&self, action: &Action, owner: OwnerId) -> Result<(), StoreError> {
        let doing = || format!("run {action:?}");
        self.write_as(owner, Step::Run, doing, |writer| writer.run(action))?;
        self.sweep_all().map_err(|trouble| trouble.on(self.node(), doing()))
    }

    /// See [`SyncTarget::copy`]. What the part holds is looked for in any case: it costs nothing where
    /// there is nothing.
    ///
    /// # Errors
    /// As there.
    pub fn copy(&self, piece: &Piece, note: &Note, owner: OwnerId) -> Result<(), StoreError> {
        let doing = || format!("copy {} documents to {}", piece.documents.len(), piece.ns);
        if !is_part(piece) {
            return Err(StoreError::new(self.node(), doing(), Fault::Defect).because(NO_PART));
        }
        while !self.write_as(owner, Step::Copy, doing, |writer| writer.copy(piece, note))? {}
        Ok(())
    }

    /// See [`SyncTarget::mend`].
    ///
    /// # Errors
    /// As there.
    pub fn mend(
        &self,
        ns: &Namespace,
        id: &DocId,
        document: Option<&Document>,
        owner: OwnerId,
    ) -> Result<(), StoreError> {
        let doing = || format!("mend {ns} {id}");
        if document.is_some_and(|document| document.id() != *id) {
            return Err(StoreError::new(self.node(), doing(), Fault::Defect));
        }
        self.write_as(owner, Step::Copy, doing, |writer| writer.mend(ns, id, document))
    }

    /// See [`SyncTarget::begin_at`].
    ///
    /// # Errors
    /// As there.
    pub fn begin_at(
        &self,
        checkpoint: &Checkpoint,
        resume: &Resume,
        notes: &[Note],
        owner: OwnerId,
    ) -> Result<(), StoreError> {
        let doing = || format!("set the checkpoint to {}", checkpoint.anchor.position);
        self.write_as(owner, Step::BeginAt, doing, |writer| {
            writer.put_notes(notes);
            writer.put_checkpoint(checkpoint, resume)
        })
    }

    /// One atomic write by the owner of the documents' lease.
    fn write_as<T>(
        &self,
        owner: OwnerId,
        step: Step,
        doing: impl FnOnce() -> String,
        work: impl FnOnce(&mut Writer<'_, E>) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        self.write(step, doing, |writer| {
            writer.leases.check(LeaseName::Documents, owner)?;
            work(writer)
        })
    }
}

/// Whether the documents are those of a part, each once and in order: else the digest would be wrong.
fn is_part(piece: &Piece) -> bool {
    let ids: Vec<_> = piece.documents.iter().map(Document::id).collect();
    ids.is_sorted_by(|a, b| a < b) && ids.iter().all(|id| piece.contains(id))
}

fn notes<E: Engine>(view: &View<'_, E>) -> Result<Vec<Note>, Trouble> {
    view.under(&Key::notes()).map(|item| item.and_then(|(key, bytes)| note(&key, &bytes))).collect()
}

/// The note in the bytes at `key`.
pub(crate) fn note(key: &[u8], bytes: &[u8]) -> Result<Note, Trouble> {
    let name = Key::text(key).ok_or(Unreadable::Misplaced);
    let document = unseal(key, bytes).and_then(note_document);
    let read = name.and_then(|name| Ok(Note { name: name.to_owned(), document: Some(document?) }));
    read.map_err(|why| why.at(key))
}

/// Leaves the notes and the log; the documents go later.
fn wipe<E: Engine>(writer: &mut Writer<'_, E>) -> Result<(), Trouble> {
    for item in writer.view.under(&Key::digests()) {
        let (key, _) = item?;
        let ns = Key::namespace(&key).ok_or_else(|| Unreadable::Misplaced.at(&key))?;
        writer.drop_collection(&ns)?;
    }
    for item in writer.view.under(&Key::collections()) {
        writer.remove(&Key::of_bytes(&item?.0));
    }
    for key in [Key::checkpoint(), Key::resume(), Key::stop()] {
        writer.remove(&key);
    }
    Ok(())
}

impl<E: Engine> Writer<'_, E> {
    fn put_notes(&mut self, notes: &[Note]) {
        for note in notes {
            let key = Key::note(&note.name);
            match &note.document {
                Some(document) => self.put_payload(&key, document.as_bytes()),
                None => self.remove(&key),
            }
        }
    }

    /// Makes a part the piece and writes the note, at once; where the part holds much that is not in the
    /// piece, some of that goes first, and it is not done yet.
    fn copy(&mut self, piece: &Piece, note: &Note) -> Result<bool, Trouble> {
        if self.view.is_view(&piece.ns)? {
            return Err(Trouble::new(Fault::Occupied { what: format!("the view {}", piece.ns) }).because(IsView));
        }
        let mut contents = Contents::open(&self.view, &piece.ns)?;
        let kept: HashSet<_> = piece.documents.iter().map(Document::id).collect();
        let mut surplus = 0;
        if let Some(place) = contents.place().cloned() {
            for item in self.view.range(place.range(piece.after.as_ref(), piece.until.as_ref())) {
                let (key, bytes) = item?;
                let current = StoredDocument::new(piece.ns.as_str(), Key::of_bytes(&key), bytes)?;
                if !kept.contains(&current.document(piece.ns.as_str())?.id()) {
                    contents.remove(self, current);
                    surplus += 1;
                }
                if surplus == SURPLUS_STEP {
                    contents.close(self, &piece.ns)?;
                    return Ok(false);
                }
            }
        }
        for document in &piece.documents {
            let id = document.id();
            check_id::<E>(&piece.ns, &id, 0)?;
            let current = contents.current(self, &piece.ns, &id)?;
            contents.put(self, &id, current, document)?;
        }
        contents.close(self, &piece.ns)?;
        self.put_notes(std::slice::from_ref(note));
        Ok(true)
    }
}

impl<E: Engine> Writer<'_, E> {
    /// Makes one document what it is to be.
    fn mend(&mut self, ns: &Namespace, id: &DocId, document: Option<&Document>) -> Result<(), Trouble> {
        if document.is_some() && self.view.is_view(ns)? {
            return Err(Trouble::new(Fault::Occupied { what: format!("the view {ns}") }).because(IsView));
        }
        let mut contents = Contents::open(&self.view, ns)?;
        let current = contents.current(self, ns, id)?;
        match (document, current) {
            (Some(document), current) => {
                check_id::<E>(ns, id, 0)?;
                contents.put(self, id, current, document)?;
            }
            (None, Some(current)) => contents.remove(self, current),
            (None, None) => {}
        }
        contents.close(self, ns)
    }
}

impl<E: Engine> SyncTarget for EmbeddedStore<E> {
    async fn notes(&self) -> Result<Vec<Note>, StoreError> {
        self.blocking(Keyspace::notes).await
    }

    async fn put_notes(&self, notes: &[Note], owner: OwnerId) -> Result<(), StoreError> {
        let notes = notes.to_vec();
        self.blocking(move |keyspace| keyspace.put_notes(&notes, owner)).await
    }

    async fn wipe(&self, owner: OwnerId) -> Result<(), StoreError> {
        self.blocking(move |keyspace| keyspace.wipe(owner)).await
    }

    async fn run(&self, action: &Action, owner: OwnerId) -> Result<(), StoreError> {
        let action = action.clone();
        self.blocking(move |keyspace| keyspace.run(&action, owner)).await
    }

    async fn copy(&self, piece: &Piece, note: &Note, owner: OwnerId) -> Result<(), StoreError> {
        let (piece, note) = (piece.clone(), note.clone());
        self.blocking(move |keyspace| keyspace.copy(&piece, &note, owner)).await
    }

    async fn mend(
        &self,
        ns: &Namespace,
        id: &DocId,
        document: Option<&Document>,
        owner: OwnerId,
    ) -> Result<(), StoreError> {
        let (ns, id, document) = (ns.clone(), id.clone(), document.cloned());
        self.blocking(move |keyspace| keyspace.mend(&ns, &id, document.as_ref(), owner)).await
    }

    async fn begin_at(
        &self,
        checkpoint: Checkpoint,
        resume: &Resume,
        notes: &[Note],
        owner: OwnerId,
    ) -> Result<(), StoreError> {
        let (resume, notes) = (resume.clone(), notes.to_vec());
        self.blocking(move |keyspace| keyspace.begin_at(&checkpoint, &resume, &notes, owner)).await
    }
}
