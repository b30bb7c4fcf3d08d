//! STUB, being replaced.
use bson::{RawDocumentBuf, oid::ObjectId};

use crate::{clock::OpTime, doc_id::DocId, document::Document, update::UpdateError};

/// STUB
///
/// # Errors
/// STUB
pub fn prepare_insert(raw: RawDocumentBuf, _new_id: ObjectId, _now: OpTime) -> Result<Document, UpdateError> {
    Document::new(raw).map_err(|e| UpdateError { code: 2, name: "BadValue", message: e.to_string() })
}

/// STUB
///
/// # Errors
/// STUB
pub fn prepare_replacement(
    raw: RawDocumentBuf,
    _id: &DocId,
    _current: Option<&Document>,
    _now: OpTime,
) -> Result<Document, UpdateError> {
    Document::new(raw).map_err(|e| UpdateError { code: 2, name: "BadValue", message: e.to_string() })
}
