//! What is no diff.

use super::*;

fn text(path: &str) -> String {
    path.to_owned()
}

#[test]
fn nothing_is_no_diff() {
    assert_eq!(is_refused(rawdoc! {}), DiffError::Empty { path: text("") });
    assert_eq!(is_refused(rawdoc! { "sa": { "sb": {} } }), DiffError::Empty { path: text("a.b") });
    assert_eq!(is_refused(rawdoc! { "sa": { "a": true, "s7": {} } }), DiffError::Empty { path: text("a.7") });
}

#[test]
fn unknown_sections() {
    let unknown = |path, section: &str| DiffError::Unknown { path: text(path), section: section.to_owned() };
    assert_eq!(is_refused(rawdoc! { "b": { "a": 1 } }), unknown("", "b"));
    assert_eq!(is_refused(rawdoc! { "u": { "a": 1 }, "b": { "a": 1 } }), unknown("", "b"));
    assert_eq!(is_refused(rawdoc! { "ux": { "a": 1 } }), unknown("", "ux"));
    assert_eq!(is_refused(rawdoc! { "": { "a": 1 } }), unknown("", ""));
    assert_eq!(is_refused(rawdoc! { "$v": 2, "diff": { "u": { "a": 1 } } }), unknown("", "$v"));
    assert_eq!(is_refused(rawdoc! { "sa": { "o": true } }), unknown("a", "o"));
    assert_eq!(is_refused(rawdoc! { "sa": { "a": true, "b0": 1 } }), unknown("a", "b0"));
    assert_eq!(is_refused(rawdoc! { "sa": { "a": true, "": 1 } }), unknown("a", ""));
    assert_eq!(is_refused(rawdoc! { "sa": { "l": 1 } }), unknown("a", "l"));
}

/// The update of a document is never that of an array.
#[test]
fn the_document_itself_is_no_array() {
    let unknown = DiffError::Unknown { path: text(""), section: text("a") };
    assert_eq!(is_refused(rawdoc! { "a": true, "u0": 1 }), unknown);
}

#[test]
fn sections_in_another_order_or_twice() {
    let misplaced = |path, section: &str| DiffError::Misplaced { path: text(path), section: section.to_owned() };
    assert_eq!(is_refused(rawdoc! { "u": { "a": 1 }, "d": { "b": false } }), misplaced("", "d"));
    assert_eq!(is_refused(rawdoc! { "u": { "a": 1 }, "u": { "b": 1 } }), misplaced("", "u"));
    assert_eq!(is_refused(rawdoc! { "sa": { "u": { "b": 1 } }, "i": { "b": 1 } }), misplaced("", "i"));
    assert_eq!(is_refused(rawdoc! { "sa": { "a": true, "u0": 1, "l": 1 } }), misplaced("a", "l"));
    assert_eq!(is_refused(rawdoc! { "sa": { "a": true, "a": true } }), misplaced("a", "a"));
    assert_eq!(is_refused(rawdoc! { "sa": { "a": true, "u1": 1, "u0": 1 } }), misplaced("a", "u0"));
    assert_eq!(is_refused(rawdoc! { "sa": { "a": true, "u1": 1, "s1": {} } }), misplaced("a", "s1"));
}

#[test]
fn wrong_types() {
    let wrong = |path, section: &str| DiffError::WrongType { path: text(path), section: section.to_owned() };
    assert_eq!(is_refused(rawdoc! { "u": 1 }), wrong("", "u"));
    assert_eq!(is_refused(rawdoc! { "i": [1] }), wrong("", "i"));
    assert_eq!(is_refused(rawdoc! { "d": ["a"] }), wrong("", "d"));
    assert_eq!(is_refused(rawdoc! { "d": { "a": true } }), wrong("", "d"));
    assert_eq!(is_refused(rawdoc! { "d": { "a": false, "b": 0 } }), wrong("", "d"));
    assert_eq!(is_refused(rawdoc! { "sa": 1 }), wrong("", "sa"));
    assert_eq!(is_refused(rawdoc! { "sa": [{ "u": { "b": 1 } }] }), wrong("", "sa"));
    assert_eq!(is_refused(rawdoc! { "sa": { "a": false, "u0": 1 } }), wrong("a", "a"));
    assert_eq!(is_refused(rawdoc! { "sa": { "a": 1, "u0": 1 } }), wrong("a", "a"));
    assert_eq!(is_refused(rawdoc! { "sa": { "a": true, "l": 1_i64 } }), wrong("a", "l"));
    assert_eq!(is_refused(rawdoc! { "sa": { "a": true, "s0": 1 } }), wrong("a", "s0"));
}

