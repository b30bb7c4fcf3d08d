use bson::{
    Binary, DateTime, Decimal128, RawJavaScriptCodeWithScope, Timestamp, oid::ObjectId, rawdoc, spec::BinarySubtype,
};
use proptest::prelude::*;

use super::*;

fn id(value: impl Into<RawBson>) -> DocId {
    DocId::new(value.into()).unwrap()
}

fn decimal(text: &str) -> DocId {
    id(text.parse::<Decimal128>().unwrap())
}

fn binary(subtype: BinarySubtype, bytes: &[u8]) -> DocId {
    id(RawBson::Binary(Binary { subtype, bytes: bytes.to_vec() }))
}

fn assert_rising(ids: &[DocId]) {
    for pair in ids.windows(2) {
        assert!(pair[0] < pair[1], "{:?} < {:?}", pair[0], pair[1]);
        assert!(!pair[1].key().starts_with(pair[0].key()), "{:?} is a prefix of {:?}", pair[0], pair[1]);
    }
}

/// What MongoDB 6.0.5 says to an insert of each.
#[test]
fn names_that_start_with_a_dollar_are_refused_but_for_those_of_a_reference() {
    let reference = rawdoc! { "$ref": "a", "$id": 1 };
    let taken = [
        rawdoc! { "$ref": "a", "$id": 1, "x": 1 },
        rawdoc! { "$ref": "a", "$id": 1, "$db": "b", "x": 1 },
        rawdoc! { "$ref": "a", "$id": { "$x": 1 } },
        rawdoc! { "a": [reference.clone()] },
        rawdoc! { "a": { "b": reference.clone() } },
        reference,
    ];
    for id in taken {
        assert!(DocId::new(id.clone().into()).is_ok(), "{id:?}");
    }
    let refused = [
        rawdoc! { "$ne": null },
        rawdoc! { "a": { "$ne": 1 } },
        rawdoc! { "a": [{ "$ne": 1 }] },
        rawdoc! { "$id": 1, "$ref": "a" },
        rawdoc! { "a": 1, "$ref": "a", "$id": 1 },
        rawdoc! { "$ref": "a" },
        rawdoc! { "$ref": "a", "$db": "b" },
        rawdoc! { "$ref": "a", "x": 1, "$id": 1 },
        rawdoc! { "$ref": 5, "$id": 1 },
        rawdoc! { "$ref": "a", "$id": 1, "$db": 5 },
        rawdoc! { "$ref": "a", "$id": 1, "x": 1, "$db": "b" },
        rawdoc! { "$ref": "a", "$id": 1, "$x": 1 },
    ];
    for id in refused {
        assert!(DocId::new(id.clone().into()).is_err(), "{id:?}");
    }
}

#[test]
fn types_order_as_in_mongodb() {
    assert_rising(&[
        id(RawBson::MinKey),
        id(RawBson::Null),
        id(5),
        id("text"),
        id(rawdoc! {}),
        binary(BinarySubtype::Generic, &[]),
        id(ObjectId::from_bytes([0; 12])),
        id(false),
        id(true),
        id(DateTime::from_millis(i64::MIN)),
        id(Timestamp { time: 0, increment: 0 }),
        id(RawBson::JavaScriptCode(String::new())),
        id(RawJavaScriptCodeWithScope { code: String::new(), scope: rawdoc! {} }),
        id(RawBson::MaxKey),
    ]);
}

#[test]
fn numbers_of_all_types_order_by_value() {
    assert_rising(&[
        decimal("NaN"),
        id(f64::NEG_INFINITY),
        decimal("-1E+6144"),
        id(f64::MIN),
        id(i64::MIN),
        id(-1.5),
        id(-1),
        id(-f64::MIN_POSITIVE),
        decimal("-1E-6176"),
        id(0),
        decimal("1E-6176"),
        id(5e-324),
        // As decimals with 34 digits: 0.1 lies below the double 0.1, 0.3 above the double 0.3.
        decimal("0.1"),
        id(0.1),
        id(0.3),
        decimal("0.3"),
        id(1),
        id(1.000_000_000_000_000_2),
        id(9),
        id(10),
        id(99_i64),
        id(100),
        id(9_007_199_254_740_992.0),
        id(9_007_199_254_740_993_i64),
        id(i64::MAX),
        id(9_223_372_036_854_775_808.0),
        decimal("9223372036854775809"),
        id(f64::MAX),
        decimal("1E+6144"),
        id(f64::INFINITY),
    ]);
}

