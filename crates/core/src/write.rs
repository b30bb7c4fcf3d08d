//! [`Write`]: what a caller asks a primary to do, and what came of it.

use bson::RawDocumentBuf;

use crate::{clock::OpTime, doc_id::DocId, ids::OpId, namespace::Namespace, position::Position};

/// One write on one document.
#[derive(Debug, Clone)]
pub enum Write {
    /// Insert a document; without an `_id` it gets an `ObjectId`.
    Insert {
        /// Where.
        ns: Namespace,
        /// The document.
        document: RawDocumentBuf,
    },
    /// Replace the document with this id.
    Replace {
        /// Where.
        ns: Namespace,
        /// Which.
        id: DocId,
        /// The new content, with the same `_id` or none.
        document: RawDocumentBuf,
        /// Whether to insert it if there is none.
        upsert: bool,
    },
    /// Update the document with this id by update operators.
    Update {
        /// Where.
        ns: Namespace,
        /// Which.
        id: DocId,
        /// The operators, for example `{ $inc: { qty: 1 } }`.
        update: RawDocumentBuf,
        /// Whether to insert what the operators make of an empty document if there is none.
        upsert: bool,
    },
    /// Delete the document with this id.
    Delete {
        /// Where.
        ns: Namespace,
        /// Which.
        id: DocId,
    },
}

/// What came of a write that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The id of the document; `None` for a command, which concerns none.
    pub id: Option<DocId>,
    /// What happened.
    pub outcome: Outcome,
    /// Under which operation id it can be retried.
    pub op_id: OpId,
    /// The entry that records it; `None` when nothing changed, so that there is none.
    pub entry: Option<(Position, OpTime)>,
}

/// What happened to the document of a write, or to what a command concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is new, by an insert or an upsert.
    Inserted,
    /// It has a new content.
    Updated,
    /// It is there and already was what the write asked for.
    Unchanged,
    /// It is gone.
    Deleted,
    /// There is no such document.
    NotFound,
    /// A command was carried out.
    Ran,
    /// The write stands in the log already, from an earlier try under the same operation id.
    Repeated,
}

impl Write {
    /// Where it writes.
    pub fn namespace(&self) -> &Namespace {
        match self {
            Self::Insert { ns, .. } | Self::Replace { ns, .. } | Self::Update { ns, .. } | Self::Delete { ns, .. } => {
                ns
            }
        }
    }

    /// The size of what it carries.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Insert { document, .. } | Self::Replace { document, .. } => document.as_bytes().len(),
            Self::Update { update, .. } => update.as_bytes().len(),
            Self::Delete { .. } => 0,
        }
    }
}
