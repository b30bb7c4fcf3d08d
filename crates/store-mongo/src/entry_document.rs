//! The document form of an entry in the `oplog` collection, readable by people.
//!
//! ```text
//! { _id: <index>, v: 1, term, ts: <optime>, wall: <optime as a date>, op: "i|u|p|d|c|n|t",
//!   ns, o: <document, diff or command>, o2: { _id }, opId, prev: <hash before>, hash }
//! ```
//!
//! `o` is there for an insert, an update, a patch and a command, `o2` for an update, a patch and a delete.
//! Of a command `ns` is `database.$cmd`. `ts` is left out when
//! it is `Timestamp(0, 0)`, which a server would replace by its own clock.

use bson::{
    Binary, DateTime, RawBsonRef, RawDocument, RawDocumentBuf, Timestamp,
    raw::{CStr, cstr},
    spec::BinarySubtype,
};
use oplogsync_core::{
    clock::OpTime,
    command::{Command, CommandError},
    diff::{Diff, DiffError},
    doc_id::{DocId, DocIdError},
    document::{Document, DocumentError},
    entry::{Entry, HashMismatch, Kind, Operation},
    excerpt::excerpt,
    hash::Hash,
    ids::OpId,
    namespace::{DatabaseName, Namespace, NamespaceError},
    position::Position,
    store_error::Fault,
};

use crate::{
    error::Failure,
    fields::{FieldError, Fields},
    scope::Place,
};

/// Ends the namespace of a command.
const COMMAND_SUFFIX: &str = ".$cmd";

