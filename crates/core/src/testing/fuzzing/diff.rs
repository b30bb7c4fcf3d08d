//! Applying the diff of an update.

use bson::{RawDocumentBuf, rawdoc};

use super::{
    corpus::{Seed, seed},
    update::split,
};
use crate::{diff::Diff, document::Document, element::Elements};

/// What an accepted diff makes of a document is a document with the same id, in which the fields of
/// the document itself are as the diff says; or the diff does not fit. The bytes are a document
/// and, behind it, a diff.
///
/// # Panics
/// When it is not.
pub fn apply_diff(bytes: &[u8]) {
    let Some((base, diff)) = split(bytes) else { return };
    let Ok(diff) = Diff::from_bytes(diff.to_vec()) else { return };
    let Ok(base) = Document::from_bytes(base) else { return };
    let Ok(after) = diff.apply(&base) else { return };
    assert_eq!(Document::from_bytes(after.as_bytes()).as_ref(), Ok(&after));
    assert_eq!(after.id(), base.id());
    let value = |name: &str| Elements::of(after.as_raw()).find(|field| field.name == name).map(|field| field.value);
    for section in Elements::of(diff.as_raw()) {
        for field in section.value.elements() {
            match section.name {
                // The `_id` stays.
                "d" => assert!(field.name == "_id" || value(field.name).is_none(), "{} is there", field.name),
                "u" | "i" => assert_eq!(value(field.name), Some(field.value), "{}", field.name),
                _ => {}
            }
        }
    }
}

pub(super) fn seeds() -> Vec<Seed> {
    let base = rawdoc! {
        "_id": 1, "n": 7, "s": "text", "o": { "x": 1, "y": { "z": 2.5 } }, "a": [1, { "x": 1 }, [3], "four"]
    };
    let on = |base: &RawDocumentBuf, diff: RawDocumentBuf| [base.as_bytes(), diff.as_bytes()].concat();
    let twice = rawdoc! { "_id": 1, "a": 1, "a": 2 };
    vec![
        seed("delete", on(&base, rawdoc! { "d": { "n": false, "o": false } })),
        seed("update-and-append", on(&base, rawdoc! { "u": { "s": 1, "new": 2 } })),
        seed("insert-and-move", on(&base, rawdoc! { "i": { "new": { "x": [] }, "n": 7 } })),
        seed("all-sections", on(&base, all_sections())),
        seed("array-cut", on(&base, rawdoc! { "sa": { "a": true, "l": 2, "u0": bson::RawBson::Null } })),
        seed("array-padded", on(&base, rawdoc! { "sa": { "a": true, "l": 9, "u6": 1 } })),
        seed(
            "array-inside",
            on(&base, rawdoc! { "sa": { "a": true, "s1": { "i": { "y": 1 } }, "s2": { "a": true, "u1": 4 } } }),
        ),
        seed("id-left-out", on(&base, rawdoc! { "d": { "_id": false }, "u": { "n": 8 } })),
        seed("id-moved-and-of-another-type", on(&base, rawdoc! { "i": { "_id": 1.0 } })),
        seed("id-other", on(&base, rawdoc! { "u": { "_id": 2 } })),
        seed("missing", on(&base, rawdoc! { "snone": { "u": { "x": 1 } } })),
        seed("other-type", on(&base, rawdoc! { "so": { "a": true, "u0": 1 } })),
        seed("named-twice-in-the-document", on(&twice, rawdoc! { "u": { "a": 3 } })),
        seed("named-twice-in-the-diff", on(&base, rawdoc! { "u": { "n": 1 }, "i": { "n": 2 } })),
        seed("binary-section", on(&base, rawdoc! { "b": { "s": { "o": 1, "d": 2 } } })),
        seed("index-beyond-the-new-length", on(&base, rawdoc! { "sa": { "a": true, "l": 1, "u1": 1 } })),
        seed("index-far-away", on(&base, rawdoc! { "sa": { "a": true, "u1999999999": 1 } })),
    ]
}

fn all_sections() -> RawDocumentBuf {
    rawdoc! { "d": { "n": false }, "u": { "s": "other" }, "i": { "new": 1 }, "so": { "d": { "x": false }, "sy": { "u": { "z": 3 } } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise a body that refuses everything would pass.
    #[test]
    fn the_diffs_of_the_corpus_that_fit_are_applied() {
        let mut applied = Vec::new();
        for (name, bytes) in seeds() {
            let (base, diff) = split(&bytes).unwrap();
            let base = Document::from_bytes(base).unwrap();
            let after = Diff::from_bytes(diff.to_vec()).ok().and_then(|diff| diff.apply(&base).ok());
            if after.is_some_and(|after| after != base) {
                applied.push(name);
            }
        }
        let fit: Vec<_> = seeds().into_iter().take(9).map(|(name, _)| name).collect();
        assert_eq!(applied, fit);
    }
}
