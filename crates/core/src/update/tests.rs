//! Answers of a real mongod 6.0, each found by asking it.

use bson::{Decimal128, RawDocumentBuf, oid::ObjectId, rawdoc};

use super::*;
use crate::limits::DOCUMENT_DEPTH_MAX;

const NOW: (u32, u32) = (1_700_000_000, 5);

fn now() -> OpTime {
    OpTime::from_timestamp(NOW.0, NOW.1)
}

fn run(document: RawDocumentBuf, update: &RawDocumentBuf) -> Result<RawDocumentBuf, UpdateError> {
    let document = Document::new(document).unwrap();
    Ok(Update::parse(update)?.evaluate(&document.id(), Some(&document), now())?.into_raw())
}

fn becomes(document: RawDocumentBuf, update: &RawDocumentBuf, result: &RawDocumentBuf) {
    assert_eq!(run(document, update).as_ref(), Ok(result));
}

fn fails(document: RawDocumentBuf, update: &RawDocumentBuf, code: i32) {
    assert_eq!(run(document, update).unwrap_err().code, code);
}

fn decimal(text: &str) -> Decimal128 {
    text.parse().unwrap()
}

fn upsert(update: &RawDocumentBuf) -> Result<RawDocumentBuf, UpdateError> {
    let id = rawdoc! { "_id": 1 };
    let id = DocId::new(id.get("_id").unwrap().unwrap().into()).unwrap();
    Ok(Update::parse(update)?.evaluate(&id, None, now())?.into_raw())
}

#[test]
fn set_keeps_the_place_of_what_exists_and_appends_the_rest_in_path_order() {
    becomes(
        rawdoc! { "_id": 1, "b": 1, "z": 1 },
        &rawdoc! { "$set": { "z": 2, "c": 3, "a": 4 }, "$inc": { "b": 1, "aa": 1 } },
        &rawdoc! { "_id": 1, "b": 2, "z": 2, "a": 4, "aa": 1, "c": 3 },
    );
}

#[test]
fn new_fields_with_numeric_names_are_created_in_numeric_order() {
    becomes(
        rawdoc! { "_id": 1 },
        &rawdoc! { "$set": { "a.10": 1, "a.9": 2, "a.b": 3 } },
        &rawdoc! { "_id": 1, "a": { "9": 2, "10": 1, "b": 3 } },
    );
}

#[test]
fn an_index_beyond_the_end_of_an_array_fills_it_with_nulls() {
    becomes(
        rawdoc! { "_id": 1, "a": [1] },
        &rawdoc! { "$set": { "a.3.b": 1 } },
        &rawdoc! { "_id": 1, "a": [1, bson::RawBson::Null, bson::RawBson::Null, { "b": 1 }] },
    );
    fails(rawdoc! { "_id": 1, "a": [1] }, &rawdoc! { "$set": { "a.1500002": 1 } }, 34);
    fails(rawdoc! { "_id": 1, "a": [1] }, &rawdoc! { "$set": { "a.b": 1 } }, 28);
}

#[test]
fn unset_leaves_null_in_an_array() {
    becomes(
        rawdoc! { "_id": 1, "a": [1, 2], "b": 1 },
        &rawdoc! { "$unset": { "a.0": "", "b": "", "c.d": "", "a.x": "" } },
        &rawdoc! { "_id": 1, "a": [bson::RawBson::Null, 2] },
    );
}

#[test]
fn arithmetic_widens_types_and_refuses_to_overflow_64_bits() {
    let calculate = |old: bson::RawBson, new: bson::RawBson, result: bson::RawBson| {
        becomes(rawdoc! { "_id": 1, "n": old }, &rawdoc! { "$inc": { "n": new } }, &rawdoc! { "_id": 1, "n": result });
    };
    calculate(i32::MAX.into(), 1.into(), 2_147_483_648_i64.into());
    calculate(1_i64.into(), 1.into(), 2_i64.into());
    calculate(1.into(), 1.5.into(), 2.5.into());
    calculate(decimal("1.0").into(), 1.into(), decimal("2.0").into());
    calculate(decimal("1").into(), 0.1.into(), decimal("1.100000000000000").into());
    fails(rawdoc! { "_id": 1, "n": i64::MAX }, &rawdoc! { "$inc": { "n": 1 } }, 2);
    fails(rawdoc! { "_id": 1, "n": i64::MAX }, &rawdoc! { "$mul": { "n": 2 } }, 2);
    fails(rawdoc! { "_id": 1, "n": "1" }, &rawdoc! { "$inc": { "n": 1 } }, 14);
    fails(rawdoc! { "_id": 1 }, &rawdoc! { "$inc": { "n": "1" } }, 14);
}