/// What is wrong with a document of the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EntryDocumentError {
    #[error("its form is not known to this version")]
    Form(#[from] FieldError),
    #[error("its kind `{0}` is unknown")]
    Kind(String),
    #[error("its namespace is none")]
    Namespace(#[from] NamespaceError),
    #[error("it was changed after it was written: its document is none")]
    Document(#[from] DocumentError),
    #[error("its command is not known to this version")]
    Command(#[from] CommandError),
    #[error("it was changed after it was written: its diff is none")]
    Diff(#[from] DiffError),
    #[error("it was changed after it was written: its document's id is none")]
    Id(#[from] DocIdError),
    #[error("it was changed after it was written: its content does not match its hash")]
    Hash(#[from] HashMismatch),
    #[error("it was changed after it was written: `{0}` contradicts the rest of it")]
    Contradiction(&'static str),
}

impl EntryDocumentError {
    fn fault(&self) -> Fault {
        match self {
            Self::Form(_) | Self::Kind(_) | Self::Namespace(_) | Self::Command(_) => Fault::Incompatible,
            Self::Diff(_) | Self::Document(_) | Self::Id(_) | Self::Hash(_) | Self::Contradiction(_) => Fault::Corrupt,
        }
    }
}

/// The same, with where it stands.
#[derive(Debug, thiserror::Error)]
#[error("entry {index} in {place}")]
struct Located {
    index: String,
    place: String,
    source: EntryDocumentError,
}

/// 16 bytes as a binary value.
pub(crate) fn bytes16(bytes: [u8; 16]) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }
}

/// A count as the 64-bit integer that a server stores; `None` beyond its range.
pub(crate) fn signed(count: u64) -> Option<i64> {
    i64::try_from(count).ok()
}

fn timestamp(optime: OpTime) -> Timestamp {
    let (time, increment) = optime.to_timestamp();
    Timestamp { time, increment }
}

fn wall(optime: OpTime) -> DateTime {
    DateTime::from_millis(i64::try_from(optime.unix_millis()).unwrap_or(i64::MAX))
}

/// The document of an entry; `None` when its position is beyond what a server can count.
pub(crate) fn encode(entry: &Entry) -> Option<RawDocumentBuf> {
    let mut out = RawDocumentBuf::new();
    out.append(cstr!("_id"), signed(entry.position().index)?);
    out.append(cstr!("v"), 1_i32);
    out.append(cstr!("term"), signed(entry.position().term)?);
    if entry.optime() != OpTime::default() {
        out.append(cstr!("ts"), timestamp(entry.optime()));
    }
    out.append(cstr!("wall"), wall(entry.optime()));
    out.append(cstr!("op"), char::from(entry.operation().kind().code()).to_string());
    match entry.operation() {
        // As in a server's own oplog.
        Operation::Command(command) => out.append(cstr!("ns"), format!("{}{COMMAND_SUFFIX}", command.database())),
        other => other.namespace().into_iter().for_each(|ns| out.append(cstr!("ns"), ns.as_str())),
    }
    match entry.operation() {
        Operation::Insert { document, .. } => out.append(cstr!("o"), document.as_raw()),
        Operation::Update { document, .. } => {
            out.append(cstr!("o"), document.as_raw());
            out.append(cstr!("o2"), document.id().to_raw_document());
        }
        Operation::Patch { id, diff, .. } => {
            out.append(cstr!("o"), diff.as_raw());
            out.append(cstr!("o2"), id.to_raw_document());
        }
        Operation::Delete { id, .. } => out.append(cstr!("o2"), id.to_raw_document()),
        Operation::Command(command) => out.append(cstr!("o"), command.as_raw()),
        Operation::Noop | Operation::NewTerm => {}
    }
    let mut binary = |name: &'static CStr, bytes| out.append(name, bytes16(bytes));
    binary(cstr!("opId"), entry.op_id().to_bytes());
    binary(cstr!("prev"), entry.prev_hash().to_bytes());
    binary(cstr!("hash"), entry.hash().to_bytes());
    Some(out)
}

/// An id for people, in short, whatever it is.
pub(crate) fn show_id(id: RawBsonRef<'_>) -> String {
    match DocId::new(id.into()) {
        Ok(id) => id.to_string(),
        Err(_) => format!("of type {:?}", id.element_type()),
    }
}

/// Reads a document of the log at `place` back.
pub(crate) fn decode(raw: &RawDocument, place: &Place) -> Result<Entry, Failure> {
    read(raw).map_err(|source| {
        let index = match raw.get("_id") {
            Ok(Some(id)) => id.as_i64().map_or_else(|| show_id(id), |index| index.to_string()),
            _ => "without an _id".to_owned(),
        };
        let fault = source.fault();
        Failure::new(fault).because(Located { index, place: place.to_string(), source })
    })
}

fn read(raw: &RawDocument) -> Result<Entry, EntryDocumentError> {
    let mut fields = Fields::new(raw)?;
    fields.version()?;
    let position = Position { index: fields.count("_id")?, term: fields.count("term")? };
    let optime = match fields.optional("ts") {
        None => OpTime::default(),
        Some(ts) => {
            let ts = ts.as_timestamp().ok_or(FieldError::Type("ts"))?;
            OpTime::from_timestamp(ts.time, ts.increment)
        }
    };
    let seen = fields.take("wall")?.as_datetime().ok_or(FieldError::Type("wall"))?;
    let operation = read_operation(&mut fields)?;
    let op_id = OpId::from_bytes(fields.bytes16("opId")?);
    let prev_hash = Hash::from_bytes(fields.bytes16("prev")?);
    let hash = Hash::from_bytes(fields.bytes16("hash")?);
    fields.end()?;
    let entry = Entry::from_parts(position, optime, op_id, operation, prev_hash, hash)?;
    if seen != wall(optime) {
        return Err(EntryDocumentError::Contradiction("wall"));
    }
    Ok(entry)
}

fn read_operation(fields: &mut Fields<'_>) -> Result<Operation, EntryDocumentError> {
    let op = fields.text("op")?;
    let kind = match op.as_bytes() {
        [code] => Kind::from_code(*code),
        _ => None,
    };
    let kind = kind.ok_or_else(|| EntryDocumentError::Kind(excerpt(op).escape_default().to_string()))?;
    Ok(match kind {
        Kind::Insert => Operation::Insert { ns: Namespace::new(fields.text("ns")?)?, document: document(fields)? },
        Kind::Update => {
            let (ns, document) = (Namespace::new(fields.text("ns")?)?, document(fields)?);
            if fields.document("o2")? != document.id().as_raw_document() {
                return Err(EntryDocumentError::Contradiction("o2"));
            }
            Operation::Update { ns, document }
        }
        Kind::Delete => Operation::Delete { ns: Namespace::new(fields.text("ns")?)?, id: id(fields.document("o2")?)? },
        Kind::Patch => Operation::Patch {
            ns: Namespace::new(fields.text("ns")?)?,
            diff: Diff::new(fields.document("o")?.to_owned())?,
            id: id(fields.document("o2")?)?,
        },
        Kind::Command => {
            let ns = fields.text("ns")?;
            let database = ns.strip_suffix(COMMAND_SUFFIX).ok_or(EntryDocumentError::Contradiction("ns"))?;
            Operation::Command(Command::parse(DatabaseName::new(database)?, fields.document("o")?)?)
        }
        Kind::Noop => Operation::Noop,
        Kind::NewTerm => Operation::NewTerm,
    })
}

fn document(fields: &mut Fields<'_>) -> Result<Document, EntryDocumentError> {
    Ok(Document::from_bytes(fields.document("o")?.as_bytes())?)
}

/// The id in `{ _id }`, which must hold nothing else.
fn id(o2: &RawDocument) -> Result<DocId, EntryDocumentError> {
    let id = DocId::of_document(o2)?;
    if id.as_raw_document() == o2 { Ok(id) } else { Err(EntryDocumentError::Contradiction("o2")) }
}
