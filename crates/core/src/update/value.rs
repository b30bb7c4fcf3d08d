//! [`Value`]: a value under evaluation, taken apart only where an operator reaches into it.

use std::borrow::Cow;

use bson::spec::ElementType;

use crate::{
    clock::OpTime,
    element::{Elements, RawValue, RawValueBuf, framed},
    sort_key,
};

/// A value that can be changed. What is never opened keeps its bytes.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Raw { kind: ElementType, bytes: Cow<'a, [u8]> },
    Document(Vec<(Cow<'a, str>, Value<'a>)>),
    Array(Vec<Value<'a>>),
}

impl<'a> Value<'a> {
    pub(super) const NULL: Self = Self::Raw { kind: ElementType::Null, bytes: Cow::Borrowed(&[]) };

    pub(super) fn borrowed(raw: RawValue<'a>) -> Self {
        Self::Raw { kind: raw.kind, bytes: Cow::Borrowed(raw.bytes) }
    }

    pub(super) fn owned(kind: ElementType, bytes: impl Into<Vec<u8>>) -> Self {
        Self::Raw { kind, bytes: Cow::Owned(bytes.into()) }
    }

    pub(super) fn timestamp(at: OpTime) -> Self {
        Self::owned(ElementType::Timestamp, at.to_bson_bytes())
    }

    pub(super) fn kind(&self) -> ElementType {
        match self {
            Self::Raw { kind, .. } => *kind,
            Self::Document(_) => ElementType::EmbeddedDocument,
            Self::Array(_) => ElementType::Array,
        }
    }

    /// The bytes of the value, put together if it was opened.
    pub(super) fn bytes(&self) -> Cow<'_, [u8]> {
        if let Self::Raw { bytes, .. } = self {
            return Cow::Borrowed(bytes);
        }
        let mut out = Vec::new();
        self.write(&mut out);
        Cow::Owned(out)
    }

    /// Whether both have the same type and the same bytes.
    pub(super) fn identical(&self, raw: RawValue<'_>) -> bool {
        self.kind() == raw.kind && *self.bytes() == *raw.bytes
    }

    pub(super) fn sort_key(&self) -> Vec<u8> {
        sort_key::of(RawValue { kind: self.kind(), bytes: &self.bytes() })
    }

    /// Takes a document or an array apart, one level deep.
    pub(super) fn open(&mut self) {
        let Self::Raw { kind, bytes } = self else { return };
        match kind {
            ElementType::EmbeddedDocument => *self = Self::Document(fields(bytes)),
            ElementType::Array => *self = Self::Array(fields(bytes).into_iter().map(|(_, value)| value).collect()),
            _ => {}
        }
    }

    /// The items, if it is an array.
    pub(super) fn items_mut(&mut self) -> Option<&mut Vec<Value<'a>>> {
        self.open();
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// Where the child of this name or index stands. The value must be open.
    pub(super) fn position(&self, part: &str) -> Option<usize> {
        match self {
            Self::Document(fields) => fields.iter().position(|(name, _)| name == part),
            Self::Array(items) => super::path::array_index(part).filter(|index| *index < items.len()),
            Self::Raw { .. } => None,
        }
    }

    /// The child at a position that [`Value::position`] has returned.
    #[expect(clippy::indexing_slicing, reason = "positions are found, not computed")]
    pub(super) fn child_mut(&mut self, at: usize) -> &mut Value<'a> {
        match self {
            Self::Document(fields) => &mut fields[at].1,
            Self::Array(items) => &mut items[at],
            Self::Raw { .. } => self,
        }
    }

    /// Appends the bytes of the value.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Raw { bytes, .. } => out.extend_from_slice(bytes),
            Self::Document(fields) => {
                framed(out, |out| fields.iter().for_each(|(name, value)| value.write_element(name, out)));
            }
            Self::Array(items) => {
                framed(out, |out| {
                    items.iter().enumerate().for_each(|(at, item)| item.write_element(&at.to_string(), out));
                });
            }
        }
    }

    fn write_element(&self, name: &str, out: &mut Vec<u8>) {
        out.push(self.kind() as u8);
        out.extend_from_slice(name.as_bytes());
        out.push(0);
        self.write(out);
    }
}

impl<'a> From<&'a RawValueBuf> for Value<'a> {
    fn from(raw: &'a RawValueBuf) -> Self {
        Self::borrowed(raw.as_raw())
    }
}

/// The fields of a document or array: borrowed from borrowed bytes, owned from owned ones.
fn fields<'a>(bytes: &Cow<'a, [u8]>) -> Vec<(Cow<'a, str>, Value<'a>)> {
    match bytes {
        Cow::Borrowed(bytes) => {
            Elements::new(bytes).map(|field| (Cow::Borrowed(field.name), Value::borrowed(field.value))).collect()
        }
        Cow::Owned(bytes) => Elements::new(bytes)
            .map(|field| (Cow::Owned(field.name.to_owned()), Value::owned(field.value.kind, field.value.bytes)))
            .collect(),
    }
}
