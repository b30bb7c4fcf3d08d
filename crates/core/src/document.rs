//! [`Document`]: a BSON document that a node may hold, checked once, kept as raw bytes.

use std::fmt;

use bson::{RawDocument, RawDocumentBuf};

use crate::{
    doc_id::{DocId, DocIdError},
    element::Elements,
    excerpt::EXCERPT_BYTES_MAX,
    limits::{DOCUMENT_BYTES_MAX, DOCUMENT_DEPTH_MAX},
    prepare::id_first,
    raw_check,
};

/// A document with its `_id` as the first field, as a server stores it.
///
/// Validated, all of it, without recursion: sizes, lengths, UTF-8, depth (at most
/// [`DOCUMENT_DEPTH_MAX`]), total size (at most [`DOCUMENT_BYTES_MAX`]) and the `_id`.
#[derive(Clone, PartialEq)]
pub struct Document(RawDocumentBuf);

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
    pub fn new(raw: RawDocumentBuf) -> Result<Self, DocumentError> {
        raw_check::check(raw.as_bytes())?;
        let mut fields = Elements::of(&raw);
        let id = fields.next().filter(|field| field.name == "_id").ok_or(DocumentError::IdNotFirst)?;
        DocId::check_type(id.value.kind)?;
        DocId::check_names(id.value)?;
        if fields.any(|field| field.name == "_id") {
            return Err(DocumentError::IdTwice);
        }
        Ok(Self(raw))
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

    /// [`Document::new`] on bytes that are not yet known to be framed as a document.
    ///
    /// # Errors
    /// As for [`Document::new`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, DocumentError> {
        let raw = RawDocumentBuf::from_bytes(bytes)
            .map_err(|_| DocumentError::Malformed { offset: 0, what: "the length does not frame the bytes" })?;
        Self::new(raw)
    }

    /// The document's `_id`.
    #[expect(clippy::missing_panics_doc, clippy::expect_used, reason = "checked by the constructor")]
    pub fn id(&self) -> DocId {
        let field = self.0.iter_elements().next().and_then(Result::ok).expect("a document has an _id");
        let value = field.value().expect("a document's _id was checked");
        DocId::new(value.into()).expect("a document's _id was checked")
    }

    /// The raw document.
    pub fn as_raw(&self) -> &RawDocument {
        &self.0
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The raw document, by value.
    pub fn into_raw(self) -> RawDocumentBuf {
        self.0
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.as_bytes().len() <= 4 * EXCERPT_BYTES_MAX {
            return fmt::Debug::fmt(&self.0, f);
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
