//! What touches the `_id`.

use super::*;

/// `[{ $replaceWith: { a: 2 } }]`, and others that leave the `_id` to the server.
#[test]
fn an_id_that_a_pipeline_leaves_out_is_kept() {
    becomes(
        rawdoc! { "_id": 1, "a": 1 },
        rawdoc! { "d": { "_id": false }, "u": { "a": 2 } },
        rawdoc! { "_id": 1, "a": 2 },
    );
}

#[test]
fn an_id_that_a_pipeline_moves_stays_in_front() {
    becomes(rawdoc! { "_id": 1, "a": 1 }, rawdoc! { "i": { "_id": 1, "x": 1 } }, rawdoc! { "_id": 1, "a": 1, "x": 1 });
}

#[test]
fn an_id_may_get_an_equal_value_of_another_type() {
    becomes(rawdoc! { "_id": 1, "a": 1 }, rawdoc! { "u": { "_id": 1.0 } }, rawdoc! { "_id": 1.0, "a": 1 });
    becomes(
        rawdoc! { "_id": { "x": 1, "y": 2 } },
        rawdoc! { "s_id": { "u": { "x": 1_i64 } } },
        rawdoc! { "_id": { "x": 1_i64, "y": 2 } },
    );
}

#[test]
fn another_id_is_a_misfit() {
    assert_eq!(apply(rawdoc! { "_id": 1 }, rawdoc! { "u": { "_id": 2 } }), Err(Misfit::OtherId));
    assert_eq!(apply(rawdoc! { "_id": 1 }, rawdoc! { "i": { "_id": "1" } }), Err(Misfit::OtherId));
    let misfit = apply(rawdoc! { "_id": 1 }, rawdoc! { "u": { "_id": [1] } });
    assert!(matches!(misfit, Err(Misfit::Result(DocumentError::Id(_)))), "{misfit:?}");
}

#[test]
fn an_id_inside_is_a_field_like_others() {
    becomes(
        rawdoc! { "_id": 1, "a": { "_id": 1, "b": 1 } },
        rawdoc! { "sa": { "d": { "_id": false } } },
        rawdoc! { "_id": 1, "a": { "b": 1 } },
    );
}