#[test]
fn arithmetic_that_changes_no_value_keeps_the_bytes() {
    let document = rawdoc! { "_id": 1, "n": decimal("1.0"), "z": 0.0 };
    becomes(document.clone(), &rawdoc! { "$inc": { "n": decimal("0.00") }, "$mul": { "z": -1 } }, &document);
}

#[test]
fn paths_that_meet_conflict() {
    for update in [
        rawdoc! { "$set": { "a": 1 }, "$inc": { "a": 1 } },
        rawdoc! { "$set": { "a.b": 1 }, "$unset": { "a": 1 } },
        rawdoc! { "$set": { "a": 1, "a.b": 1 } },
        rawdoc! { "$rename": { "a": "b" }, "$set": { "a.c": 1 } },
    ] {
        fails(rawdoc! { "_id": 1 }, &update, 40);
    }
}

#[test]
fn the_id_cannot_be_changed_but_set_to_what_it_is() {
    becomes(rawdoc! { "_id": 1 }, &rawdoc! { "$set": { "_id": 1 } }, &rawdoc! { "_id": 1 });
    fails(rawdoc! { "_id": 1 }, &rawdoc! { "$set": { "_id": 1.0 } }, 66);
    fails(rawdoc! { "_id": 1 }, &rawdoc! { "$unset": { "_id": 1 } }, 66);
    fails(rawdoc! { "_id": 1, "a": 2 }, &rawdoc! { "$rename": { "_id": "b" } }, 66);
    fails(rawdoc! { "_id": { "x": 1 } }, &rawdoc! { "$set": { "_id.y": 1 } }, 66);
    fails(rawdoc! { "_id": 1 }, &rawdoc! { "$set": { "_id.y": 1 } }, 28);
}

#[test]
fn what_is_no_update_is_refused() {
    let id = || rawdoc! { "_id": 1 };
    fails(id(), &rawdoc! {}, 9);
    fails(id(), &rawdoc! { "a": 1 }, 9);
    fails(id(), &rawdoc! { "$set": 1 }, 9);
    fails(id(), &rawdoc! { "$other": { "a": 1 } }, 9);
    fails(id(), &rawdoc! { "$set": { "": 1 } }, 56);
    fails(id(), &rawdoc! { "$set": { "a..b": 1 } }, 56);
    fails(id(), &rawdoc! { "$set": { "$a": 1 } }, 52);
    fails(id(), &rawdoc! { "$set": { "$id": 1 } }, 55);
    fails(id(), &rawdoc! { "$set": { "a.$": 1 } }, 2);
    fails(id(), &rawdoc! { "$set": { "a.$[]": 1 } }, 9);
    fails(id(), &rawdoc! { "$pop": { "a": 2 } }, 9);
}

#[test]
fn an_upsert_starts_from_the_id_and_runs_set_on_insert() {
    let update = rawdoc! { "$setOnInsert": { "z": 1 }, "$inc": { "n": 5 }, "$push": { "a": 1 }, "$unset": { "u": 1 } };
    let result = rawdoc! { "_id": 1, "a": [1], "n": 5, "z": 1 };
    assert_eq!(upsert(&update), Ok(result));
    becomes(rawdoc! { "_id": 1, "n": 1, "a": [] }, &update, &rawdoc! { "_id": 1, "n": 6, "a": [1] });
}

#[test]
fn push_places_sorts_and_slices() {
    becomes(
        rawdoc! { "_id": 1, "a": [3, 1, 2] },
        &rawdoc! { "$push": { "a": { "$each": [0, 9], "$position": 1 } } },
        &rawdoc! { "_id": 1, "a": [3, 0, 9, 1, 2] },
    );
    becomes(
        rawdoc! { "_id": 1, "a": [3, 1, 2] },
        &rawdoc! { "$push": { "a": { "$each": [0], "$sort": -1, "$slice": -2 } } },
        &rawdoc! { "_id": 1, "a": [1, 0] },
    );
    becomes(
        rawdoc! { "_id": 1, "a": [{ "x": 2, "y": 1 }, { "x": 1 }, 5] },
        &rawdoc! { "$push": { "a": { "$each": [], "$sort": { "x": 1 } } } },
        &rawdoc! { "_id": 1, "a": [5, { "x": 1 }, { "x": 2, "y": 1 }] },
    );
    fails(rawdoc! { "_id": 1, "a": 1 }, &rawdoc! { "$push": { "a": 1 } }, 2);
}

