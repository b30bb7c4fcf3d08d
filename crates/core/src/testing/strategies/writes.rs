//! Writes as callers make them, sensible and not.

use bson::{RawBson, RawDocumentBuf, rawdoc};
use proptest::{prelude::*, sample::select};

use super::values::{c_string, doc_id, document, fields, namespace, value, with_fields};
use crate::write::Write;

/// A write on one of a few documents.
pub fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        4 => (namespace(), doc_id().prop_flat_map(document))
            .prop_map(|(ns, document)| Write::Insert { ns, document: document.into_raw() }),
        2 => (namespace(), doc_id(), fields(value(), 3), any::<bool>()).prop_map(|(ns, id, fields, upsert)| {
            Write::Replace { ns, id, document: with_fields(RawDocumentBuf::new(), fields), upsert }
        }),
        4 => (namespace(), doc_id(), update(), any::<bool>())
            .prop_map(|(ns, id, update, upsert)| Write::Update { ns, id, update, upsert }),
        2 => (namespace(), doc_id()).prop_map(|(ns, id)| Write::Delete { ns, id }),
    ]
}

/// Update operators on the fields that documents have: often they fit, now and then they do not.
pub fn update() -> impl Strategy<Value = RawDocumentBuf> {
    let path = select(vec!["a", "b", "c", "qty", "tags", "a.b", "tags.0", "b.1.c"]);
    let number = prop_oneof![
        (-5..5_i32).prop_map(RawBson::Int32),
        (-5..5_i64).prop_map(RawBson::Int64),
        (-5..5_i32).prop_map(|number| RawBson::Double(f64::from(number) / 2.0)),
    ];
    let operator = prop_oneof![
        (Just("$set"), value()),
        (Just("$unset"), Just(RawBson::from(""))),
        (select(vec!["$inc", "$mul", "$min", "$max"]), number),
        (Just("$push"), value()),
        (Just("$push"), value().prop_map(|value| RawBson::Document(rawdoc! { "$each": [value], "$slice": -3 }))),
        (Just("$addToSet"), value()),
        (Just("$pop"), select(vec![1_i32, -1]).prop_map(RawBson::from)),
        (Just("$rename"), select(vec!["a", "c", "qty"]).prop_map(RawBson::from)),
        (Just("$bit"), Just(RawBson::Document(rawdoc! { "or": 5 }))),
    ];
    (path, operator).prop_map(|(path, (operator, argument))| {
        let mut target = RawDocumentBuf::new();
        target.append(c_string(path), argument);
        let mut update = RawDocumentBuf::new();
        update.append(c_string(operator), target);
        update
    })
}
