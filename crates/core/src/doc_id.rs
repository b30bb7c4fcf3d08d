//! [`DocId`]: the `_id` of a document, which orders and equates as in MongoDB.

use std::{cmp::Ordering, fmt, hash, sync::Arc};

use bson::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf, raw::cstr, spec::ElementType};

use crate::{
    document::{Document, DocumentError},
    element::{Element, Elements, RawValue, framed},
    excerpt::{EXCERPT_BYTES_MAX, excerpt},
    raw_check, sort_key,
};

/// The `_id` of a document.
///
/// Two ids are equal when MongoDB's `_id` index calls them equal (`1`, `1L` and `1.0` are one
/// id), and they order as that index orders them. The value keeps the type that it was given.
///
/// Cheap to clone: an id can have megabytes.
#[derive(Clone)]
pub struct DocId {
    /// The document `{ _id: <value> }`, and behind it the key.
    bytes: Arc<[u8]>,
    key_at: usize,
}

/// Why a value is no [`DocId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an `_id` cannot be {what}: MongoDB refuses it too")]
pub struct DocIdError {
    what: &'static str,
}

/// How many fields at its start make a document a reference to another one. What its `$id` holds a
/// mongod does not look at.
fn reference_fields(value: RawValue<'_>) -> usize {
    let is_text = |field: &Element<'_>, name: &str| field.name == name && field.value.kind == ElementType::String;
    let mut fields = value.elements();
    match (fields.next(), fields.next()) {
        (Some(reference), Some(id)) if is_text(&reference, "$ref") && id.name == "$id" => {
            2 + usize::from(fields.next().is_some_and(|database| is_text(&database, "$db")))
        }
        _ => 0,
    }
}

impl DocId {
    /// Takes a value as an id.
    ///
    /// # Errors
    /// [`DocIdError`] for an array, a regular expression, undefined and a document with a name that
    /// starts with `$`, which MongoDB refuses as well, and for a document that no document could hold.
    pub fn new(value: RawBson) -> Result<Self, DocIdError> {
        Self::check_type(value.element_type())?;
        let is_nested = matches!(value, RawBson::Document(_) | RawBson::JavaScriptCodeWithScope(_));
        let mut framed = RawDocumentBuf::new();
        framed.append(cstr!("_id"), value);
        if is_nested {
            raw_check::check(framed.as_bytes()).map_err(|error| DocIdError {
                what: match error {
                    DocumentError::TooDeep => "nested deeper than 99 levels",
                    DocumentError::TooLarge { .. } => "larger than a document",
                    _ => "malformed BSON",
                },
            })?;
        }
        let element = Elements::of(&framed).next().ok_or(DocIdError { what: "malformed BSON" })?;
        Self::check_names(element.value)?;
        Ok(Self::of_checked(element.value, &mut Vec::new()))
    }

    /// The `_id` of a document, which is checked, and not copied: an id can have megabytes.
    ///
    /// # Errors
    /// [`DocumentError`] says what is wrong with the document.
    pub fn of_document(raw: &RawDocument) -> Result<Self, DocumentError> {
        Ok(Self::of_checked(Document::check(raw.as_bytes())?, &mut Vec::new()))
    }

    /// Takes a value that is known to be an id; it is put together in `scratch`.
    pub(crate) fn of_checked(value: RawValue<'_>, scratch: &mut Vec<u8>) -> Self {
        const AROUND: usize = 18;
        scratch.clear();
        // An id can have megabytes, of which there is to be no more than there has to be.
        scratch.reserve_exact(2 * value.bytes.len() + AROUND);
        framed(scratch, |out| Element { name: "_id", value }.write(out));
        let key_at = scratch.len();
        sort_key::append(value, scratch);
        Self { bytes: scratch.as_slice().into(), key_at }
    }

    /// Whether a value of this type may be an id.
    ///
    /// # Errors
    /// As for [`DocId::new`].
    pub fn check_type(element: ElementType) -> Result<(), DocIdError> {
        match element {
            ElementType::Array => Err(DocIdError { what: "an array" }),
            ElementType::RegularExpression => Err(DocIdError { what: "a regular expression" }),
            ElementType::Undefined => Err(DocIdError { what: "undefined" }),
            _ => Ok(()),
        }
    }

    /// Refuses a document that an `_id` cannot be because a query would take it for operators: one
    /// with a name that starts with `$` at any level, but for those of a reference (`$ref`, `$id`,
    /// `$db`), as a mongod does.
    pub(crate) fn check_names(value: RawValue<'_>) -> Result<(), DocIdError> {
        if value.kind != ElementType::EmbeddedDocument {
            return Ok(());
        }
        let mut open = vec![value];
        while let Some(value) = open.pop() {
            for field in value.elements().skip(reference_fields(value)) {
                if field.name.starts_with('$') {
                    return Err(DocIdError { what: "a document with a name that starts with `$`" });
                }
                if matches!(field.value.kind, ElementType::EmbeddedDocument | ElementType::Array) {
                    open.push(field.value);
                }
            }
        }
        Ok(())
    }

    /// The value as it was given.
    #[expect(clippy::missing_panics_doc, clippy::expect_used, reason = "checked by the constructor")]
    pub fn value(&self) -> RawBsonRef<'_> {
        let field = self.as_raw_document().iter_elements().next().and_then(Result::ok).expect("an id has a value");
        field.value().expect("the value of an id was checked")
    }

    /// The document `{ _id: <value> }`, which keeps the value's type.
    #[expect(clippy::missing_panics_doc, clippy::expect_used, reason = "made by the constructor")]
    pub fn as_raw_document(&self) -> &RawDocument {
        let bytes = self.bytes.get(..self.key_at).unwrap_or_default();
        RawDocument::from_bytes(bytes).expect("an id is kept in a document")
    }

    /// [`DocId::as_raw_document`], by value.
    pub fn to_raw_document(&self) -> RawDocumentBuf {
        self.as_raw_document().to_owned()
    }

    /// The bytes that compare as ids do: equal for equal ids, and in MongoDB's order.
    pub fn key(&self) -> &[u8] {
        self.bytes.get(self.key_at..).unwrap_or_default()
    }
}

impl PartialEq for DocId {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for DocId {}

impl PartialOrd for DocId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DocId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(other.key())
    }
}

impl hash::Hash for DocId {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Debug for DocId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for DocId {
    /// As relaxed extended JSON where that is short and plain, for messages. Always short.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value() {
            RawBsonRef::ObjectId(oid) => write!(f, "ObjectId('{oid}')"),
            RawBsonRef::String(text) => write!(f, "{:?}", excerpt(text)),
            RawBsonRef::Int32(number) => write!(f, "{number}"),
            RawBsonRef::Int64(number) => write!(f, "{number}"),
            RawBsonRef::Double(number) => write!(f, "{number:?}"),
            other if self.key().len() <= EXCERPT_BYTES_MAX => write!(f, "{other:?}"),
            other => write!(f, "{:?} of {} bytes", other.element_type(), self.key().len()),
        }
    }
}

#[cfg(test)]
mod tests;
