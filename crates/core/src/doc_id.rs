//! [`DocId`]: the `_id` of a document, which orders and equates as in MongoDB.

use std::{cmp::Ordering, fmt, hash};

use bson::{RawBson, RawBsonRef, RawDocumentBuf, raw::cstr, spec::ElementType};

/// The `_id` of a document.
///
/// Two ids are equal when MongoDB's `_id` index calls them equal (`1`, `1L` and `1.0` are one
/// id), and they order as that index orders them. The value keeps the type that it was given.
#[derive(Clone)]
pub struct DocId {
    value: RawBson,
    key: Box<[u8]>,
}

/// Why a value is no [`DocId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an `_id` cannot be {what}: MongoDB refuses it too")]
pub struct DocIdError {
    what: &'static str,
}

impl DocId {
    /// Takes a value as an id.
    ///
    /// # Errors
    /// [`DocIdError`] for an array, a regular expression or undefined, which MongoDB refuses as well.
    pub fn new(value: RawBson) -> Result<Self, DocIdError> {
        Self::check_type(value.element_type())?;
        let key = encode_key(value.as_raw_bson_ref());
        Ok(Self { value, key })
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

    /// The value as it was given.
    pub fn value(&self) -> RawBsonRef<'_> {
        self.value.as_raw_bson_ref()
    }

    /// The document `{ _id: <value> }`, which keeps the value's type.
    pub fn to_raw_document(&self) -> RawDocumentBuf {
        let mut document = RawDocumentBuf::new();
        document.append(cstr!("_id"), self.value());
        document
    }

    /// The bytes that compare as ids do: equal for equal ids, and in MongoDB's order.
    pub fn key(&self) -> &[u8] {
        &self.key
    }
}

// STUB, being replaced.
fn encode_key(value: RawBsonRef<'_>) -> Box<[u8]> {
    let mut doc = RawDocumentBuf::new();
    doc.append(cstr!(""), value);
    doc.into_bytes().into()
}

impl PartialEq for DocId {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
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
        self.key.cmp(&other.key)
    }
}

impl hash::Hash for DocId {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl fmt::Debug for DocId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.value, f)
    }
}

impl fmt::Display for DocId {
    /// As relaxed extended JSON where that is short and plain, for messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            RawBson::ObjectId(oid) => write!(f, "ObjectId('{oid}')"),
            RawBson::String(text) => write!(f, "{text:?}"),
            RawBson::Int32(number) => write!(f, "{number}"),
            RawBson::Int64(number) => write!(f, "{number}"),
            RawBson::Double(number) => write!(f, "{number:?}"),
            other => write!(f, "{other:?}"),
        }
    }
}
