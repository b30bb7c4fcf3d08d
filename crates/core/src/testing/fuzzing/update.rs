//! Evaluating an update.

use bson::{RawDocumentBuf, rawdoc};

use super::corpus::{Seed, seed};
use crate::{
    clock::OpTime,
    document::{Document, DocumentError},
    raw_check,
    update::Update,
};

/// An update that is accepted makes a document with the same id, or is refused with a code. The
/// bytes are a document and, behind it, an update.
///
/// # Panics
/// When it makes another id.
pub fn evaluate_update(bytes: &[u8]) {
    let Some((document, update)) = split(bytes) else { return };
    let Ok(update) = checked(update) else { return };
    let Ok(update) = Update::parse(&update) else { return };
    let Ok(document) = Document::from_bytes(document) else { return };
    for current in [Some(&document), None] {
        if let Ok(after) = update.evaluate(&document.id(), current, OpTime::default()) {
            assert_eq!(after.id(), document.id());
        }
    }
}

/// Splits bytes behind the document that they begin with.
pub(super) fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = i32::from_le_bytes(*bytes.first_chunk()?);
    bytes.split_at_checked(usize::try_from(length).ok()?)
}

fn checked(bytes: &[u8]) -> Result<RawDocumentBuf, DocumentError> {
    raw_check::check(bytes)?;
    RawDocumentBuf::from_bytes(bytes.to_vec())
        .map_err(|_| DocumentError::Malformed { offset: 0, what: "the length does not frame the bytes" })
}

pub(super) fn seeds() -> Vec<Seed> {
    let document = rawdoc! { "_id": 1, "a": { "b": [1, 2.5, "x"] }, "n": 7 };
    let both = |name, update: RawDocumentBuf| seed(name, [document.as_bytes(), update.as_bytes()].concat());
    vec![
        both("set-and-inc", rawdoc! { "$set": { "a.b.1": 5 }, "$inc": { "n": 1_i64 } }),
        both("push-sort-slice", rawdoc! { "$push": { "a.b": { "$each": [3, 1], "$sort": 1, "$slice": -2 } } }),
        both("rename-and-unset", rawdoc! { "$rename": { "n": "m.o" }, "$unset": { "a.b.0": "" } }),
        both("pull-and-min", rawdoc! { "$pull": { "a.b": { "$gte": 2 } }, "$min": { "n": f64::NAN } }),
        both(
            "add-to-set-and-bit",
            rawdoc! { "$addToSet": { "a.b": { "$each": [1, 1.0, "y"] } }, "$bit": { "n": { "xor": 5 } } },
        ),
        both("set-proto-and-dollar", rawdoc! { "$set": { "__proto__": 1, "a.$ne": null } }),
        both("set-far-beyond-an-array", rawdoc! { "$set": { "a.b.1500009": 1 } }),
        both("set-a-path-of-many-parts", rawdoc! { "$set": { "p.p.p.p.p.p.p.p.p.p.p.p.p.p.p.p.p.p.p.p.p.p.p.p": 1 } }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise an evaluation that refuses everything would pass.
    #[test]
    fn the_usual_updates_of_the_corpus_are_evaluated() {
        let mut evaluated = Vec::new();
        for (name, bytes) in seeds() {
            let (document, update) = split(&bytes).unwrap();
            let (document, update) = (Document::from_bytes(document).unwrap(), checked(update).unwrap());
            let after = Update::parse(&update)
                .and_then(|update| update.evaluate(&document.id(), Some(&document), OpTime::default()));
            if after.is_ok_and(|after| after != document) {
                evaluated.push(name);
            }
        }
        let usual = ["set-and-inc", "push-sort-slice", "rename-and-unset", "pull-and-min", "add-to-set-and-bit"];
        assert!(evaluated.iter().map(String::as_str).take(usual.len()).eq(usual), "{evaluated:?}");
    }
}
