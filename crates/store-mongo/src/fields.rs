//! [`Fields`]: reads our own documents strictly: a field that is missing, of a wrong type or
//! unknown is an error.

use bson::{RawBsonRef, RawDocument, Timestamp, spec::BinarySubtype};
use oplogsync_core::excerpt::excerpt;

/// More than any document of our own has. What has more is refused before its names are compared.
const FIELDS_MAX: usize = 16;

/// What is wrong with a document of our own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FieldError {
    #[error("field `{0}` is missing")]
    Missing(&'static str),
    #[error("field `{0}` has a wrong type")]
    Type(&'static str),
    #[error("field `{0}` is unknown")]
    Unknown(String),
    #[error("field `{0}` is there twice")]
    Twice(String),
    #[error("format version {0} is unknown")]
    Version(i64),
    #[error("it has more than {FIELDS_MAX} fields")]
    TooMany,
    #[error("the document is not valid BSON")]
    Malformed,
}

/// The fields of a document, taken out one by one.
pub(crate) struct Fields<'a> {
    open: Vec<(&'a str, RawBsonRef<'a>)>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(document: &'a RawDocument) -> Result<Self, FieldError> {
        let mut open: Vec<(&str, RawBsonRef<'_>)> = Vec::with_capacity(12);
        for field in document {
            let (name, value) = field.map_err(|_| FieldError::Malformed)?;
            let name = name.as_str();
            if open.iter().any(|(other, _)| *other == name) {
                return Err(FieldError::Twice(excerpt(name).into_owned()));
            }
            if open.len() == FIELDS_MAX {
                return Err(FieldError::TooMany);
            }
            open.push((name, value));
        }
        Ok(Self { open })
    }

    pub(crate) fn optional(&mut self, name: &'static str) -> Option<RawBsonRef<'a>> {
        let at = self.open.iter().position(|(other, _)| *other == name)?;
        Some(self.open.remove(at).1)
    }

    pub(crate) fn take(&mut self, name: &'static str) -> Result<RawBsonRef<'a>, FieldError> {
        self.optional(name).ok_or(FieldError::Missing(name))
    }

    /// The format version, which must be 1, as a 32-bit integer.
    pub(crate) fn version(&mut self) -> Result<(), FieldError> {
        let version = self.take("v")?;
        match version.as_i32() {
            Some(1) => Ok(()),
            Some(other) => Err(FieldError::Version(i64::from(other))),
            None => Err(FieldError::Type("v")),
        }
    }

    /// A 64-bit integer that is not negative.
    pub(crate) fn count(&mut self, name: &'static str) -> Result<u64, FieldError> {
        let value = self.take(name)?.as_i64().ok_or(FieldError::Type(name))?;
        u64::try_from(value).map_err(|_| FieldError::Type(name))
    }

    pub(crate) fn timestamp(&mut self, name: &'static str) -> Result<Timestamp, FieldError> {
        self.take(name)?.as_timestamp().ok_or(FieldError::Type(name))
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Result<&'a str, FieldError> {
        self.take(name)?.as_str().ok_or(FieldError::Type(name))
    }

    pub(crate) fn boolean(&mut self, name: &'static str) -> Result<bool, FieldError> {
        self.take(name)?.as_bool().ok_or(FieldError::Type(name))
    }

    pub(crate) fn document(&mut self, name: &'static str) -> Result<&'a RawDocument, FieldError> {
        self.take(name)?.as_document().ok_or(FieldError::Type(name))
    }

    pub(crate) fn optional_document(&mut self, name: &'static str) -> Result<Option<&'a RawDocument>, FieldError> {
        match self.optional(name) {
            None => Ok(None),
            Some(value) => value.as_document().map(Some).ok_or(FieldError::Type(name)),
        }
    }

    /// 16 bytes of generic binary.
    pub(crate) fn bytes16(&mut self, name: &'static str) -> Result<[u8; 16], FieldError> {
        match self.take(name)? {
            RawBsonRef::Binary(binary) if binary.subtype == BinarySubtype::Generic => {
                binary.bytes.try_into().map_err(|_| FieldError::Type(name))
            }
            _ => Err(FieldError::Type(name)),
        }
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Result<(), FieldError> {
        match self.open.first() {
            None => Ok(()),
            Some((name, _)) => Err(FieldError::Unknown(excerpt(name).into_owned())),
        }
    }
}
