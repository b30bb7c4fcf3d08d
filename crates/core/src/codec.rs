//! The byte format of an entry, for stores that keep bytes.
//!
//! ```text
//! version (1 byte) | envelope (bincode, fixed-size integers) | payload (raw BSON) | XXH3-64 of all before (8 bytes)
//! ```
//!
//! The payload of an insert and an update is the document, of a delete `{ _id }`, of a patch `{ _id }`
//! and the diff behind it, of a command the command (with its database in place of the namespace), of
//! the rest nothing. bincode never sees BSON: a `bson::Document` inside it would not decode.

use bincode::Options;
use bson::{RawDocument, RawDocumentBuf};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    clock::OpTime,
    command::{Command, CommandError},
    diff::{Diff, DiffError},
    doc_id::{DocId, DocIdError},
    document::{Document, DocumentError},
    entry::{Entry, HashMismatch, Kind, Operation},
    hash::Hash,
    ids::OpId,
    namespace::{DatabaseName, Namespace, NamespaceError},
    position::Position,
};

/// The version of the format that this code writes.
pub const FORMAT_VERSION: u8 = 1;

const CHECKSUM_BYTES: usize = 8;
/// More than any envelope needs: a namespace has at most 255 bytes.
const ENVELOPE_BYTES_MAX: u64 = 1024;

/// Why bytes are no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Written by another version.
    #[error(
        "entry format version {found} is unknown (this version reads {FORMAT_VERSION}): upgrade oplogsync, or sync the node anew with `oplogsync resync NODE --confirm NODE`"
    )]
    Version {
        /// The version byte.
        found: u8,
    },
    /// The checksum is not that of the bytes.
    #[error("the checksum does not match: the record is damaged")]
    Checksum,
    /// The envelope does not decode.
    #[error("the envelope does not decode")]
    Envelope,
    /// The kind is not known to this version.
    #[error("entry kind `{}` is unknown: upgrade oplogsync", char::from(*.code).escape_default())]
    Kind {
        /// Its code.
        code: u8,
    },
    /// The payload does not belong to the kind.
    #[error("the payload does not fit the entry's kind")]
    Payload,
    /// The namespace may not be replicated.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The document is not one.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The diff is not one.
    #[error(transparent)]
    Diff(#[from] DiffError),
    /// The command is not one, or is not known to this version.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The id is not one.
    #[error(transparent)]
    DocId(#[from] DocIdError),
    /// The content is not what was hashed.
    #[error(transparent)]
    Hash(#[from] HashMismatch),
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    term: u64,
    index: u64,
    seconds: u32,
    increment: u32,
    op_id: [u8; 16],
    prev_hash: [u8; 16],
    hash: [u8; 16],
    kind: u8,
    #[serde(with = "serde_bytes")]
    ns: &'a [u8],
}

fn options() -> impl Options {
    bincode::DefaultOptions::new().with_fixint_encoding().with_limit(ENVELOPE_BYTES_MAX).allow_trailing_bytes()
}

/// Appends the bytes of `entry` to `out`.
#[expect(clippy::missing_panics_doc, clippy::expect_used, reason = "an envelope is always within its limit")]
pub fn encode(entry: &Entry, out: &mut Vec<u8>) {
    let start = out.len();
    let (seconds, increment) = entry.optime().to_timestamp();
    let envelope = Envelope {
        term: entry.position().term,
        index: entry.position().index,
        seconds,
        increment,
        op_id: entry.op_id().to_bytes(),
        prev_hash: entry.prev_hash().to_bytes(),
        hash: entry.hash().to_bytes(),
        kind: entry.operation().kind().code(),
        ns: place(entry.operation()).as_bytes(),
    };
    out.push(FORMAT_VERSION);
    options().serialize_into(&mut *out, &envelope).expect("an envelope is always within its limit");
    match entry.operation() {
        Operation::Insert { document, .. } | Operation::Update { document, .. } => {
            out.extend_from_slice(document.as_bytes());
        }
        Operation::Delete { id, .. } => out.extend_from_slice(id.to_raw_document().as_bytes()),
        Operation::Patch { id, diff, .. } => {
            out.extend_from_slice(id.to_raw_document().as_bytes());
            out.extend_from_slice(diff.as_bytes());
        }
        Operation::Command(command) => out.extend_from_slice(command.as_raw().as_bytes()),
        Operation::Noop | Operation::NewTerm => {}
    }
    let checksum = xxh3_64(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&checksum.to_be_bytes());
}

/// The namespace, or the database, that an operation concerns.
fn place(operation: &Operation) -> &str {
    match operation {
        Operation::Command(command) => command.database().as_str(),
        other => other.namespace().map_or("", Namespace::as_str),
    }
}

/// Reads the bytes of one entry back. Whatever the bytes are, it returns.
///
/// # Errors
/// [`DecodeError`] says what is wrong with them.
pub fn decode(bytes: &[u8]) -> Result<Entry, DecodeError> {
    let version = *bytes.first().ok_or(DecodeError::Checksum)?;
    if version != FORMAT_VERSION {
        return Err(DecodeError::Version { found: version });
    }
    let (content, checksum) = bytes
        .len()
        .checked_sub(CHECKSUM_BYTES)
        .and_then(|at| bytes.split_at_checked(at))
        .ok_or(DecodeError::Checksum)?;
    if checksum != xxh3_64(content).to_be_bytes() {
        return Err(DecodeError::Checksum);
    }
    let mut rest = content.get(1..).ok_or(DecodeError::Envelope)?;
    let envelope: Envelope<'_> = read_envelope(&mut rest)?;
    let operation = read_operation(&envelope, rest)?;
    let entry = Entry::from_parts(
        Position { term: envelope.term, index: envelope.index },
        OpTime::from_timestamp(envelope.seconds, envelope.increment),
        OpId::from_bytes(envelope.op_id),
        operation,
        Hash::from_bytes(envelope.prev_hash),
        Hash::from_bytes(envelope.hash),
    )?;
    Ok(entry)
}

/// Takes the envelope off the front of `bytes`.
fn read_envelope<'a>(bytes: &mut &'a [u8]) -> Result<Envelope<'a>, DecodeError> {
    let envelope: Envelope<'a> = options().deserialize(bytes).map_err(|_| DecodeError::Envelope)?;
    let size = options().serialized_size(&envelope).map_err(|_| DecodeError::Envelope)?;
    let size = usize::try_from(size).map_err(|_| DecodeError::Envelope)?;
    *bytes = bytes.get(size..).ok_or(DecodeError::Envelope)?;
    Ok(envelope)
}

