//! The order of ids.

use std::cmp::Ordering;

use bson::{RawBson, rawdoc};

use super::corpus::{Seed, seed};
use crate::{
    doc_id::DocId,
    document::Document,
    testing::documents::{every_value, ids_in_order, only_id},
};

/// How many values of one document are compared with each other.
const VALUES_MAX: usize = 12;

/// The fields of a document, as ids: their order is total, equality agrees with the key's bytes,
/// each reads back from its document, and values of one type compare as their values do.
///
/// # Panics
/// When they do not.
pub fn order_ids(bytes: &[u8]) {
    let Ok(document) = Document::from_bytes(bytes) else { return };
    let values = document.as_raw().iter().flatten().map(|(_, value)| RawBson::from(value));
    let mut ids: Vec<_> = values.filter_map(|value| DocId::new(value).ok()).take(VALUES_MAX).collect();
    for id in &ids {
        assert_reads_back(id);
        for other in &ids {
            assert_eq!(id.cmp(other), other.cmp(id).reverse());
            assert_eq!(id == other, id.key() == other.key());
            assert!(id == other || !other.key().starts_with(id.key()), "{id:?} is a prefix of {other:?}");
            if let Some(expected) = by_value(id, other) {
                assert_eq!(id.cmp(other), expected, "{id:?} and {other:?}");
            }
        }
    }
    ids.sort();
    for (at, id) in ids.iter().enumerate() {
        assert!(ids.iter().skip(at).all(|later| id <= later), "the order is not transitive: {ids:?}");
    }
}

#[expect(clippy::expect_used, reason = "an id that no document can hold must fail")]
fn assert_reads_back(id: &DocId) {
    let framed = id.to_raw_document();
    let document = Document::new(framed.clone()).expect("an id can stand in a document");
    assert_eq!(&document.id(), id);
    assert_eq!(document.id().to_raw_document(), framed);
}

/// How two values compare, where that is plain.
fn by_value(left: &DocId, right: &DocId) -> Option<Ordering> {
    use bson::RawBsonRef as Raw;
    Some(match (left.value(), right.value()) {
        (Raw::Int32(left), Raw::Int32(right)) => left.cmp(&right),
        (Raw::Int64(left), Raw::Int64(right)) => left.cmp(&right),
        (Raw::Int32(left), Raw::Int64(right)) => i64::from(left).cmp(&right),
        (Raw::Int32(left), Raw::Double(right)) if !right.is_nan() => f64::from(left).partial_cmp(&right)?,
        (Raw::Int64(left), Raw::Double(right)) if !right.is_nan() => integer_by_value(left, right),
        (Raw::Double(left), Raw::Double(right)) if left.is_nan() || right.is_nan() => {
            right.is_nan().cmp(&left.is_nan())
        }
        (Raw::Double(left), Raw::Double(right)) => left.partial_cmp(&right)?,
        (Raw::String(left), Raw::String(right)) => left.as_bytes().cmp(right.as_bytes()),
        (Raw::Boolean(left), Raw::Boolean(right)) => left.cmp(&right),
        (Raw::DateTime(left), Raw::DateTime(right)) => left.cmp(&right),
        (Raw::ObjectId(left), Raw::ObjectId(right)) => left.bytes().cmp(&right.bytes()),
        (Raw::Timestamp(left), Raw::Timestamp(right)) => {
            (left.time, left.increment).cmp(&(right.time, right.increment))
        }
        _ => return None,
    })
}

/// Compares without rounding: a double of this size that has a fraction is small enough to be
/// split exactly, and one that has none is an integer.
fn integer_by_value(left: i64, right: f64) -> Ordering {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if right >= BEYOND {
        return Ordering::Less;
    }
    if right < -BEYOND {
        return Ordering::Greater;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a whole number between the bounds of the type")]
    let whole = right.trunc() as i64;
    left.cmp(&whole).then_with(|| 0.0.partial_cmp(&right.fract()).unwrap_or(Ordering::Equal))
}

pub(super) fn seeds() -> Vec<Seed> {
    let holding = |values: &[RawBson]| {
        let mut document = only_id(0);
        for value in values {
            document.append(bson::raw::cstr!("v"), value.clone());
        }
        document.into_bytes()
    };
    let mut seeds: Vec<Seed> = every_value()
        .chunks(VALUES_MAX - 1)
        .enumerate()
        .map(|(at, values)| seed(&format!("every-value-{at}"), holding(values)))
        .collect();
    let ids: Vec<RawBson> = ids_in_order().iter().map(|id| id.value().into()).collect();
    let in_order = ids.chunks(VALUES_MAX - 1).enumerate();
    seeds.extend(in_order.map(|(at, values)| seed(&format!("in-order-{at}"), holding(values))));
    seeds.push(seed("equal-numbers", rawdoc! { "_id": 1, "a": 1.0, "b": 1_i64, "c": 0, "d": -0.0 }.into_bytes()));
    seeds
}
