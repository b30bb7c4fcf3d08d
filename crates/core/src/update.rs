//! Update operators, evaluated to a full post-image exactly as a real mongod does.

use bson::RawDocument;

use crate::{clock::OpTime, doc_id::DocId, document::Document};

/// A parsed update document, for example `{ $inc: { qty: 1 } }`.
#[derive(Debug, Clone)]
pub struct Update {}

/// Why an update is refused; code and name are those of MongoDB.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({name}, code {code})")]
pub struct UpdateError {
    /// MongoDB's error code.
    pub code: i32,
    /// MongoDB's name of the code.
    pub name: &'static str,
    /// What is wrong.
    pub message: String,
}

impl Update {
    /// Parses an update document.
    ///
    /// # Errors
    /// [`UpdateError`] as a mongod would answer; for an operator that is not supported, too.
    pub fn parse(_update: &RawDocument) -> Result<Self, UpdateError> {
        Err(UpdateError { code: 9, name: "FailedToParse", message: "being built".to_owned() })
    }

    /// The document after the update of `current`, or, with `None`, the document that an upsert by
    /// this id inserts. Equal bytes mean that nothing changed.
    ///
    /// # Errors
    /// [`UpdateError`] as a mongod would answer.
    pub fn evaluate(&self, _id: &DocId, _current: Option<&Document>, _now: OpTime) -> Result<Document, UpdateError> {
        Err(UpdateError { code: 9, name: "FailedToParse", message: "being built".to_owned() })
    }
}
