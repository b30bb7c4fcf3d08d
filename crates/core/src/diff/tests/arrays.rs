//! Diffs of arrays.

use super::*;

fn array_becomes(base: RawBson, raw: RawDocumentBuf, result: RawBson) {
    becomes(rawdoc! { "_id": 1, "a": base }, rawdoc! { "sa": raw }, rawdoc! { "_id": 1, "a": result });
}

#[test]
fn items_get_values_and_change_inside() {
    array_becomes(
        bson::rawbson!([1, { "x": 1 }, [1, 2], 4]),
        rawdoc! { "a": true, "u0": "one", "s1": { "u": { "x": 2 } }, "s2": { "a": true, "u1": 3 } },
        bson::rawbson!(["one", { "x": 2 }, [1, 3], 4]),
    );
}

#[test]
fn a_new_length_cuts_or_pads_with_nulls() {
    let cut = || rawdoc! { "a": true, "l": 2 };
    array_becomes(bson::rawbson!([1, 2, 3, 4]), cut(), bson::rawbson!([1, 2]));
    array_becomes(bson::rawbson!([1]), cut(), bson::rawbson!([1, NULL]));
    array_becomes(bson::rawbson!([1]), rawdoc! { "a": true, "l": 0 }, bson::rawbson!([]));
    array_becomes(bson::rawbson!([1, 2, 3]), rawdoc! { "a": true, "l": 2, "u1": 5 }, bson::rawbson!([1, 5]));
}

#[test]
fn an_index_beyond_the_end_pads_with_nulls() {
    let raw = rawdoc! { "a": true, "u3": 1, "u5": { "b": 2 } };
    array_becomes(bson::rawbson!([1]), raw, bson::rawbson!([1, NULL, NULL, 1, NULL, { "b": 2 }]));
}

#[test]
fn a_diff_of_an_array_may_change_nothing() {
    array_becomes(bson::rawbson!([1, 2]), rawdoc! { "a": true }, bson::rawbson!([1, 2]));
}

#[test]
fn arrays_of_more_than_ten_items_keep_their_order() {
    let items = |eleventh: i32| RawBson::Array((0..12).map(|at| if at == 10 { eleventh } else { at }).collect());
    array_becomes(items(10), rawdoc! { "a": true, "u10": 77 }, items(77));
}

/// As a secondary does it; the primary keeps odd names if it sets an item.
#[test]
fn items_are_named_by_their_indexes_whatever_their_names_were() {
    let mut bytes = rawdoc! { "_id": 1, "a": [1, 2] }.into_bytes();
    let at = bytes.windows(2).rposition(|two| two == [b'1', 0]).unwrap();
    bytes[at] = b'x';
    let base = RawDocumentBuf::from_bytes(bytes).unwrap();
    becomes(base, rawdoc! { "sa": { "a": true, "u0": 5 } }, rawdoc! { "_id": 1, "a": [5, 2] });
}
