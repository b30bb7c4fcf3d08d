//! [`Misfit`]: a diff that was made for another document.

use bson::spec::ElementType;

use crate::document::DocumentError;

/// Why a diff cannot be applied to a document: the document is not the one that the diff was made
/// for. Paths are shortened if they are long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misfit {
    /// The diff goes into something that is not there.
    #[error("the diff changes what is in {path:?}, which the document does not have")]
    Missing {
        /// Which field or item.
        path: String,
    },
    /// The diff goes into a document where there is none, or into an array where there is none.
    #[error("the diff changes what is in {path:?}, and takes it for {wanted:?}; in the document it is {found:?}")]
    OtherType {
        /// Which field or item.
        path: String,
        /// What the diff was made for: a document or an array.
        wanted: ElementType,
        /// What is there.
        found: ElementType,
    },
    /// The document has the field twice. A mongod's update changes the first of them, and its
    /// secondaries change all: nobody can say which document is the right one.
    #[error("the diff changes {path:?}, which the document has more than once: rename one of them at the source")]
    Ambiguous {
        /// Which field.
        path: String,
    },
    /// The document would get an `_id` that is not equal to its own.
    #[error("the diff changes the `_id` of the document")]
    OtherId,
    /// The result is no document that can be stored.
    #[error("what the diff makes of the document cannot be stored")]
    Result(#[from] DocumentError),
}
