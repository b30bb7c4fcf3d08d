//! What the writers of a simulation write, and what each write has to make of its document.

use bson::{RawBson, RawDocument, RawDocumentBuf, rawdoc};

use crate::{
    doc_id::DocId, document::Document, entry::Operation, namespace::Namespace, testing::random::Random, write::Write,
};

/// Few documents, so that writes meet.
const IDS: u64 = 4;

/// Some write on one of a few documents.
pub(super) fn some_write(random: &mut Random, number: i32) -> Option<Write> {
    let ns = if random.below(2) == 0 { "shop.orders" } else { "shop.items" };
    let ns = Namespace::new(ns).ok()?;
    let key = i32::try_from(random.below(IDS)).ok()?;
    let id = DocId::new(RawBson::Int32(key)).ok()?;
    Some(match random.below(10) {
        0..3 => Write::Insert { ns, document: rawdoc! { "_id": key, "n": number } },
        3..5 => Write::Delete { ns, id },
        5..7 => Write::Replace { ns, id, document: rawdoc! { "n": number }, upsert: random.below(2) == 0 },
        _ => Write::Update { ns, id, update: rawdoc! { "$inc": { "n": 1 } }, upsert: random.below(2) == 0 },
    })
}

/// The id of a document that is to be inserted.
pub(super) fn id_of(document: &RawDocument) -> Option<DocId> {
    let id = document.get("_id").ok()??;
    DocId::new(id.into()).ok()
}

/// Whether `operation` is what `write` makes of `before`. Told from what the write means, by none
/// of the code that evaluates it.
pub(super) fn is_effect(write: &Write, before: Option<&Document>, operation: &Operation) -> bool {
    let n = match write {
        Write::Insert { document, .. } | Write::Replace { document, .. } => number(document),
        Write::Update { .. } => Some(before.and_then(|before| number(before.as_raw())).unwrap_or(0) + 1),
        Write::Delete { .. } => None,
    };
    let may_insert = match write {
        Write::Insert { .. } => true,
        Write::Replace { upsert, .. } | Write::Update { upsert, .. } => *upsert,
        Write::Delete { .. } => false,
    };
    let is_image = |document: &Document| {
        let id = document.id();
        let expected = n.and_then(|n| Document::new(image(&id, n)).ok());
        expected.as_ref() == Some(document)
    };
    write.namespace() == operation.namespace().unwrap_or(write.namespace())
        && match operation {
            Operation::Insert { document, .. } => before.is_none() && may_insert && is_image(document),
            Operation::Update { document, .. } => {
                before.is_some() && !matches!(write, Write::Insert { .. }) && is_image(document)
            }
            Operation::Delete { .. } => before.is_some() && matches!(write, Write::Delete { .. }),
            // No primary that serves the workload makes these.
            Operation::Patch { .. } | Operation::Command(_) | Operation::Noop | Operation::NewTerm => false,
        }
}

/// The document that an operation leaves.
pub(super) fn after(operation: &Operation) -> Option<Document> {
    match operation {
        Operation::Insert { document, .. } | Operation::Update { document, .. } => Some(document.clone()),
        Operation::Delete { .. }
        | Operation::Patch { .. }
        | Operation::Command(_)
        | Operation::Noop
        | Operation::NewTerm => None,
    }
}

fn number(document: &RawDocument) -> Option<i32> {
    document.get_i32("n").ok()
}

fn image(id: &DocId, n: i32) -> RawDocumentBuf {
    let id: RawBson = id.value().into();
    rawdoc! { "_id": id, "n": n }
}
