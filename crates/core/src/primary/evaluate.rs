//! Evaluates a write against the current document, to a full image.

use bson::oid::ObjectId;

use crate::{
    clock::OpTime,
    doc_id::DocId,
    document::Document,
    entry::Operation,
    namespace::Namespace,
    prepare::{prepare_insert, prepare_replacement},
    raw_check,
    update::{Update, UpdateError},
    write::{Outcome, Write},
};

/// What a write comes to.
pub(super) struct Evaluated {
    pub(super) id: DocId,
    pub(super) outcome: Outcome,
    /// `None` when nothing changes.
    pub(super) operation: Option<Operation>,
}

/// The id of the document that a write names; `None` for an insert that names none.
pub(super) fn named_id(write: &Write) -> Option<DocId> {
    match write {
        Write::Replace { id, .. } | Write::Update { id, .. } | Write::Delete { id, .. } => Some(id.clone()),
        // A document that is none, or an id that is none, is refused when the insert is prepared.
        Write::Insert { document, .. } => {
            raw_check::check(document.as_bytes()).ok()?;
            document.get("_id").ok().flatten().and_then(|value| DocId::new(value.into()).ok())
        }
    }
}

/// Evaluates `write` given the document that it names, as a mongod would.
pub(super) fn evaluate(
    write: &Write,
    current: Option<&Document>,
    new_id: ObjectId,
    now: OpTime,
) -> Result<Evaluated, UpdateError> {
    match (write, current) {
        (Write::Insert { ns, .. }, Some(current)) => Err(UpdateError {
            code: 11000,
            name: "DuplicateKey",
            message: format!("{ns} already holds a document with _id {}", current.id()),
        }),
        (Write::Insert { ns, document }, None) => {
            let document = prepare_insert(document.clone(), new_id, now)?;
            Ok(Evaluated {
                id: document.id(),
                outcome: Outcome::Inserted,
                operation: Some(Operation::Insert { ns: ns.clone(), document }),
            })
        }
        (Write::Replace { ns, id, document, upsert }, current) => {
            // A wrong replacement is refused whether or not there is something to replace.
            let after = prepare_replacement(document.clone(), id, current, now)?;
            Ok(settle(ns, id, current, after, *upsert))
        }
        (Write::Update { ns, id, update, upsert }, current) => {
            let update = Update::parse(update)?;
            if current.is_none() && !upsert {
                return Ok(not_found(id));
            }
            let after = update.evaluate(id, current, now)?;
            Ok(settle(ns, id, current, after, *upsert))
        }
        (Write::Delete { ns, .. }, Some(current)) => Ok(Evaluated {
            id: current.id(),
            outcome: Outcome::Deleted,
            operation: Some(Operation::Delete { ns: ns.clone(), id: current.id() }),
        }),
        (Write::Delete { id, .. }, None) => Ok(not_found(id)),
    }
}

fn settle(ns: &Namespace, id: &DocId, current: Option<&Document>, after: Document, upsert: bool) -> Evaluated {
    let ns = ns.clone();
    match current {
        None if !upsert => not_found(id),
        None => Evaluated {
            id: after.id(),
            outcome: Outcome::Inserted,
            operation: Some(Operation::Insert { ns, document: after }),
        },
        Some(current) if current.as_bytes() == after.as_bytes() => {
            Evaluated { id: after.id(), outcome: Outcome::Unchanged, operation: None }
        }
        Some(_) => Evaluated {
            id: after.id(),
            outcome: Outcome::Updated,
            operation: Some(Operation::Update { ns, document: after }),
        },
    }
}

fn not_found(id: &DocId) -> Evaluated {
    Evaluated { id: id.clone(), outcome: Outcome::NotFound, operation: None }
}
