//! [`Event`]: one event of a change stream, and what it means as an operation of a log.

mod command;
mod error;
mod fragments;
#[cfg(test)]
mod tests;

use bson::{RawBsonRef, RawDocument};
use oplogsync_core::{
    clock::OpTime, diff::Diff, doc_id::DocId, document::Document, entry::Operation, filter::Filter,
    namespace::Namespace,
};

pub(crate) use self::error::EventError;
use self::fragments::Fragments;
use super::token::ResumeToken;
use crate::{
    error::Failure,
    fields::{FieldError, Fields},
    scope::{Place, Scope},
};

/// What one event of a change stream comes to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// Where the stream goes on behind it.
    pub(crate) token: ResumeToken,
    /// When it happened. All events of a transaction have the same time.
    pub(crate) optime: OpTime,
    /// Whether it is part of a transaction, so that more events of the same time may follow.
    pub(crate) is_in_transaction: bool,
    /// What it does; `None` when it does not concern the target.
    pub(crate) operation: Option<Operation>,
}

/// Decodes events, strictly: what is not known, or cannot be replicated, is an error, unless the
/// filter leaves it out.
#[derive(Debug)]
pub(crate) struct Decoder {
    scope: Scope,
    filter: Filter,
    fragments: Fragments,
    /// The collection of the last event, for the next one mostly has the same.
    last: Option<Seen>,
}

/// A collection of the source, as the log sees it.
#[derive(Debug, Clone)]
struct Seen {
    place: Place,
    /// What the log calls it; `None` when it is never replicated.
    ns: Option<Namespace>,
    is_included: bool,
}

impl Decoder {
    pub(crate) fn new(scope: Scope, filter: Filter) -> Self {
        Self { scope, filter, fragments: Fragments::default(), last: None }
    }

    /// Decodes an event, or a fragment of one; `None` when more fragments have to come.
    pub(crate) fn decode(&mut self, raw: &RawDocument) -> Result<Option<Event>, Failure> {
        let whole = self.fragments.join(raw).map_err(|error| error.at(raw, &self.scope))?;
        match whole {
            None => Ok(None),
            Some(whole) => self.read(&whole).map(Some).map_err(|error| error.at(&whole, &self.scope)),
        }
    }

    /// Whether fragments of an event have come, and others have to.
    pub(crate) fn is_within_event(&self) -> bool {
        self.fragments.is_open()
    }

    fn read(&mut self, raw: &RawDocument) -> Result<Event, EventError> {
        let mut fields = Fields::new(raw)?;
        let token = ResumeToken::new(fields.document("_id")?)?;
        let clock = fields.timestamp("clusterTime")?;
        let optime = OpTime::from_timestamp(clock.time, clock.increment);
        let is_in_transaction = fields.optional("txnNumber").is_some();
        for ignored in ["lsid", "wallTime", "collectionUUID"] {
            fields.optional(ignored);
        }
        let operation = self.operation(fields)?;
        Ok(Event { token, optime, is_in_transaction, operation })
    }

    fn operation(&mut self, mut fields: Fields<'_>) -> Result<Option<Operation>, EventError> {
        let kind = fields.text("operationType")?;
        if kind == "invalidate" {
            // What the stream was of is gone, which an event before has told. It ends here, and can be opened anew.
            fields.end()?;
            return Ok(None);
        }
        if kind == "dropDatabase" {
            return self.drop_database(fields);
        }
        let seen = self.seen(fields.document("ns")?)?;
        if kind == "rename" {
            return self.rename(&seen, fields);
        }
        let (Some(ns), true) = (seen.ns, seen.is_included) else { return Ok(None) };
        let operation = match kind {
            "insert" => Operation::Insert { ns, document: document(&mut fields)? },
            "replace" => Operation::Update { ns, document: document(&mut fields)? },
            "update" => Operation::Patch { ns, id: id(&mut fields)?, diff: diff(&mut fields)? },
            "delete" => Operation::Delete { ns, id: id(&mut fields)? },
            kind => command::decode(kind, ns, &mut fields)?,
        };
        for ignored in ["documentKey", "updateDescription", "stateBeforeChange", "nsType"] {
            fields.optional(ignored);
        }
        fields.end()?;
        Ok(Some(operation))
    }

    /// The collection that `{ db, coll }` names.
    fn seen(&mut self, ns: &RawDocument) -> Result<Seen, EventError> {
        let mut fields = Fields::new(ns)?;
        let (database, collection) = (fields.text("db")?, fields.text("coll")?);
        fields.end()?;
        if let Some(last) = &self.last
            && last.place.database == database
            && last.place.collection == collection
        {
            return Ok(last.clone());
        }
        let place = Place { database: database.to_owned(), collection: collection.to_owned() };
        let ns = self.scope.logical(&place);
        let is_included = self.scope.passing(&place, &self.filter)?.is_some();
        let seen = Seen { place, ns, is_included };
        self.last = Some(seen.clone());
        Ok(seen)
    }
}

/// The document after an insert or a replacement. The replacement that a pipeline makes is told as the pipeline
/// has made it, and stored with its `_id` in front.
fn document(fields: &mut Fields<'_>) -> Result<Document, EventError> {
    Ok(Document::with_id_first(fields.document("fullDocument")?)?)
}

/// The id in the key of a document, which of a sharded collection has more fields.
fn id(fields: &mut Fields<'_>) -> Result<DocId, EventError> {
    let key = fields.document("documentKey")?;
    for field in key {
        let (name, value) = field.map_err(|_| FieldError::Malformed)?;
        if name.as_str() == "_id" {
            return Ok(DocId::new(value.into())?);
        }
    }
    Err(FieldError::Missing("documentKey._id").into())
}

/// The change that the server's own oplog has.
fn diff(fields: &mut Fields<'_>) -> Result<Diff, EventError> {
    let Some(raw) = fields.optional("rawUpdateDescription") else { return Err(EventError::NoDiff) };
    let mut description = Fields::new(raw.as_document().ok_or(FieldError::Type("rawUpdateDescription"))?)?;
    let version = match description.take("$v")? {
        RawBsonRef::Int32(version) => i64::from(version),
        RawBsonRef::Int64(version) => version,
        _ => return Err(FieldError::Type("$v").into()),
    };
    if version != 2 {
        return Err(EventError::DiffVersion(version));
    }
    let diff = Diff::new(description.document("diff")?.to_owned())?;
    description.end()?;
    Ok(diff)
}
