//! [`Documents`]: the trait of a store that holds documents and the checkpoint up to which they
//! are the fold of a log.

use std::future::Future;

use crate::{
    batch::Batch,
    catalog::Collection,
    checkpoint::{Checkpoint, Resume, Stop},
    digest::NamespaceDigest,
    doc_id::DocId,
    document::Document,
    ids::OwnerId,
    limits::Limits,
    namespace::Namespace,
    store_error::StoreError,
};

/// What an apply did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Documents inserted, replaced or deleted.
    pub changed: u64,
    /// Changes that were found to be applied already, by a run that was cut off.
    pub repeated: u64,
}

/// About how large a collection is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Documents.
    pub documents: u64,
    /// Bytes of documents; zero where that is not known.
    pub bytes: u64,
}

impl Size {
    /// Adds another one.
    pub(crate) fn add(&mut self, more: Self) {
        self.documents = self.documents.saturating_add(more.documents);
        self.bytes = self.bytes.saturating_add(more.bytes);
    }
}

/// The documents of a node, and how far they have come.
pub trait Documents: Send + Sync {
    /// How much it should be given at once at most, in entries or copied documents: it may need memory for each that
    /// their bytes do not tell, or many times their bytes. More is taken all the same.
    fn batch_max(&self) -> Limits {
        Limits::NONE
    }

    /// The documents with these ids, in the same order; `None` for one that does not exist.
    fn get(
        &self,
        ns: &Namespace,
        ids: &[DocId],
    ) -> impl Future<Output = Result<Vec<Option<Document>>, StoreError>> + Send;

    /// Documents in the order of their ids, those after `after` (from the start if `None`),
    /// within `limits` (at least one if there is one).
    fn scan(
        &self,
        ns: &Namespace,
        after: Option<&DocId>,
        limits: Limits,
    ) -> impl Future<Output = Result<Vec<Document>, StoreError>> + Send;

    /// All namespaces that hold at least one document, in order. Those that are never replicated
    /// (see [`Namespace`]) are left out.
    fn namespaces(&self) -> impl Future<Output = Result<Vec<Namespace>, StoreError>> + Send;

    /// All collections and views with their options and indexes, in the order of their names. Those that
    /// are never replicated are left out; one that is as its first document has made it may be.
    fn collections(&self) -> impl Future<Output = Result<Vec<Collection>, StoreError>> + Send;

    /// About how large a collection is, without a look at its documents; nothing when it is not there.
    fn size(&self, ns: &Namespace) -> impl Future<Output = Result<Size, StoreError>> + Send;

    /// The digest of the documents that a namespace holds, kept or computed.
    fn digest(&self, ns: &Namespace) -> impl Future<Output = Result<NamespaceDigest, StoreError>> + Send;

    /// The checkpoint; `None` when nothing was ever applied.
    fn checkpoint(&self) -> impl Future<Output = Result<Option<Checkpoint>, StoreError>> + Send;

    /// What stands beside the checkpoint; the default when nothing does.
    fn resume(&self) -> impl Future<Output = Result<Resume, StoreError>> + Send;

    /// Applies a batch and moves the checkpoint, with what stands beside it, to its last entry.
    ///
    /// # To ensure correctness
    /// - Before anything is written: the stored checkpoint is the batch's `log` and `after` (no
    ///   checkpoint counts as [`Entry::origin`](crate::entry::Entry::origin) of that log), else
    ///   [`Fault::CheckpointMoved`](crate::store_error::Fault); `owner` holds the lease
    ///   [`LeaseName::Documents`](crate::lease::LeaseName), else
    ///   [`Fault::Busy`](crate::store_error::Fault). Both are checked again, atomically, where
    ///   the checkpoint is written.
    /// - The checkpoint is durable only together with the data or after it. After `Ok` both are.
    /// - Every change finds what it needs ([`Change::before`](crate::batch::Change)), else
    ///   [`Fault::Drift`](crate::store_error::Fault), and the checkpoint stays. In a store that
    ///   writes data and checkpoint as one, nothing else has changed then either.
    /// - A store that cannot write them as one remembers durably, before the data, up to which
    ///   index it is about to write: see [`Documents::unfinished`]. It applies such a window again
    ///   as strictly as the repetition allows: a document to insert may be there if it is byte
    ///   for byte the one to insert, one to delete may be gone; anything else is drift as ever.
    /// - A patch is applied to the document as it was before the batch, also when a window is applied
    ///   again; one that does not fit is [`Fault::Misfit`](crate::store_error::Fault).
    /// - A batch with a [command](Batch::command) runs it; each can be run again. What it makes of
    ///   documents and collections, another read finds: [`Documents::collections`], [`Documents::scan`].
    ///   A rename onto what is there and may not go (a collection without documents, options and indexes
    ///   may), and a view in the place of a collection with documents, are
    ///   [`Fault::Occupied`](crate::store_error::Fault).
    /// - A view has no documents: a batch that puts some into one is refused.
    /// - An earlier [`Stop`] is forgotten when the checkpoint moves.
    fn apply(&self, batch: &Batch, owner: OwnerId) -> impl Future<Output = Result<Applied, StoreError>> + Send;

    /// The index of the last entry of a batch that was begun and perhaps written in part; `None`
    /// when the documents are exactly the fold of the log up to the checkpoint, as they always
    /// are in a store that writes data and checkpoint as one.
    ///
    /// The next batch must end exactly there, so that its final images are those of the first
    /// try. For another one the target has moved, [`Fault::CheckpointMoved`](crate::store_error::Fault):
    /// the note of a try that was given up may arrive late, and has to be read again then.
    fn unfinished(&self) -> impl Future<Output = Result<Option<u64>, StoreError>> + Send;

    /// Why the target has stopped, if it has.
    fn stop(&self) -> impl Future<Output = Result<Option<Stop>, StoreError>> + Send;

    /// Remembers durably that the target has stopped and why. Creates no checkpoint.
    fn set_stop(&self, stop: &Stop) -> impl Future<Output = Result<(), StoreError>> + Send;
}
