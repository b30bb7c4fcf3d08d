//! Diffs that were made for another document.

use bson::spec::ElementType;

use super::*;

fn missing(base: RawDocumentBuf, raw: RawDocumentBuf, path: &str) {
    assert_eq!(apply(base, raw), Err(Misfit::Missing { path: path.to_owned() }));
}

#[test]
fn a_diff_into_what_is_not_there() {
    missing(rawdoc! { "_id": 1 }, rawdoc! { "sa": { "u": { "b": 1 } } }, "a");
    missing(rawdoc! { "_id": 1, "a": {} }, rawdoc! { "sa": { "sb": { "a": true, "u0": 1 } } }, "a.b");
    let item = || rawdoc! { "sa": { "a": true, "s1": { "u": { "b": 1 } } } };
    missing(rawdoc! { "_id": 1, "a": [{}] }, item(), "a.1");
    missing(rawdoc! { "_id": 1, "a": [] }, item(), "a.1");
    missing(
        rawdoc! { "_id": 1, "a": [] },
        rawdoc! { "sa": { "a": true, "l": 3, "s2": { "a": true, "u0": 1 } } },
        "a.2",
    );
}

#[test]
fn a_diff_into_another_type() {
    let (document, array) = (ElementType::EmbeddedDocument, ElementType::Array);
    for (base, raw, path, wanted, found) in [
        (bson::rawbson!([]), rawdoc! { "u": { "0": 1 } }, "a", document, array),
        (bson::rawbson!({}), rawdoc! { "a": true, "u0": 1 }, "a", array, document),
        (bson::rawbson!(5), rawdoc! { "i": { "b": 1 } }, "a", document, ElementType::Int32),
        (bson::rawbson!([NULL]), rawdoc! { "a": true, "s0": { "i": { "b": 1 } } }, "a.0", document, ElementType::Null),
    ] {
        let misfit = Misfit::OtherType { path: path.to_owned(), wanted, found };
        assert_eq!(apply(rawdoc! { "_id": 1, "a": base }, rawdoc! { "sa": raw }), Err(misfit));
    }
}

/// The primary would change the first, its secondaries both.
#[test]
fn a_change_of_a_field_that_is_there_twice() {
    let twice = || rawdoc! { "_id": 1, "o": { "a": { "x": 1 }, "a": { "x": 1 }, "b": 1 } };
    for raw in [
        rawdoc! { "d": { "a": false } },
        rawdoc! { "u": { "a": 1 } },
        rawdoc! { "i": { "a": 1 } },
        rawdoc! { "sa": { "u": { "x": 1 } } },
    ] {
        let misfit = apply(twice(), rawdoc! { "so": raw });
        assert_eq!(misfit, Err(Misfit::Ambiguous { path: "o.a".to_owned() }));
    }
    let result = rawdoc! { "_id": 1, "o": { "a": { "x": 1 }, "a": { "x": 1 }, "b": 2 } };
    becomes(twice(), rawdoc! { "so": { "u": { "b": 2 } } }, result);
}

#[test]
fn a_result_that_cannot_be_stored() {
    let large = "x".repeat(crate::limits::DOCUMENT_BYTES_MAX / 2);
    let base = rawdoc! { "_id": 1, "a": large.as_str() };
    let misfit = apply(base, rawdoc! { "i": { "b": large.as_str() } });
    assert!(matches!(misfit, Err(Misfit::Result(DocumentError::TooLarge { .. }))), "{misfit:?}");
    // An item of an array has no section around it: the diff is no deeper than the result.
    let deep = nested(DOCUMENT_DEPTH_MAX - 1, rawdoc! { "x": 1 });
    let misfit = apply(rawdoc! { "_id": 1, "a": [] }, rawdoc! { "sa": { "a": true, "u0": deep } });
    assert_eq!(misfit, Err(Misfit::Result(DocumentError::TooDeep)));
}

#[test]
fn few_bytes_that_ask_for_long_arrays_are_stopped_in_time() {
    let arrays = |item: RawBson| {
        let mut document = rawdoc! { "_id": 1 };
        (0..1000).for_each(|at| document.append(name(&at.to_string()), item.clone()));
        document
    };
    let mut raw = RawDocumentBuf::new();
    (0..1000).for_each(|at| raw.append(name(&format!("s{at}")), rawdoc! { "a": true, "l": 1_900_000 }));
    let misfit = apply(arrays(bson::rawbson!([])), raw);
    let Err(Misfit::Result(DocumentError::TooLarge { bytes })) = misfit else { panic!("{misfit:?}") };
    assert!(bytes < crate::limits::DOCUMENT_BYTES_MAX + 100, "{bytes}");
}
