//! Bytes that compare as MongoDB compares values with the simple collation.
//!
//! A key starts with the type's rank; no key is a prefix of another, so that keys can stand one
//! after the other inside the key of a document. Numbers of all four types share one rank and
//! compare by their exact value (see [`number_key`](crate::number_key)).

use bson::spec::ElementType;

use crate::{
    element::{Elements, RawValue, text},
    number_key,
};

/// Ends a document, an array, a text. Less than every rank.
const END: u8 = 0x00;
/// Stands before a byte 0 or 1 inside a text, which is then written as itself plus 1.
const ESCAPE: u8 = 0x01;

/// The sort key of a value.
pub(crate) fn of(value: RawValue<'_>) -> Vec<u8> {
    let mut key = Vec::with_capacity(value.bytes.len() + 8);
    append(value, &mut key);
    key
}

/// Whether MongoDB calls two values equal.
pub(crate) fn equal(left: RawValue<'_>, right: RawValue<'_>) -> bool {
    left == right || (rank(left.kind) == rank(right.kind) && of(left) == of(right))
}

/// Where values of this type stand among all values: MongoDB's canonical type order.
pub(crate) fn rank(kind: ElementType) -> u8 {
    match kind {
        ElementType::MinKey => 0x0A,
        ElementType::Undefined => 0x0F,
        ElementType::Null => 0x14,
        ElementType::Double | ElementType::Int32 | ElementType::Int64 | ElementType::Decimal128 => 0x1E,
        ElementType::String | ElementType::Symbol => 0x3C,
        ElementType::EmbeddedDocument => 0x46,
        ElementType::Array => 0x50,
        ElementType::Binary => 0x5A,
        ElementType::ObjectId => 0x64,
        ElementType::Boolean => 0x6E,
        ElementType::DateTime => 0x78,
        ElementType::Timestamp => 0x82,
        ElementType::RegularExpression => 0x8C,
        ElementType::DbPointer => 0x96,
        ElementType::JavaScriptCode => 0xA0,
        ElementType::JavaScriptCodeWithScope => 0xAA,
        ElementType::MaxKey => 0xF0,
    }
}

/// Appends the sort key of a value.
pub(crate) fn append(value: RawValue<'_>, key: &mut Vec<u8>) {
    key.push(rank(value.kind));
    let bytes = value.bytes;
    match value.kind {
        ElementType::MinKey | ElementType::Undefined | ElementType::Null | ElementType::MaxKey => {}
        ElementType::Double | ElementType::Int32 | ElementType::Int64 | ElementType::Decimal128 => {
            number_key::append(value, key);
        }
        ElementType::String | ElementType::Symbol | ElementType::JavaScriptCode => append_text(text(bytes), key),
        ElementType::EmbeddedDocument => append_fields(Elements::new(bytes), true, key),
        ElementType::Array => append_fields(Elements::new(bytes), false, key),
        // Length, which orders first, then the rest. Of the old binary subtype it counts its inner
        // length, as in MongoDB.
        ElementType::Binary | ElementType::DbPointer => {
            key.extend(bytes.iter().take(4).rev());
            key.extend(bytes.iter().skip(4));
        }
        ElementType::ObjectId | ElementType::Boolean | ElementType::RegularExpression => key.extend_from_slice(bytes),
        ElementType::DateTime => {
            let millis = bytes.first_chunk().map_or(0, |eight| i64::from_le_bytes(*eight));
            key.extend(millis.wrapping_add(i64::MIN).to_be_bytes());
        }
        ElementType::Timestamp => key.extend(bytes.iter().rev()),
        ElementType::JavaScriptCodeWithScope => {
            let code = bytes.get(4..).unwrap_or_default();
            let code_text = text(code);
            append_text(code_text, key);
            // The scope follows the code's length, its text and the NUL at its end.
            let scope = code.get(5 + code_text.len()..).unwrap_or_default();
            append_fields(Elements::new(scope), true, key);
        }
    }
}

fn append_fields(elements: Elements<'_>, named: bool, key: &mut Vec<u8>) {
    for element in elements {
        if named {
            // The type orders before the name, the name before the value.
            key.push(rank(element.value.kind));
            key.extend_from_slice(element.name.as_bytes());
            key.push(END);
        }
        append(element.value, key);
    }
    key.push(END);
}

fn append_text(text: &[u8], key: &mut Vec<u8>) {
    for byte in text {
        match byte {
            0 | 1 => key.extend([ESCAPE, byte + 1]),
            _ => key.push(*byte),
        }
    }
    key.push(END);
}
