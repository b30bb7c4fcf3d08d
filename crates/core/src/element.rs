//! [`Element`] and [`RawValue`]: fields and values of a checked document, as raw bytes.
//!
//! They keep every type as it is stored, byte for byte, deprecated types and repeated names too.

use bson::{RawDocument, spec::ElementType};

/// One field of a document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: RawValue<'a>,
}

/// One value: its type and its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawValue<'a> {
    pub(crate) kind: ElementType,
    pub(crate) bytes: &'a [u8],
}

/// A [`RawValue`] that owns its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawValueBuf {
    kind: ElementType,
    bytes: Box<[u8]>,
}

impl Element<'_> {
    /// Appends the field to the content of a document.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        out.push(self.value.kind as u8);
        out.extend_from_slice(self.name.as_bytes());
        out.push(0);
        out.extend_from_slice(self.value.bytes);
    }
}

impl RawValueBuf {
    pub(crate) fn as_raw(&self) -> RawValue<'_> {
        RawValue { kind: self.kind, bytes: &self.bytes }
    }
}

impl From<RawValue<'_>> for RawValueBuf {
    fn from(raw: RawValue<'_>) -> Self {
        Self { kind: raw.kind, bytes: raw.bytes.into() }
    }
}

/// The fields of a document that `raw_check` has passed. Of other bytes, those before the damage.
#[derive(Debug, Clone)]
pub(crate) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    pub(crate) fn new(document: &'a [u8]) -> Self {
        Self { rest: document.get(4..).unwrap_or_default() }
    }

    pub(crate) fn of(document: &'a RawDocument) -> Self {
        Self::new(document.as_bytes())
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let (tag, rest) = self.rest.split_first()?;
        let kind = ElementType::from(*tag)?;
        let (name, rest) = split_c_string(rest)?;
        let (bytes, rest) = rest.split_at_checked(length(kind, rest)?)?;
        self.rest = rest;
        Some(Element { name, value: RawValue { kind, bytes } })
    }
}

impl<'a> RawValue<'a> {
    /// The fields, if it is a document or an array.
    pub(crate) fn elements(self) -> Elements<'a> {
        let container = matches!(self.kind, ElementType::EmbeddedDocument | ElementType::Array);
        Elements::new(if container { self.bytes } else { &[] })
    }

    /// The text, if it is a string, a symbol or code.
    pub(crate) fn text(self) -> &'a [u8] {
        match self.kind {
            ElementType::String | ElementType::Symbol | ElementType::JavaScriptCode => text(self.bytes),
            _ => &[],
        }
    }
}

/// The text of a string value, which stands behind its length and before a NUL.
pub(crate) fn text(bytes: &[u8]) -> &[u8] {
    let end = 4 + prefix(bytes).unwrap_or_default().saturating_sub(1);
    bytes.get(4..end).unwrap_or_default()
}

/// Splits a NUL-terminated text off the front.
pub(crate) fn split_c_string(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let (name, rest) = bytes.split_at_checked(end)?;
    Some((std::str::from_utf8(name).ok()?, rest.get(1..)?))
}

/// Appends a document or array: its length, what `content` appends, and its end.
pub(crate) fn framed<R>(out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let start = out.len();
    out.extend([0; 4]);
    let result = content(out);
    out.push(0);
    let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    out.iter_mut().skip(start).zip(length.to_le_bytes()).for_each(|(byte, of_length)| *byte = of_length);
    result
}

/// The length that stands in front of some values.
fn prefix(bytes: &[u8]) -> Option<usize> {
    bytes.first_chunk().and_then(|four| usize::try_from(i32::from_le_bytes(*four)).ok())
}

/// How many bytes the value at the front of `rest` has.
fn length(kind: ElementType, rest: &[u8]) -> Option<usize> {
    Some(match kind {
        ElementType::Double | ElementType::DateTime | ElementType::Timestamp | ElementType::Int64 => 8,
        ElementType::String | ElementType::JavaScriptCode | ElementType::Symbol => 4 + prefix(rest)?,
        ElementType::EmbeddedDocument | ElementType::Array | ElementType::JavaScriptCodeWithScope => prefix(rest)?,
        ElementType::Binary => 5 + prefix(rest)?,
        ElementType::Undefined | ElementType::Null | ElementType::MaxKey | ElementType::MinKey => 0,
        ElementType::ObjectId => 12,
        ElementType::Boolean => 1,
        ElementType::RegularExpression => {
            let (_, options) = split_c_string(rest)?;
            let (_, after) = split_c_string(options)?;
            rest.len() - after.len()
        }
        ElementType::DbPointer => 4 + prefix(rest)? + 12,
        ElementType::Int32 => 4,
        ElementType::Decimal128 => 16,
    })
}
