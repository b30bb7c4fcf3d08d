//! Logs that a primary could have written.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};

use super::values::{doc_id, document, namespace};
use crate::{
    doc_id::DocId,
    document::Document,
    entry::{Entry, Operation},
    limits::Limits,
    namespace::Namespace,
    testing::chain::{Chain, log_id, valid},
};

/// A wish; what becomes of it depends on whether its document is there.
#[derive(Debug, Clone)]
enum Wish {
    Put(Namespace, Document),
    Delete(Namespace, DocId),
    Noop,
    NewTerm,
}

/// Up to `most` operations on a few documents that can follow each other: nothing is inserted
/// twice, nothing that is not there is replaced or deleted.
pub fn operations(most: usize) -> impl Strategy<Value = Vec<Operation>> {
    let put = (namespace(), doc_id().prop_flat_map(document)).prop_map(|(ns, document)| Wish::Put(ns, document));
    let delete = (namespace(), doc_id()).prop_map(|(ns, id)| Wish::Delete(ns, id));
    let wish = prop_oneof![12 => put, 6 => delete, 1 => Just(Wish::Noop), 1 => Just(Wish::NewTerm)];
    vec(wish, 0..=most).prop_map(|wishes| {
        let mut present = BTreeMap::new();
        wishes.into_iter().map(|wish| fulfil(wish, &mut present)).collect()
    })
}

fn fulfil(wish: Wish, present: &mut BTreeMap<(Namespace, DocId), DocId>) -> Operation {
    match wish {
        Wish::Put(ns, document) => {
            let id = document.id();
            // A replacement keeps the id as it was inserted, type and all.
            if let Some(stored) = present.get(&(ns.clone(), id.clone())) {
                return Operation::Update { ns, document: with_id(stored, &document) };
            }
            present.insert((ns.clone(), id.clone()), id);
            Operation::Insert { ns, document }
        }
        Wish::Delete(ns, id) if present.remove(&(ns.clone(), id.clone())).is_some() => Operation::Delete { ns, id },
        Wish::Delete(..) | Wish::Noop => Operation::Noop,
        Wish::NewTerm => Operation::NewTerm,
    }
}

fn with_id(id: &DocId, document: &Document) -> Document {
    let mut raw = id.to_raw_document();
    for field in document.as_raw().iter_elements().skip(1).flatten() {
        if let Ok(value) = field.value() {
            raw.append(super::values::c_string(field.key().as_str()), value);
        }
    }
    valid(raw)
}

/// A log of up to `most` entries, sealed, from its first entry on.
pub fn entries(most: usize) -> impl Strategy<Value = Vec<Entry>> {
    operations(most).prop_map(|operations| {
        let mut chain = Chain::new(log_id(1));
        for operation in operations {
            chain.push(operation);
        }
        chain.take()
    })
}

/// Small bounds, so that a short log makes many batches.
pub fn limits() -> impl Strategy<Value = Limits> {
    (1..8_usize, prop_oneof![Just(1_usize), 200..2_000_usize, Just(usize::MAX >> 1)])
        .prop_map(|(entries_max, bytes_max)| Limits { entries_max, bytes_max })
}
