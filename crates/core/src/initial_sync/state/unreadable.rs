//! [`StateError`]: a note of an initial sync that cannot be read.

use crate::{catalog::CatalogError, doc_id::DocIdError, document::DocumentError, namespace::NamespaceError};

/// A note that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "the note `{note}` of an initial sync cannot be read: sync the node anew with `oplogsync resync NODE --confirm NODE`"
)]
pub struct StateError {
    /// Its name.
    pub note: String,
    /// Why not.
    pub source: Unreadable,
}

/// Why a note cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// Its form is not that of this version.
    #[error("its form is not known to this version")]
    Form(#[from] bson::error::Error),
    /// It was written by another version.
    #[error("it was written by another version of oplogsync, in form {0}")]
    Version(i32),
    /// It is damaged.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// It names no namespace.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// It names no id.
    #[error(transparent)]
    Id(#[from] DocIdError),
    /// It describes no collection.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// It says what cannot be.
    #[error("what it says cannot be")]
    Impossible,
    /// It does not belong to the others.
    #[error("it does not belong to the other notes")]
    Stray,
}