#[test]
fn equal_numbers_of_different_types_are_one_id() {
    for (left, right) in [
        (id(1), id(1_i64)),
        (id(1), id(1.0)),
        (id(1), decimal("1.00")),
        (id(1000), decimal("1E+3")),
        (id(0), id(-0.0)),
        (id(0), decimal("-0E+10")),
        (id(f64::NAN), decimal("NaN")),
        (id(f64::NAN), id(-f64::NAN)),
        (id(f64::INFINITY), decimal("Infinity")),
        (id(0.5), decimal("0.50")),
        (id(-2.25), decimal("-2.25")),
        (id(i64::MIN), id(-9_223_372_036_854_775_808.0)),
        (id(rawdoc! { "a": 1, "b": [1] }), id(rawdoc! { "a": 1.0, "b": [1_i64] })),
        (id("text"), id(RawBson::Symbol("text".to_owned()))),
    ] {
        assert_eq!(left, right);
        assert_eq!(left.cmp(&right), Ordering::Equal);
    }
}

#[test]
fn a_decimal_with_too_large_a_coefficient_counts_as_zero() {
    let mut bytes = [0xFF; 16];
    bytes[14..].copy_from_slice(&[0x00, 0x6C]);
    assert_eq!(id(Decimal128::from_bytes(bytes)), id(0));
}

#[test]
fn texts_order_by_bytes_and_a_nul_inside_counts() {
    assert_rising(&[id(""), id("\0"), id("\0a"), id("a"), id("a\0"), id("a\0\0"), id("a\0b"), id("ab"), id("\u{e4}")]);
}

#[test]
fn documents_order_by_type_then_name_then_value() {
    assert_rising(&[
        id(rawdoc! {}),
        id(rawdoc! { "b": 1 }),
        id(rawdoc! { "b": 2 }),
        id(rawdoc! { "b": 2, "a": 1 }),
        id(rawdoc! { "c": 1 }),
        id(rawdoc! { "a": "x" }),
        id(rawdoc! { "a": "x\0" }),
        id(rawdoc! { "a": { "b": 1 } }),
        id(rawdoc! { "a": [] }),
        id(rawdoc! { "a": [1] }),
        id(rawdoc! { "a": [1, 2] }),
    ]);
}

#[test]
fn binary_values_order_by_length_then_subtype() {
    assert_rising(&[
        binary(BinarySubtype::Generic, &[9]),
        binary(BinarySubtype::UserDefined(0x80), &[1]),
        binary(BinarySubtype::Generic, &[1, 1]),
        // The old subtype counts its inner length: 4 + 1 bytes.
        binary(BinarySubtype::BinaryOld, &[0]),
        binary(BinarySubtype::Generic, &[0; 6]),
    ]);
}

#[test]
fn timestamps_are_unsigned_and_dates_signed() {
    assert_rising(&[id(Timestamp { time: 1, increment: u32::MAX }), id(Timestamp { time: u32::MAX, increment: 0 })]);
    assert_rising(&[id(DateTime::from_millis(-1)), id(DateTime::from_millis(0)), id(DateTime::from_millis(256))]);
}

#[test]
fn an_id_that_no_document_can_hold_is_refused() {
    let mut nested = rawdoc! {};
    for _ in 0..100 {
        nested = rawdoc! { "a": nested };
    }
    assert!(DocId::new(RawBson::Document(nested)).is_err());
    assert!(DocId::new(RawBson::Array(bson::RawArrayBuf::new())).is_err());
    assert!(DocId::new(RawBson::Undefined).is_err());
}

proptest! {
    #[test]
    fn doubles_order_by_value(left: f64, right: f64) {
        prop_assert_eq!(Some(id(left).cmp(&id(right))), left.partial_cmp(&right));
    }

    #[test]
    fn integers_order_by_value(left: i64, right: i32) {
        prop_assert_eq!(id(left).cmp(&id(right)), left.cmp(&i64::from(right)));
        prop_assert_eq!(id(right), id(f64::from(right)));
        prop_assert_eq!(id(left), decimal(&left.to_string()));
    }

    #[test]
    fn a_double_equals_the_decimal_of_its_digits_if_they_fit(thousandths in -1_000_000_i32..1_000_000) {
        let number = f64::from(thousandths) / 1024.0;
        prop_assert_eq!(id(number), decimal(&format!("{number:.10}")));
    }

    #[test]
    fn texts_order_by_bytes(left: String, right: String) {
        prop_assert_eq!(id(left.as_str()).cmp(&id(right.as_str())), left.as_bytes().cmp(right.as_bytes()));
    }

    #[test]
    fn values_inside_documents_order_as_outside(left: String, right: String, after in -5..5) {
        let nested = |text: &str| id(rawdoc! { "a": text, "b": after });
        prop_assert_eq!(nested(&left).cmp(&nested(&right)), id(left.as_str()).cmp(&id(right.as_str())));
    }
}