fn read_operation(envelope: &Envelope<'_>, payload: &[u8]) -> Result<Operation, DecodeError> {
    let kind = Kind::from_code(envelope.kind).ok_or(DecodeError::Kind { code: envelope.kind })?;
    let text = || std::str::from_utf8(envelope.ns).map_err(|_| DecodeError::Envelope);
    let ns = || Ok::<_, DecodeError>(Namespace::new(text()?)?);
    match kind {
        Kind::Insert => Ok(Operation::Insert { ns: ns()?, document: Document::from_bytes(payload.to_vec())? }),
        Kind::Update => Ok(Operation::Update { ns: ns()?, document: Document::from_bytes(payload.to_vec())? }),
        Kind::Delete => Ok(Operation::Delete { ns: ns()?, id: read_id(payload)? }),
        Kind::Patch => {
            let (id, diff) = payload.split_at_checked(framed_length(payload)?).ok_or(DecodeError::Payload)?;
            Ok(Operation::Patch { ns: ns()?, id: read_id(id)?, diff: Diff::from_bytes(diff.to_vec())? })
        }
        Kind::Command => {
            let document = RawDocument::from_bytes(payload).map_err(|_| DecodeError::Payload)?;
            Ok(Operation::Command(Command::parse(DatabaseName::new(text()?)?, document)?))
        }
        Kind::Noop | Kind::NewTerm if !payload.is_empty() || !envelope.ns.is_empty() => Err(DecodeError::Payload),
        Kind::Noop => Ok(Operation::Noop),
        Kind::NewTerm => Ok(Operation::NewTerm),
    }
}

/// How many bytes the document at the front says that it has.
fn framed_length(bytes: &[u8]) -> Result<usize, DecodeError> {
    let length = bytes.first_chunk().map(|four| i32::from_le_bytes(*four));
    length.and_then(|length| usize::try_from(length).ok()).ok_or(DecodeError::Payload)
}

fn read_id(payload: &[u8]) -> Result<DocId, DecodeError> {
    let document = Document::from_bytes(payload.to_vec())?;
    if document.as_raw().iter_elements().count() != 1 {
        return Err(DecodeError::Payload);
    }
    let id = document.id();
    let raw: RawDocumentBuf = id.to_raw_document();
    if raw.as_bytes() == payload { Ok(id) } else { Err(DecodeError::Payload) }
}

#[cfg(test)]
mod tests;
