//! The statements of a job, each so that the server stores exactly the document that it is given.
//!
//! A server changes what it is told to insert, or to replace a document with: an empty timestamp at the
//! top level becomes the time, and a field that starts with `$` is refused. A pipeline that makes a
//! literal takes both as they are.

use bson::{RawArrayBuf, RawBsonRef, RawDocumentBuf, Timestamp, raw::cstr, rawdoc, spec::ElementType};
use oplogsync_core::{batch::Change, doc_id::DocId, document::Document};

use super::{Action, Job};
use crate::command::Verb;

/// What a pipeline needs around a document.
const FRAME_BYTES: usize = 96;

/// The filter for one document. An id can be a document that looks like an operator: `$eq` takes it
/// literally.
pub(crate) fn by_id(id: &DocId) -> RawDocumentBuf {
    let mut literally = RawDocumentBuf::new();
    literally.append(cstr!("$eq"), id.value());
    rawdoc! { "_id": literally }
}

/// A filter that never matches, and from which an upsert takes the id: where it is taken, the index on
/// `_id` refuses it as it refuses an insert.
fn by_free_id(id: &DocId) -> RawDocumentBuf {
    let mut literally = RawDocumentBuf::new();
    literally.append(cstr!("$eq"), id.value());
    literally.append(cstr!("$exists"), false);
    rawdoc! { "_id": literally }
}

/// The action that leaves exactly this document.
pub(super) fn exactly(action: Action, change: &Change) -> Action {
    match (action, &change.after) {
        (Action::Insert, Some(after)) if has_empty_timestamp(after) => Action::InsertAsIs,
        _ => action,
    }
}

/// The command of a job, without its write concern.
pub(super) fn command(job: &Job) -> RawDocumentBuf {
    let (verb, statements): (Verb, RawArrayBuf) = match job.action {
        Action::Insert => {
            let documents = job.changes.iter().filter_map(|change| change.after.as_ref());
            (Verb::Insert, documents.map(Document::as_raw).collect())
        }
        Action::Replace | Action::Put | Action::InsertAsIs => {
            (Verb::Update, job.changes.iter().map(|change| statement(job.action, change)).collect())
        }
        Action::Delete | Action::Clear => {
            (Verb::Delete, job.changes.iter().map(|change| statement(job.action, change)).collect())
        }
    };
    let mut command = verb.command(&job.place, statements, false);
    if job.bypass && verb != Verb::Delete {
        command.append(cstr!("bypassDocumentValidation"), true);
    }
    command
}

/// One statement of an update or delete command.
fn statement(action: Action, change: &Change) -> RawDocumentBuf {
    let filter = if action == Action::InsertAsIs { by_free_id(&change.id) } else { by_id(&change.id) };
    let mut statement = rawdoc! { "q": filter };
    match (action, &change.after) {
        (Action::Delete | Action::Clear, _) | (_, None) => statement.append(cstr!("limit"), 1),
        (_, Some(after)) => {
            if has_dollar_field(after) || has_empty_timestamp(after) {
                let literally = rawdoc! { "$replaceWith": { "$literal": after.as_raw().to_owned() } };
                statement.append(cstr!("u"), RawArrayBuf::from_iter([literally]));
            } else {
                statement.append(cstr!("u"), after.as_raw());
            }
            statement.append(cstr!("upsert"), matches!(action, Action::Put | Action::InsertAsIs));
        }
    }
    statement
}

/// About the size of a statement: enough to keep a command within its limit.
pub(super) fn bytes(action: Action, change: &Change) -> usize {
    let document = change.after.as_ref().map_or(0, |document| document.as_bytes().len());
    match action {
        Action::Insert => document,
        _ => FRAME_BYTES + document + by_id(&change.id).as_bytes().len(),
    }
}

/// Whether a field of the document itself starts with `$`: servers insert such a document, but do
/// not take it as a replacement.
fn has_dollar_field(document: &Document) -> bool {
    // Every element is well formed: a `Document` was checked.
    document.as_raw().iter_elements().flatten().any(|field| field.key().as_str().starts_with('$'))
}

/// Whether a field of the document itself is an empty timestamp, for which a server would put the time.
/// It leaves that of an `_id` alone.
pub(crate) fn has_empty_timestamp(document: &Document) -> bool {
    const EMPTY: RawBsonRef<'_> = RawBsonRef::Timestamp(Timestamp { time: 0, increment: 0 });
    let mut fields = document.as_raw().iter_elements().flatten().skip(1);
    fields
        .any(|field| field.element_type() == ElementType::Timestamp && field.value().is_ok_and(|value| value == EMPTY))
}
