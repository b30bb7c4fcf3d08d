//! [`Document`]: a BSON document that a node may hold, checked once, kept as raw bytes.

use std::{fmt, sync::Arc};

use bson::{RawDocument, RawDocumentBuf};

use crate::{
    doc_id::{DocId, DocIdError},
    element::{Elements, RawValue},
    excerpt::EXCERPT_BYTES_MAX,
    limits::{DOCUMENT_BYTES_MAX, DOCUMENT_DEPTH_MAX},
    prepare::id_first,
    raw_check,
};

/// A document with its `_id` as the first field, as a server stores it.
///
/// Validated, all of it, without recursion: sizes, lengths, UTF-8, depth (at most
/// [`DOCUMENT_DEPTH_MAX`]), total size (at most [`DOCUMENT_BYTES_MAX`]) and the `_id`.
///
/// Cheap to clone: clones share the bytes.
#[derive(Clone, PartialEq)]
pub struct Document(Arc<[u8]>);

/// Why bytes are not a [`Document`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// More bytes than a document may have.
    #[error("the document has {bytes} bytes; at most {DOCUMENT_BYTES_MAX} can be replicated: split it")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Nested too deeply.
    #[error("the document is nested deeper than {DOCUMENT_DEPTH_MAX} levels: flatten it")]
    TooDeep,
    /// Not BSON.
    #[error("the bytes are not valid BSON at offset {offset}: {what}")]
    Malformed {
        /// Where.
        offset: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// The `_id` is missing or not the first field.
    #[error("the document does not start with its `_id`")]
    IdNotFirst,
    /// There are two fields `_id`.
    #[error("the document has two fields `_id`")]
    IdTwice,
    /// The `_id` is of a type that no `_id` may have.
    #[error(transparent)]
    Id(#[from] DocIdError),
}

impl Document {
    /// Checks raw bytes that were stored or sent by someone.
    ///
    /// # Errors
    /// [`DocumentError`] says what is wrong with them.
    #[expect(clippy::needless_pass_by_value, reason = "most callers have made it for this")]
    pub fn new(raw: RawDocumentBuf) -> Result<Self, DocumentError> {
        Self::from_bytes(raw.as_bytes())
    }

    /// [`Document::new`] on bytes that are not yet known to be framed as a document.
    ///
    /// # Errors
    /// As for [`Document::new`].
    pub fn from_bytes(bytes: impl AsRef<[u8]>) -> Result<Self, DocumentError> {
        let bytes = bytes.as_ref();
        Self::check(bytes)?;
        Ok(Self(bytes.into()))
    }

    /// Checks bytes as [`Document::from_bytes`] does, and gives their `_id`, without a copy.
    pub(crate) fn check(bytes: &[u8]) -> Result<RawValue<'_>, DocumentError> {
        let ids = raw_check::count_ids(bytes)?;
        let id = Elements::new(bytes).next().filter(|field| field.name == "_id").ok_or(DocumentError::IdNotFirst)?;
        DocId::check_type(id.value.kind)?;
        DocId::check_names(id.value)?;
        if ids > 1 {
            return Err(DocumentError::IdTwice);
        }
        Ok(id.value)
    }

    /// [`Document::new`] on a document whose `_id` may be anywhere: it is moved to the front, as a server does when
    /// it stores what a pipeline has made.
    ///
    /// # Errors
    /// As for [`Document::new`]; [`DocumentError::IdNotFirst`] when there is no `_id`.
    pub fn with_id_first(raw: &RawDocument) -> Result<Self, DocumentError> {
        raw_check::check(raw.as_bytes())?;
        let mut ids = Elements::of(raw).filter(|field| field.name == "_id");
        let id = ids.next().ok_or(DocumentError::IdNotFirst)?;
        if ids.next().is_some() {
            return Err(DocumentError::IdTwice);
        }
        Self::from_bytes(id_first(raw.to_owned(), id.value))
    }

    /// The document's `_id`.
    pub fn id(&self) -> DocId {
        self.id_with(&mut Vec::new())
    }

    /// The same with memory that was used before, for those who ask many documents.
    #[expect(clippy::expect_used, reason = "checked by the constructor")]
    pub(crate) fn id_with(&self, scratch: &mut Vec<u8>) -> DocId {
        DocId::of_checked(Elements::new(&self.0).next().expect("a document has an _id").value, scratch)
    }

    /// The raw document.
    #[expect(clippy::missing_panics_doc, clippy::expect_used, reason = "checked by the constructor")]
    pub fn as_raw(&self) -> &RawDocument {
        RawDocument::from_bytes(&self.0).expect("a document is framed")
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A copy of the raw document.
    #[expect(clippy::missing_panics_doc, clippy::expect_used, reason = "checked by the constructor")]
    pub fn into_raw(self) -> RawDocumentBuf {
        RawDocumentBuf::from_bytes(self.0.to_vec()).expect("a document is framed")
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.as_bytes().len() <= 4 * EXCERPT_BYTES_MAX {
            return fmt::Debug::fmt(self.as_raw(), f);
        }
        write!(f, "Document({} bytes)", self.as_bytes().len())
    }
}

#[cfg(test)]
mod tests {
    use bson::{doc, rawdoc};

    use super::*;

    #[test]
    fn an_id_is_moved_to_the_front_and_nothing_else_moves() {
        let moved = Document::with_id_first(&rawdoc! { "front": 1, "a": { "_id": 2 }, "_id": "x", "z": 1 }).unwrap();
        assert_eq!(moved.as_raw(), &*rawdoc! { "_id": "x", "front": 1, "a": { "_id": 2 }, "z": 1 });
        let there = rawdoc! { "_id": 1, "a": 1 };
        assert_eq!(Document::with_id_first(&there).unwrap().into_raw(), there);
    }

    #[test]
    fn a_document_with_no_id_or_with_two_is_refused_wherever_they_are() {
        assert_eq!(Document::with_id_first(&rawdoc! { "a": 1 }), Err(DocumentError::IdNotFirst));
        let mut twice = bson::serialize_to_raw_document_buf(&doc! { "a": 1, "_id": 2 }).unwrap();
        twice.append(bson::raw::cstr!("_id"), 3);
        assert_eq!(Document::with_id_first(&twice), Err(DocumentError::IdTwice));
    }
}
