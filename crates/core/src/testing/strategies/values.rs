//! Values, ids, documents and namespaces.

use bson::{RawArrayBuf, RawBson, RawDocumentBuf, raw::CString};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::{
    doc_id::DocId,
    document::Document,
    namespace::Namespace,
    testing::{
        chain::valid,
        documents::{every_value, namespace as named, only_id},
    },
};

/// Names of fields, few, so that they meet.
const FIELDS: [&str; 5] = ["a", "b", "c", "qty", "tags"];

/// A value of any BSON type, nested up to three levels: the edges of every type, and any number
/// and text between them.
pub fn value() -> impl Strategy<Value = RawBson> {
    let leaf = prop_oneof![
        4 => select(every_value()),
        1 => any::<i32>().prop_map(RawBson::Int32),
        1 => any::<i64>().prop_map(RawBson::Int64),
        1 => any::<f64>().prop_map(RawBson::Double),
        1 => "[a-z]{0,8}".prop_map(RawBson::String),
        1 => any::<i64>().prop_map(|millis| RawBson::DateTime(bson::DateTime::from_millis(millis))),
        1 => any::<[u8; 12]>().prop_map(|bytes| RawBson::ObjectId(bson::oid::ObjectId::from_bytes(bytes))),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|values| RawBson::Array(array(values))),
            fields(inner, 4).prop_map(|fields| RawBson::Document(with_fields(RawDocumentBuf::new(), fields))),
        ]
    })
}

/// An id: mostly one of a few, among them equal numbers of different types; now and then any.
pub fn doc_id() -> impl Strategy<Value = DocId> {
    let few = prop_oneof![
        (0..4_i32).prop_map(RawBson::Int32),
        (0..4_i64).prop_map(RawBson::Int64),
        (0..4_i32).prop_map(|number| RawBson::Double(f64::from(number))),
        select(vec!["", "0", "a"]).prop_map(RawBson::from),
    ];
    prop_oneof![9 => few, 1 => value()].prop_filter_map("no id has this type", |value| DocId::new(value).ok())
}

/// One of three namespaces, whose names start alike.
pub fn namespace() -> impl Strategy<Value = Namespace> {
    select(vec![named("items"), named("items.archive"), named("orders")])
}

/// A document with this id and any content.
pub fn document(id: DocId) -> impl Strategy<Value = Document> {
    fields(value().boxed(), 4).prop_map(move |fields| valid(with_fields(only_id(id.value()), fields)))
}

/// Distinct names with values.
pub(super) fn fields(
    value: impl Strategy<Value = RawBson>,
    most: usize,
) -> impl Strategy<Value = Vec<(&'static str, RawBson)>> {
    vec((select(FIELDS.as_slice()), value), 0..=most).prop_map(|mut fields| {
        fields.sort_by_key(|(name, _)| *name);
        fields.dedup_by_key(|(name, _)| *name);
        fields
    })
}

pub(super) fn with_fields(mut document: RawDocumentBuf, fields: Vec<(&'static str, RawBson)>) -> RawDocumentBuf {
    for (name, value) in fields {
        document.append(c_string(name), value);
    }
    document
}

pub(super) fn array(values: Vec<RawBson>) -> RawArrayBuf {
    let mut array = RawArrayBuf::new();
    for value in values {
        array.push(value);
    }
    array
}

/// # Panics
/// On a name with a NUL; there is none here.
#[expect(clippy::expect_used, reason = "the names are those above")]
pub(super) fn c_string(name: &str) -> CString {
    name.to_owned().try_into().expect("the name has no NUL")
}
