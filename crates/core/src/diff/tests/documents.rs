//! Sections d, u and i, and diffs inside of documents.

use super::*;

#[test]
fn an_update_keeps_the_place_of_a_field_and_appends_one_that_is_not_there() {
    becomes(
        rawdoc! { "_id": 1, "a": 1, "b": 2 },
        rawdoc! { "u": { "z": 5, "a": "x", "c": 6 } },
        rawdoc! { "_id": 1, "a": "x", "b": 2, "z": 5, "c": 6 },
    );
}

#[test]
fn an_insert_appends_and_takes_a_field_that_is_there_from_its_place() {
    becomes(
        rawdoc! { "_id": 1, "a": 1, "b": 2 },
        rawdoc! { "i": { "c": 3, "a": 1 } },
        rawdoc! { "_id": 1, "b": 2, "c": 3, "a": 1 },
    );
}

#[test]
fn a_delete_takes_a_field_away_and_none_that_is_not_there() {
    becomes(
        rawdoc! { "_id": 1, "a": 1, "b": 2 },
        rawdoc! { "d": { "a": false, "z": false } },
        rawdoc! { "_id": 1, "b": 2 },
    );
}

#[test]
fn what_is_updated_and_not_there_comes_before_what_is_inserted() {
    becomes(
        rawdoc! { "_id": 1, "a": 1, "b": 2, "s": { "x": 1 } },
        rawdoc! { "d": { "b": false }, "u": { "c": 1 }, "i": { "a": 5, "d": 6 }, "ss": { "u": { "x": 2 } } },
        rawdoc! { "_id": 1, "s": { "x": 2 }, "c": 1, "a": 5, "d": 6 },
    );
}

#[test]
fn sub_diffs_change_what_is_inside_in_its_place() {
    becomes(
        rawdoc! { "_id": 1, "a": { "b": { "c": 1, "d": 2 }, "e": 3 }, "z": 1 },
        rawdoc! { "sa": { "i": { "f": 4 }, "sb": { "d": { "c": false } } } },
        rawdoc! { "_id": 1, "a": { "b": { "d": 2 }, "e": 3, "f": 4 }, "z": 1 },
    );
}

#[test]
fn names_are_names_whatever_is_in_them() {
    becomes(
        rawdoc! { "_id": 1, "": { "x": 1 }, "a.b": 1, "$c": { "0": 1 }, "0": 1, "s": {}, "sa": { "a": 1 }, "a": { "b": 0 } },
        rawdoc! {
            "d": { "0": false }, "u": { "a.b": 2 }, "i": { "$d": 3, "u": 4 },
            "s": { "u": { "x": 2 } }, "s$c": { "u": { "0": 2 } }, "ss": { "i": { "": 1 } }, "ssa": { "u": { "a": 2 } }
        },
        rawdoc! {
            "_id": 1, "": { "x": 2 }, "a.b": 2, "$c": { "0": 2 }, "s": { "": 1 }, "sa": { "a": 2 }, "a": { "b": 0 },
            "$d": 3, "u": 4
        },
    );
}

#[test]
fn a_section_may_be_empty() {
    becomes(rawdoc! { "_id": 1, "a": 1 }, rawdoc! { "u": {} }, rawdoc! { "_id": 1, "a": 1 });
}

#[test]
fn every_type_of_value_keeps_its_bytes() {
    use crate::testing::documents::every_type;
    let raw = rawdoc! { "i": { "v": every_type(7) } };
    becomes(every_type(1), raw, {
        let mut result = every_type(1);
        result.append(bson::raw::cstr!("v"), every_type(7));
        result
    });
}
