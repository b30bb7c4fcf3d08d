//! Bytes that become documents, ids, namespaces, entries and updates.

use bson::{RawDocumentBuf, raw::cstr, rawdoc};
use oplogsync_core::{
    clock::OpTime,
    codec,
    diff::Diff,
    document::Document,
    entry::Kind,
    limits::DOCUMENT_BYTES_MAX,
    namespace::Namespace,
    testing::{
        chain::{Chain, log_id},
        documents::namespace,
        hostile::{large_documents, namespaces, small_documents},
    },
    update::Update,
};

use crate::{
    alone::alone,
    byte_log::forged,
    cost::{REFUSED_KIB_MAX, within_bounds},
};

/// The most that an error, or a document in one, may say.
const MESSAGE_BYTES_MAX: usize = 4 * 1024;

#[test]
fn a_hostile_document_is_refused_or_taken_as_a_mongod_takes_it() {
    alone("decoding::a_hostile_document_is_refused_or_taken_as_a_mongod_takes_it", || {
        for hostile in small_documents().into_iter().chain(large_documents()) {
            let (name, accepted) = (hostile.name, hostile.accepted);
            let said = within_bounds(name, hostile.bytes.len(), REFUSED_KIB_MAX, || {
                match Document::from_bytes(hostile.bytes) {
                    Ok(document) => {
                        assert!(accepted, "{name} was taken");
                        let id = document.id();
                        format!("{document:?} {id} {id:?}")
                    }
                    Err(error) => {
                        assert!(!accepted, "{name} was refused: {error}");
                        format!("{error} {error:?}")
                    }
                }
            });
            assert!(said.len() <= MESSAGE_BYTES_MAX, "{name} makes a message of {} bytes", said.len());
        }
    });
}

#[test]
fn an_entry_with_a_hostile_document_is_refused() {
    alone("decoding::an_entry_with_a_hostile_document_is_refused", || {
        let ns = namespace("items");
        let entry = Chain::new(log_id(1)).insert(&ns, rawdoc! { "_id": 1 }).take().remove(0);
        for hostile in small_documents().into_iter().chain(large_documents()) {
            for kind in [Kind::Insert, Kind::Delete] {
                let bytes = forged(&entry, kind.code(), ns.as_str().as_bytes(), &hostile.bytes);
                let case = format!("{} of {}", kind.code() as char, hostile.name);
                let error = within_bounds(&case, bytes.len(), REFUSED_KIB_MAX, || codec::decode(&bytes).unwrap_err());
                assert!(format!("{error} {error:?}").len() <= MESSAGE_BYTES_MAX);
            }
        }
    });
}

#[test]
fn a_namespace_that_is_never_replicated_is_refused_as_text_and_in_an_entry() {
    alone("decoding::a_namespace_that_is_never_replicated_is_refused_as_text_and_in_an_entry", || {
        let document = rawdoc! { "_id": 1 };
        let entry = Chain::new(log_id(1)).insert(&namespace("items"), document.clone()).take().remove(0);
        for text in namespaces() {
            let case = format!("namespace {:?}", text.chars().take(30).collect::<String>());
            let error = within_bounds(&case, text.len(), REFUSED_KIB_MAX, || Namespace::new(&text).unwrap_err());
            assert!(format!("{error} {error:?}").len() <= MESSAGE_BYTES_MAX);
            let bytes = forged(&entry, Kind::Insert.code(), text.as_bytes(), document.as_bytes());
            within_bounds(&case, bytes.len(), REFUSED_KIB_MAX, || codec::decode(&bytes).unwrap_err());
        }
    });
}