#[test]
fn pull_removes_by_value_by_query_and_by_fields() {
    becomes(
        rawdoc! { "_id": 1, "a": [1, 1.0, 2, "1"] },
        &rawdoc! { "$pull": { "a": 1_i64 } },
        &rawdoc! { "_id": 1, "a": [2, "1"] },
    );
    becomes(
        rawdoc! { "_id": 1, "a": [1, 5, [7], "x"] },
        &rawdoc! { "$pull": { "a": { "$gte": 5 } } },
        &rawdoc! { "_id": 1, "a": [1, "x"] },
    );
    becomes(
        rawdoc! { "_id": 1, "a": [{ "b": 1, "c": 1 }, { "b": [1, 2] }, { "b": 2 }, 1] },
        &rawdoc! { "$pull": { "a": { "b": 1 } } },
        &rawdoc! { "_id": 1, "a": [{ "b": 2 }, 1] },
    );
    fails(rawdoc! { "_id": 1, "a": [] }, &rawdoc! { "$pull": { "a": { "$exists": true } } }, 9);
    fails(rawdoc! { "_id": 1, "a": [] }, &rawdoc! { "$pull": { "a": { "$foo": true } } }, 2);
}

#[test]
fn current_date_is_the_optime_of_the_write() {
    becomes(
        rawdoc! { "_id": 1 },
        &rawdoc! { "$currentDate": { "d": true, "t": { "$type": "timestamp" } } },
        &rawdoc! {
            "_id": 1,
            "d": bson::DateTime::from_millis(1_700_000_000_000),
            "t": bson::Timestamp { time: NOW.0, increment: NOW.1 }
        },
    );
}

#[test]
fn an_empty_timestamp_of_the_document_itself_becomes_the_optime() {
    let empty = bson::Timestamp { time: 0, increment: 0 };
    let stamp = bson::Timestamp { time: NOW.0, increment: NOW.1 };
    becomes(
        rawdoc! { "_id": 1 },
        &rawdoc! { "$set": { "t": empty, "a": { "t": empty } } },
        &rawdoc! { "_id": 1, "a": { "t": empty }, "t": stamp },
    );
}

#[test]
fn a_result_that_is_too_deep_is_refused() {
    let path = vec!["a"; 101].join(".");
    fails(rawdoc! { "_id": 1 }, &RawDocumentBuf::try_from(&bson::doc! { "$set": { path: 1 } }).unwrap(), 15);
}

#[test]
fn an_insert_gets_an_id_and_has_it_in_front() {
    use crate::prepare::prepare_insert;
    let new_id = ObjectId::from_bytes([1; 12]);
    let inserted = |document| prepare_insert(document, new_id, now()).map(Document::into_raw);
    assert_eq!(inserted(rawdoc! { "a": 1 }), Ok(rawdoc! { "_id": new_id, "a": 1 }));
    assert_eq!(inserted(rawdoc! { "a": 1, "_id": 2 }), Ok(rawdoc! { "_id": 2, "a": 1 }));
    assert_eq!(inserted(rawdoc! { "_id": [1] }).unwrap_err().code, 53);
    assert_eq!(inserted(rawdoc! { "_id": { "$a": 1 } }).unwrap_err().code, 52);
    assert_eq!(inserted(rawdoc! { "$a": 1 }).unwrap_err().code, 52);
}

#[test]
fn names_with_a_dollar_in_front_are_checked_on_the_first_level_only() {
    let document = || rawdoc! { "_id": 1, "$id": { "n": 1 } };
    becomes(document(), &rawdoc! { "$inc": { "$id.n": 1 } }, &rawdoc! { "_id": 1, "$id": { "n": 2 } });
    becomes(document(), &rawdoc! { "$set": { "a.$b": 1 } }, &rawdoc! { "_id": 1, "$id": { "n": 1 }, "a": { "$b": 1 } });
    fails(document(), &rawdoc! { "$set": { "$id": 1 } }, 55);
    fails(document(), &rawdoc! { "$set": { "$a.b": 1 } }, 52);
}

