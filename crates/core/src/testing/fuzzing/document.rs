//! Checking a document.

use bson::rawdoc;

use super::corpus::{Seed, seed};
use crate::{
    doc_id::DocId,
    document::Document,
    testing::{documents::every_type, hostile},
};

/// A document that passes the check can be walked to its end, and its id is equal to itself.
///
/// # Panics
/// When it is not.
pub fn check_document(bytes: &[u8]) {
    if let Ok(document) = Document::from_bytes(bytes) {
        let id = document.id();
        let same = DocId::new(id.value().into());
        assert_eq!(same.as_ref(), Ok(&id));
        assert!(document.as_raw().iter_elements().all(|element| element.is_ok()));
        // The recursive decoder must manage whatever passes.
        assert!(bson::Document::try_from(document.as_raw()).is_ok());
    }
}

pub(super) fn seeds() -> Vec<Seed> {
    let mut seeds = vec![
        seed("every-type", every_type(1).into_bytes()),
        seed("id-is-a-document", rawdoc! { "_id": { "a": [1, { "b": "x" }] } }.into_bytes()),
        seed("depth-100", hostile::nested(100)),
        seed("depth-101", hostile::nested(101)),
        seed("depth-1000", hostile::nested(1000)),
    ];
    seeds.extend(hostile::small_documents().into_iter().map(|document| (document.name.to_owned(), document.bytes)));
    seeds
}