#[test]
fn one_field_changed_twice() {
    let repeated = |path| DiffError::Repeated { path: text(path) };
    assert_eq!(is_refused(rawdoc! { "u": { "a": 1, "a": 2 } }), repeated("a"));
    assert_eq!(is_refused(rawdoc! { "d": { "a": false }, "i": { "b": 1, "a": 2 } }), repeated("a"));
    assert_eq!(is_refused(rawdoc! { "u": { "a": {} }, "sa": { "u": { "b": 1 } } }), repeated("a"));
    let twice = rawdoc! { "sb": { "u": { "c": 1 } }, "sb": { "u": { "c": 1 } } };
    assert_eq!(is_refused(rawdoc! { "sa": twice }), repeated("a.b"));
}

#[test]
fn what_is_no_index_and_no_length() {
    let index = |section: &str| DiffError::Index { path: text("a"), section: section.to_owned() };
    for section in ["u", "s", "u-1", "u+1", "u01", "u00", "u1x", "u 1", "u1.0", "u2000000", "u99999999999999999999"] {
        let mut array = rawdoc! { "a": true };
        array.append(name(section), 1);
        assert_eq!(is_refused(rawdoc! { "sa": array }), index(section));
    }
    assert_eq!(is_refused(rawdoc! { "sa": { "a": true, "l": -1 } }), index("l"));
    assert_eq!(is_refused(rawdoc! { "sa": { "a": true, "l": 2_000_001 } }), index("l"));
    assert_eq!(is_refused(rawdoc! { "sa": { "a": true, "l": i32::MIN } }), index("l"));
    // A mongod dies of it.
    assert_eq!(is_refused(rawdoc! { "sa": { "a": true, "l": 2, "u2": 1 } }), index("u2"));
}

#[test]
fn what_is_no_bson() {
    let bytes = rawdoc! { "u": { "a": "text", "b": [1, 2] }, "sc": { "a": true, "l": 1 } }.into_bytes();
    for end in 0..bytes.len() {
        assert!(Diff::from_bytes(bytes[..end].to_vec()).is_err(), "cut at {end}");
    }
    assert!(matches!(Diff::from_bytes(bytes[1..].to_vec()), Err(DiffError::Malformed { .. })));
}

#[test]
fn what_is_too_large() {
    let with = |bytes: usize| {
        let diff = rawdoc! { "u": { "a": "x".repeat(bytes - 21) } };
        assert_eq!(diff.as_bytes().len(), bytes);
        Diff::new(diff)
    };
    assert!(with(DIFF_BYTES_MAX).is_ok());
    assert_eq!(with(DIFF_BYTES_MAX + 1).unwrap_err(), DiffError::TooLarge { bytes: DIFF_BYTES_MAX + 1 });
}

#[test]
fn messages_are_short_whatever_is_in_the_names() {
    let long = "s".repeat(100_000);
    let mut inner = RawDocumentBuf::new();
    inner.append(name(&long), 1);
    for raw in [inner.clone(), rawdoc! { "sa": inner.clone() }, rawdoc! { "u": inner }] {
        let mut outer = RawDocumentBuf::new();
        outer.append(name(&long), raw);
        let said = format!(
            "{:?}",
            Diff::new(outer.clone()).map(|diff| diff.apply(&Document::new(rawdoc! { "_id": 1 }).unwrap()))
        );
        assert!(said.len() < 2000, "{said}");
        assert!(format!("{:?}", Diff::new(outer)).len() < 2000);
    }
}