#[test]
fn a_positional_operator_fails_behind_everything_that_is_wrong_before_it() {
    fails(rawdoc! { "_id": 1 }, &rawdoc! { "$set": { "a.$": 1 }, "$unset": { "_id": 1 } }, 66);
    fails(rawdoc! { "_id": 1 }, &rawdoc! { "$set": { "a.$": 1, "b": 1, "b.c": 1 } }, 40);
    fails(rawdoc! { "_id": 1 }, &rawdoc! { "$set": { "a": 1, "a.$[x]": 1 } }, 40);
    fails(rawdoc! { "_id": 1 }, &rawdoc! { "$inc": { "a.$[x]": "1" } }, 14);
    fails(rawdoc! { "_id": 1 }, &rawdoc! { "$set": { "$.a": 1 } }, 2);
}

#[test]
fn the_names_of_a_dbref_are_no_operators_in_pull() {
    becomes(
        rawdoc! { "_id": 1, "a": [{ "$id": 5 }, { "$id": { "$in": 1 } }] },
        &rawdoc! { "$pull": { "a": { "$id": { "$in": 1 } } } },
        &rawdoc! { "_id": 1, "a": [{ "$id": 5 }] },
    );
}

#[test]
fn an_upsert_reports_a_name_with_a_dollar_last() {
    assert_eq!(upsert(&rawdoc! { "$set": { "$id": 1, "_id.x": 1 } }).unwrap_err().code, 28);
    assert_eq!(upsert(&rawdoc! { "$set": { "$id": 1 } }).unwrap_err().code, 55);
}

#[test]
fn a_replacement_keeps_the_id_but_may_change_its_type() {
    use crate::prepare::prepare_replacement;
    let current = Document::new(rawdoc! { "_id": 1, "a": 1 }).unwrap();
    let replaced = |document, current: Option<&Document>| {
        let id = Document::new(rawdoc! { "_id": 1 }).unwrap().id();
        prepare_replacement(document, &id, current, now()).map(Document::into_raw)
    };
    assert_eq!(replaced(rawdoc! { "b": 1 }, Some(&current)), Ok(rawdoc! { "_id": 1, "b": 1 }));
    assert_eq!(replaced(rawdoc! { "b": 1, "_id": 1.0 }, Some(&current)), Ok(rawdoc! { "_id": 1.0, "b": 1 }));
    assert_eq!(replaced(rawdoc! { "_id": 2 }, Some(&current)).unwrap_err().code, 66);
    assert_eq!(replaced(rawdoc! { "_id": [1] }, Some(&current)).unwrap_err().code, 53);
    assert_eq!(replaced(rawdoc! { "_id": [1] }, None).unwrap_err().code, 54);
    assert_eq!(replaced(rawdoc! { "$set": { "a": 1 } }, Some(&current)).unwrap_err().code, 9);
}

#[test]
fn a_push_of_nothing_changes_what_it_sorts_or_cuts() {
    let push = |clause: &str, argument: i32| {
        let clauses = bson::doc! { "$each": [], clause: argument };
        run(
            rawdoc! { "_id": 1, "$z": [1, 2] },
            &RawDocumentBuf::try_from(&bson::doc! { "$push": { "$z": clauses } }).unwrap(),
        )
    };
    assert_eq!(push("$slice", 2), Ok(rawdoc! { "_id": 1, "$z": [1, 2] }));
    assert_eq!(push("$slice", 1).unwrap_err().code, 52);
    assert_eq!(push("$sort", 1).unwrap_err().code, 52);
}

#[test]
fn a_path_of_more_parts_than_a_document_has_levels_is_refused() {
    let set = |parts: usize| {
        let mut fields = RawDocumentBuf::new();
        fields.append(bson::raw::CString::try_from(vec!["a"; parts].join(".")).unwrap(), 1);
        rawdoc! { "$set": fields }
    };
    assert!(run(rawdoc! { "_id": 1 }, &set(DOCUMENT_DEPTH_MAX)).is_ok());
    // A million parts once ended the process: the nested value was dropped by recursion.
    for parts in [DOCUMENT_DEPTH_MAX + 1, 1_000_000] {
        assert_eq!(run(rawdoc! { "_id": 1 }, &set(parts)).unwrap_err().code, 15, "{parts} parts");
    }
}
