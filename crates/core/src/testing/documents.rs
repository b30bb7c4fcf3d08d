//! Namespaces, ids and documents that tests share: every BSON type, and ids in MongoDB's order.

use bson::{RawBson, RawDocumentBuf, oid::ObjectId, raw::cstr, rawdoc};

use crate::{doc_id::DocId, namespace::Namespace};

/// The database of the namespaces that the conformance suite uses.
pub const DATABASE: &str = "shop";

/// `shop.<collection>`.
///
/// # Panics
/// When that is no namespace.
#[expect(clippy::expect_used, reason = "a test with an impossible namespace must fail")]
pub fn namespace(collection: &str) -> Namespace {
    Namespace::new(&format!("{DATABASE}.{collection}")).expect("the test's namespace is valid")
}

/// The id with this value.
///
/// # Panics
/// When no id has it.
#[expect(clippy::expect_used, reason = "a test with an impossible id must fail")]
pub fn id(value: impl Into<RawBson>) -> DocId {
    DocId::new(value.into()).expect("the test's id is valid")
}

/// A document with this `_id` and nothing else.
pub fn only_id(value: impl Into<RawBson>) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    document.append(cstr!("_id"), value.into());
    document
}

/// One value or more of every BSON type, with the values at the edges.
pub fn every_value() -> Vec<RawBson> {
    use bson::{Binary, DateTime, Decimal128, RawJavaScriptCodeWithScope, Regex, Timestamp, spec::BinarySubtype};
    let binary = |subtype, bytes: &[u8]| RawBson::Binary(Binary { subtype, bytes: bytes.to_vec() });
    let mut values: Vec<RawBson> = vec![
        RawBson::MinKey,
        RawBson::Null,
        RawBson::Undefined,
        false.into(),
        true.into(),
        0_i32.into(),
        i32::MIN.into(),
        i32::MAX.into(),
        0_i64.into(),
        i64::MIN.into(),
        i64::MAX.into(),
        "".into(),
        "text, with \u{e9}, \u{1F600} and a NUL \0".into(),
        RawBson::Symbol("symbol".to_owned()),
        RawBson::JavaScriptCode("function() {}".to_owned()),
        RawBson::JavaScriptCodeWithScope(RawJavaScriptCodeWithScope {
            code: "f".to_owned(),
            scope: rawdoc! { "x": 1 },
        }),
        RawBson::Document(rawdoc! {}),
        RawBson::Document(rawdoc! { "b": 1, "a": { "": [rawdoc! {}] } }),
        RawBson::Array(bson::RawArrayBuf::new()),
        bson::rawbson!([1, "two", [3_i64], null]),
        binary(BinarySubtype::Generic, b""),
        binary(BinarySubtype::Generic, &[0, 255]),
        binary(BinarySubtype::BinaryOld, &[1, 2]),
        binary(BinarySubtype::Uuid, &[7; 16]),
        binary(BinarySubtype::UserDefined(0x80), &[1]),
        RawBson::ObjectId(ObjectId::from_bytes([0; 12])),
        RawBson::ObjectId(ObjectId::from_bytes([255; 12])),
        RawBson::DateTime(DateTime::from_millis(i64::MIN)),
        RawBson::DateTime(DateTime::from_millis(-1)),
        RawBson::DateTime(DateTime::from_millis(i64::MAX)),
        RawBson::Timestamp(Timestamp { time: 1, increment: 2 }),
        RawBson::Timestamp(Timestamp { time: u32::MAX, increment: u32::MAX }),
        db_pointer("shop.other", ObjectId::from_bytes([9; 12])),
        RawBson::MaxKey,
    ];
    let doubles = [0.0, -0.0, 0.1, f64::MIN, f64::MAX, f64::MIN_POSITIVE, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    values.extend(doubles.map(RawBson::Double));
    let decimals = ["0", "-0", "1.00", "-1E-6176", "9.999999999999999999999999999999999E+6144", "NaN", "-Infinity"];
    values.extend(decimals.iter().filter_map(|text| text.parse::<Decimal128>().ok()).map(RawBson::Decimal128));
    let expressions = [("", ""), ("^a.*", "ix")];
    values.extend(expressions.iter().filter_map(|(pattern, options)| {
        let (pattern, options) = ((*pattern).try_into().ok()?, (*options).try_into().ok()?);
        Some(RawBson::RegularExpression(Regex { pattern, options }))
    }));
    values
}

/// A document with [`every_value`] in it, each as a field and all in an array.
pub fn every_type(id: impl Into<RawBson>) -> RawDocumentBuf {
    let mut document = only_id(id);
    let mut array = bson::RawArrayBuf::new();
    for (number, value) in every_value().into_iter().enumerate() {
        array.push(value.clone());
        if let Ok(name) = bson::raw::CString::try_from(format!("v{number}")) {
            document.append(name, value);
        }
    }
    document.append(cstr!("all"), array);
    document
}

/// One id of each type and more, in the order in which MongoDB's `_id` index keeps them.
pub fn ids_in_order() -> Vec<DocId> {
    let decimal = |text: &str| text.parse().map_or(RawBson::Null, RawBson::Decimal128);
    let binary = |bytes: &[u8]| {
        RawBson::Binary(bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: bytes.to_vec() })
    };
    let values: Vec<RawBson> = vec![
        RawBson::MinKey,
        RawBson::Null,
        f64::NAN.into(),
        f64::NEG_INFINITY.into(),
        i64::MIN.into(),
        (-2.5).into(),
        (-1_i32).into(),
        (-0.0).into(),
        decimal("0.1"),
        1_i64.into(),
        1.5.into(),
        2_i32.into(),
        decimal("1E+3"),
        f64::INFINITY.into(),
        "".into(),
        "a".into(),
        "a\0".into(),
        RawBson::Symbol("aa".to_owned()),
        "b".into(),
        RawBson::Document(rawdoc! {}),
        RawBson::Document(rawdoc! { "a": 1 }),
        RawBson::Document(rawdoc! { "a": 1, "b": 1 }),
        RawBson::Document(rawdoc! { "b": 1 }),
        RawBson::Document(rawdoc! { "a": "text" }),
        binary(b""),
        binary(b"z"),
        binary(b"aa"),
        RawBson::ObjectId(ObjectId::from_bytes([1; 12])),
        RawBson::ObjectId(ObjectId::from_bytes([2; 12])),
        false.into(),
        true.into(),
        RawBson::DateTime(bson::DateTime::from_millis(-1)),
        RawBson::DateTime(bson::DateTime::from_millis(0)),
        RawBson::Timestamp(bson::Timestamp { time: 1, increment: 5 }),
        RawBson::Timestamp(bson::Timestamp { time: u32::MAX, increment: 0 }),
        RawBson::MaxKey,
    ];
    values.into_iter().map(id).collect()
}

/// A value of the deprecated type that the library cannot make.
fn db_pointer(ns: &str, id: ObjectId) -> RawBson {
    let mut bytes = vec![0x0C, b'p', 0];
    bytes.extend((u32::try_from(ns.len()).unwrap_or_default() + 1).to_le_bytes());
    bytes.extend(ns.as_bytes());
    bytes.push(0);
    bytes.extend(id.bytes());
    bytes.push(0);
    let length = u32::try_from(bytes.len()).unwrap_or_default() + 4;
    let document: Vec<u8> = length.to_le_bytes().into_iter().chain(bytes).collect();
    let document = RawDocumentBuf::from_bytes(document).unwrap_or_default();
    document.get("p").ok().flatten().map_or(RawBson::Null, Into::into)
}
