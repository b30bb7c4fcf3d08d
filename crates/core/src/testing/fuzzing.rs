//! The bodies of the fuzz targets. Whatever the bytes are, they return, and what they accept
//! keeps its promises. They run over a small corpus as plain tests too.

use crate::{
    clock::OpTime,
    codec,
    doc_id::DocId,
    document::{Document, DocumentError},
    update::Update,
};

/// Bytes that decode as an entry encode to the same bytes again.
///
/// # Panics
/// When they do not.
pub fn decode_entry(bytes: &[u8]) {
    if let Ok(entry) = codec::decode(bytes) {
        let mut again = Vec::new();
        codec::encode(&entry, &mut again);
        assert_eq!(again, bytes);
    }
}

/// A document that passes the check can be walked to its end, and its id is equal to itself.
///
/// # Panics
/// When it is not.
pub fn check_document(bytes: &[u8]) {
    if let Ok(document) = Document::from_bytes(bytes.to_vec()) {
        let id = document.id();
        let same = DocId::new(id.value().into());
        assert_eq!(same.as_ref(), Ok(&id));
        assert!(document.as_raw().iter_elements().all(|element| element.is_ok()));
    }
}

/// An update that is accepted makes a document with the same id, or is refused with a code. The
/// bytes are a document and, behind it, an update.
///
/// # Panics
/// When it makes another id.
pub fn evaluate_update(bytes: &[u8]) {
    let Some((document, update)) = split(bytes) else { return };
    let (Ok(document), Ok(update)) = (Document::from_bytes(document.to_vec()), checked(update)) else { return };
    let Ok(update) = Update::parse(&update) else { return };
    if let Ok(after) = update.evaluate(&document.id(), Some(&document), OpTime::default()) {
        assert_eq!(after.id(), document.id());
    }
}

/// Splits bytes behind the document that they begin with.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = i32::from_le_bytes(*bytes.first_chunk()?);
    bytes.split_at_checked(usize::try_from(length).ok()?)
}

fn checked(bytes: &[u8]) -> Result<bson::RawDocumentBuf, DocumentError> {
    crate::raw_check::check(bytes)?;
    bson::RawDocumentBuf::from_bytes(bytes.to_vec())
        .map_err(|_| DocumentError::Malformed { offset: 0, what: "the length does not frame the bytes" })
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;
    use crate::{entry::Operation, testing::chain::Chain, testing::chain::log_id, testing::documents::every_type};

    /// Runs a target over every seed, every cut of it and every single changed byte.
    fn run_around(target: fn(&[u8]), seeds: &[Vec<u8>]) {
        for seed in seeds {
            for end in 0..=seed.len() {
                target(&seed[..end]);
            }
            for at in 0..seed.len() {
                for flip in [0x01, 0x10, 0x80, 0xFF] {
                    let mut changed = seed.clone();
                    changed[at] ^= flip;
                    target(&changed);
                }
            }
        }
    }

    #[test]
    fn entries_around_the_corpus_decode_or_are_refused() {
        let ns = crate::testing::documents::namespace("fuzz");
        let mut chain = Chain::new(log_id(1));
        chain.new_term().insert(&ns, every_type(1)).delete(&ns, crate::testing::documents::id(1)).push(Operation::Noop);
        let seeds: Vec<_> = chain
            .take()
            .iter()
            .map(|entry| {
                let mut bytes = Vec::new();
                codec::encode(entry, &mut bytes);
                bytes
            })
            .collect();
        assert!(seeds.iter().all(|seed| codec::decode(seed).is_ok()));
        run_around(decode_entry, &seeds);
    }

    #[test]
    fn documents_around_the_corpus_pass_or_are_refused() {
        let seeds = [every_type(1).into_bytes(), rawdoc! { "_id": { "a": [1, { "b": "x" }] } }.into_bytes()];
        assert!(Document::from_bytes(seeds[0].clone()).is_ok());
        run_around(check_document, &seeds);
    }

    #[test]
    fn updates_around_the_corpus_evaluate_or_are_refused() {
        let document = rawdoc! { "_id": 1, "a": { "b": [1, 2.5, "x"] }, "n": 7 }.into_bytes();
        let updates = [
            rawdoc! { "$set": { "a.b.1": 5 }, "$inc": { "n": 1_i64 } },
            rawdoc! { "$push": { "a.b": { "$each": [3, 1], "$sort": 1, "$slice": -2 } } },
            rawdoc! { "$rename": { "n": "m.o" }, "$unset": { "a.b.0": "" } },
        ];
        let seeds = updates.map(|update| [document.as_slice(), update.as_bytes()].concat());
        run_around(evaluate_update, &seeds);
    }
}