#[test]
fn a_hostile_document_as_an_update_or_under_one_keeps_within_bounds() {
    // What is taken is evaluated: then its parts are in memory too.
    const EVALUATED_KIB_MAX: u64 = 4 * REFUSED_KIB_MAX;
    alone("decoding::a_hostile_document_as_an_update_or_under_one_keeps_within_bounds", || {
        let target = Document::new(rawdoc! { "_id": 1, "list": [] }).unwrap();
        let updates =
            [rawdoc! { "$set": { "new": 1 } }, rawdoc! { "$push": { "a": 1 } }, rawdoc! { "$unset": { "a": 1 } }];
        let updates = updates.map(|update| Update::parse(&update).unwrap());
        for hostile in small_documents().into_iter().chain(large_documents()) {
            let name = hostile.name;
            // What frames no bytes is no raw document, and cannot come here.
            let Ok(raw) = RawDocumentBuf::from_bytes(hostile.bytes) else { continue };
            let size = raw.as_bytes().len();
            within_bounds(&format!("{name} as an update"), size, REFUSED_KIB_MAX, || drop(Update::parse(&raw)));
            for operator in [cstr!("$set"), cstr!("$pull")] {
                let mut update = RawDocumentBuf::new();
                update.append(operator, rawdoc! { "list": raw.clone() });
                within_bounds(&format!("{name} in {operator}"), size, EVALUATED_KIB_MAX, || {
                    let update = Update::parse(&update);
                    let after = update.map(|update| update.evaluate(&target.id(), Some(&target), OpTime::default()));
                    assert!(hostile.accepted || name.starts_with("id-") || after.is_err(), "{name} was taken");
                });
            }
            let Ok(document) = Document::new(raw) else { continue };
            for update in &updates {
                within_bounds(&format!("{name} under an update"), size, EVALUATED_KIB_MAX, || {
                    drop(update.evaluate(&document.id(), Some(&document), OpTime::default()));
                });
            }
        }
    });
}

#[test]
fn a_hostile_document_as_a_diff_or_in_one_keeps_within_bounds() {
    // The names that a diff changes are in memory too.
    const APPLIED_KIB_MAX: u64 = 6 * REFUSED_KIB_MAX;
    alone("decoding::a_hostile_document_as_a_diff_or_in_one_keeps_within_bounds", || {
        let base = Document::new(rawdoc! { "_id": 1, "a": [], "o": {} }).unwrap();
        let sections = [cstr!("d"), cstr!("u"), cstr!("i"), cstr!("so"), cstr!("sa")];
        for hostile in small_documents().into_iter().chain(large_documents()) {
            let name = hostile.name;
            let said = within_bounds(&format!("{name} as a diff"), hostile.bytes.len(), REFUSED_KIB_MAX, || {
                format!("{:?}", Diff::from_bytes(hostile.bytes.clone()).unwrap_err())
            });
            assert!(said.len() <= MESSAGE_BYTES_MAX, "{name} makes a message of {} bytes", said.len());
            let Ok(raw) = RawDocumentBuf::from_bytes(hostile.bytes) else { continue };
            for section in sections {
                let mut diff = RawDocumentBuf::new();
                diff.append(section, raw.clone());
                let (case, size) = (format!("{name} in {section}"), diff.as_bytes().len());
                let said = within_bounds(&case, size, APPLIED_KIB_MAX, || {
                    format!("{:?}", Diff::new(diff).map(|diff| diff.apply(&base)))
                });
                assert!(said.len() <= MESSAGE_BYTES_MAX, "{case} makes a message of {} bytes", said.len());
            }
        }
    });
}

#[test]
fn few_bytes_of_a_diff_that_ask_for_long_arrays_keep_within_bounds() {
    alone("decoding::few_bytes_of_a_diff_that_ask_for_long_arrays_keep_within_bounds", || {
        let mut base = rawdoc! { "_id": 1 };
        let mut diff = RawDocumentBuf::new();
        for at in 0..1000 {
            base.append(bson::raw::CString::try_from(format!("a{at}")).unwrap(), bson::RawArrayBuf::new());
            let longest = rawdoc! { "a": true, "l": 1_999_999, "u1999998": 1 };
            diff.append(bson::raw::CString::try_from(format!("sa{at}")).unwrap(), longest);
        }
        let (base, diff) = (Document::new(base).unwrap(), Diff::new(diff).unwrap());
        // As much is written as a document may have, and no more.
        let written = DOCUMENT_BYTES_MAX;
        within_bounds("a thousand long arrays", written, REFUSED_KIB_MAX, || diff.apply(&base).unwrap_err());
    });
}
