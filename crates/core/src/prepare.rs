//! Whole documents, made ready as a mongod's insert and replacement do it.
//!
//! One difference: a field of the document itself whose name starts with `$` is refused, because
//! no replacement, by which replicas write, can carry it.

use bson::{RawDocumentBuf, oid::ObjectId, spec::ElementType};

use crate::{
    clock::OpTime,
    doc_id::DocId,
    document::Document,
    element::{Element, Elements, RawValue, framed},
    raw_check, sort_key,
    update::UpdateError,
};

/// The document that an insert of `raw` stores: with `new_id` if it has no `_id`, with the `_id`
/// in front, and with `now` for each `Timestamp(0, 0)` among the fields of the document itself.
///
/// # Errors
/// [`UpdateError`] as a mongod would answer.
pub fn prepare_insert(raw: RawDocumentBuf, new_id: ObjectId, now: OpTime) -> Result<Document, UpdateError> {
    raw_check::check(raw.as_bytes())?;
    let mut ids = Elements::of(&raw).filter(|field| field.name == "_id");
    if let Some(id) = ids.next() {
        check_id(id)?;
    }
    if ids.next().is_some() {
        return Err(UpdateError::bad_value("the document has two fields `_id`"));
    }
    Elements::of(&raw).try_for_each(check_name)?;
    let new_id = RawValue { kind: ElementType::ObjectId, bytes: &new_id.bytes() };
    seal(id_first(raw, new_id), now)
}

/// The document that a replacement of the document `id` by `raw` stores, or, without `current`,
/// that an upsert of it inserts: with the `_id` that is there, in front.
///
/// # Errors
/// [`UpdateError`] as a mongod would answer.
pub fn prepare_replacement(
    raw: RawDocumentBuf,
    id: &DocId,
    current: Option<&Document>,
    now: OpTime,
) -> Result<Document, UpdateError> {
    raw_check::check(raw.as_bytes())?;
    if Elements::of(&raw).next().is_some_and(|first| first.name.starts_with('$')) {
        return Err(UpdateError::failed_to_parse("a replacement cannot have update operators"));
    }
    if current.is_some() {
        Elements::of(&raw)
            .try_for_each(|field| if field.name == "_id" { check_id(field) } else { check_name(field) })?;
    }
    let stored = current.map_or_else(|| id.to_raw_document(), |current| current.id().to_raw_document());
    let Some(stored) = Elements::of(&stored).next().map(|field| field.value) else {
        return Err(UpdateError::bad_value("there is no `_id`"));
    };
    for given in Elements::of(&raw).filter(|field| field.name == "_id") {
        if given.value.kind == ElementType::Array {
            return Err(UpdateError::array_id());
        }
        if !sort_key::equal(given.value, stored) {
            return Err(UpdateError::immutable_id());
        }
    }
    Elements::of(&raw).try_for_each(check_name)?;
    seal(id_first(raw, stored), now)
}

/// The last step of every write: each `Timestamp(0, 0)` among the fields of the document itself,
/// except the `_id`, becomes `now`, as a mongod would do when a replica writes the document.
///
/// # Errors
/// [`UpdateError`] when the result cannot be stored.
pub(crate) fn seal(document: Vec<u8>, now: OpTime) -> Result<Document, UpdateError> {
    if !Elements::new(&document).any(is_empty_timestamp) {
        return Ok(Document::from_bytes(document)?);
    }
    let now = now.to_bson_bytes();
    let now = RawValue { kind: ElementType::Timestamp, bytes: &now };
    let mut stamped = Vec::with_capacity(document.len());
    framed(&mut stamped, |out| {
        for field in Elements::new(&document) {
            let value = if is_empty_timestamp(field) { now } else { field.value };
            Element { value, ..field }.write(out);
        }
    });
    Ok(Document::from_bytes(stamped)?)
}

fn is_empty_timestamp(field: Element<'_>) -> bool {
    field.value.kind == ElementType::Timestamp && field.name != "_id" && field.value.bytes == [0; 8]
}

/// Refuses a field of the document itself whose name starts with a dollar sign.
pub(crate) fn check_name(field: Element<'_>) -> Result<(), UpdateError> {
    if field.name.starts_with('$') { Err(UpdateError::dollar_field(field.name)) } else { Ok(()) }
}

fn check_id(id: Element<'_>) -> Result<(), UpdateError> {
    DocId::check_type(id.value.kind).map_err(|error| UpdateError::invalid_id(error.to_string()))?;
    let is_document = id.value.kind == ElementType::EmbeddedDocument;
    id.value.elements().filter(|_| is_document).try_for_each(check_name)
}

/// The document with its `_id`, or else with this one, in front.
pub(crate) fn id_first(document: RawDocumentBuf, or_else: RawValue<'_>) -> Vec<u8> {
    if Elements::of(&document).next().is_some_and(|first| first.name == "_id") {
        return document.into_bytes();
    }
    let id = Elements::of(&document).find(|field| field.name == "_id").map_or(or_else, |field| field.value);
    let mut moved = Vec::with_capacity(document.as_bytes().len());
    framed(&mut moved, |out| {
        Element { name: "_id", value: id }.write(out);
        Elements::of(&document).filter(|field| field.name != "_id").for_each(|field| field.write(out));
    });
    moved
}
