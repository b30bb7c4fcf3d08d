//! [`SyncTarget`]: the trait of a store that documents can be copied into.

use std::future::Future;

use bson::RawDocumentBuf;

use crate::{
    checkpoint::{Checkpoint, Resume},
    command::Action,
    doc_id::DocId,
    document::Document,
    documents::Documents,
    ids::OwnerId,
    lease::Leases,
    namespace::Namespace,
    store_error::StoreError,
};

/// Something that an initial sync has to remember, in the target itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// Its name, unique.
    pub name: String,
    /// What it says; `None` takes it away.
    pub document: Option<RawDocumentBuf>,
}

/// Documents of a part of a collection, as they were at one moment at the source.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Where they go.
    pub ns: Namespace,
    /// The part begins behind this id; `None` is the beginning.
    pub after: Option<DocId>,
    /// The part ends with this id; `None` is the end.
    pub until: Option<DocId>,
    /// All documents of the part, in the order of their ids.
    pub documents: Vec<Document>,
    /// Whether the target is known to hold nothing in this part.
    pub is_fresh: bool,
}

impl Piece {
    /// Whether a document with this id belongs to the part.
    pub fn contains(&self, id: &DocId) -> bool {
        self.after.as_ref().is_none_or(|after| id > after) && self.until.as_ref().is_none_or(|until| id <= until)
    }
}

/// A store that documents can be copied into. Every method wants `owner` to hold the lease of the
/// documents, and is durable when it returns.
///
/// # To ensure correctness
/// Each method can be made again after it was cut off or its reply was lost, and leaves then what one
/// call would have left.
pub trait SyncTarget: Documents + Leases {
    /// All notes, in the order of their names.
    fn notes(&self) -> impl Future<Output = Result<Vec<Note>, StoreError>> + Send;

    /// Writes notes, in their order.
    fn put_notes(&self, notes: &[Note], owner: OwnerId) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes away all documents and collections, the checkpoint and what stands beside it. The notes stay,
    /// and so does the node's own log.
    fn wipe(&self, owner: OwnerId) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Changes collections or indexes, outside of any batch. It takes as long as it takes.
    fn run(&self, action: &Action, owner: OwnerId) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Makes the documents of a part those of the piece, and no others; then writes the note.
    ///
    /// # To ensure correctness
    /// - The note is never durable before the documents.
    fn copy(&self, piece: &Piece, note: &Note, owner: OwnerId) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Makes one document what it is to be, whatever is there now: puts `document`, or takes away the one with
    /// this id.
    ///
    /// # To ensure correctness
    /// - Nothing else changes but what is kept about it, as a digest: checkpoint, notes and stop stay, and so
    ///   does a batch that is [unfinished](Documents::unfinished).
    /// - A document whose id is equal, but has other bytes, is the one with this id.
    /// - No validator is asked: the source has taken the document. What the node does not take otherwise (a
    ///   unique index, a limit) is a failure of this document only: [`Fault::Unexpected`],
    ///   [`Fault::Rejected`] or [`Fault::Occupied`], and the document that was there stays.
    ///
    /// [`Fault::Unexpected`]: crate::store_error::Fault::Unexpected
    /// [`Fault::Rejected`]: crate::store_error::Fault::Rejected
    /// [`Fault::Occupied`]: crate::store_error::Fault::Occupied
    fn mend(
        &self,
        ns: &Namespace,
        id: &DocId,
        document: Option<&Document>,
        owner: OwnerId,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Sets the checkpoint of a target that was copied, or copied again in part, and writes notes.
    ///
    /// # To ensure correctness
    /// - The checkpoint is never durable before the notes.
    fn begin_at(
        &self,
        checkpoint: Checkpoint,
        resume: &Resume,
        notes: &[Note],
        owner: OwnerId,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
