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
use bson::RawDocument;
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
/// An envelope without its namespace.
const ENVELOPE_BYTES_MIN: usize = 8 + 8 + 4 + 4 + 3 * 16 + 1 + 8;
/// More than any envelope needs: a namespace has at most 255 bytes.
const ENVELOPE_BYTES_MAX: usize = 1024;

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
    /// This and the hashes are 16 bytes each, taken as one number: serde takes an array byte by byte.
    op_id: u128,
    prev_hash: u128,
    hash: u128,
    kind: u8,
    #[serde(with = "serde_bytes")]
    ns: &'a [u8],
}

fn options() -> impl Options {
    bincode::DefaultOptions::new().with_fixint_encoding().allow_trailing_bytes()
}

/// Appends the bytes of `entry` to `out`.
#[expect(clippy::missing_panics_doc, clippy::expect_used, reason = "memory takes whatever is written to it")]
pub fn encode(entry: &Entry, out: &mut Vec<u8>) {
    let start = out.len();
    let (seconds, increment) = entry.optime().to_timestamp();
    let envelope = Envelope {
        term: entry.position().term,
        index: entry.position().index,
        seconds,
        increment,
        op_id: u128::from_le_bytes(entry.op_id().to_bytes()),
        prev_hash: u128::from_le_bytes(entry.prev_hash().to_bytes()),
        hash: u128::from_le_bytes(entry.hash().to_bytes()),
        kind: entry.operation().kind().code(),
        ns: place(entry.operation()).as_bytes(),
    };
    out.push(FORMAT_VERSION);
    options().serialize_into(&mut *out, &envelope).expect("memory takes whatever is written to it");
    match entry.operation() {
        Operation::Insert { document, .. } | Operation::Update { document, .. } => {
            out.extend_from_slice(document.as_bytes());
        }
        Operation::Delete { id, .. } => out.extend_from_slice(id.as_raw_document().as_bytes()),
        Operation::Patch { id, diff, .. } => {
            out.extend_from_slice(id.as_raw_document().as_bytes());
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
    Decoder::default().decode(bytes)
}

/// Reads entries one after the other, which mostly are of the namespace of the one before.
#[derive(Debug, Default)]
pub struct Decoder {
    ns: Option<Namespace>,
}

impl Decoder {
    /// As [`decode`].
    ///
    /// # Errors
    /// As there.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<Entry, DecodeError> {
        let (envelope, payload) = open(bytes)?;
        let operation = self.read_operation(&envelope, payload)?;
        let entry = Entry::from_parts(
            Position { term: envelope.term, index: envelope.index },
            OpTime::from_timestamp(envelope.seconds, envelope.increment),
            OpId::from_bytes(envelope.op_id.to_le_bytes()),
            operation,
            Hash::from_bytes(envelope.prev_hash.to_le_bytes()),
            Hash::from_bytes(envelope.hash.to_le_bytes()),
        )?;
        Ok(entry)
    }

    fn read_operation(&mut self, envelope: &Envelope<'_>, payload: &[u8]) -> Result<Operation, DecodeError> {
        let kind = Kind::from_code(envelope.kind).ok_or(DecodeError::Kind { code: envelope.kind })?;
        match kind {
            Kind::Insert => {
                let ns = self.namespace(envelope.ns)?;
                Ok(Operation::Insert { ns, document: Document::from_bytes(payload)? })
            }
            Kind::Update => {
                let ns = self.namespace(envelope.ns)?;
                Ok(Operation::Update { ns, document: Document::from_bytes(payload)? })
            }
            Kind::Delete => Ok(Operation::Delete { ns: self.namespace(envelope.ns)?, id: read_id(payload)? }),
            Kind::Patch => {
                let ns = self.namespace(envelope.ns)?;
                let (id, diff) = payload.split_at_checked(framed_length(payload)?).ok_or(DecodeError::Payload)?;
                Ok(Operation::Patch { ns, id: read_id(id)?, diff: Diff::from_bytes(diff.to_vec())? })
            }
            Kind::Command => {
                let document = RawDocument::from_bytes(payload).map_err(|_| DecodeError::Payload)?;
                Ok(Operation::Command(Command::parse(DatabaseName::new(text(envelope.ns)?)?, document)?))
            }
            Kind::Noop | Kind::NewTerm if !payload.is_empty() || !envelope.ns.is_empty() => Err(DecodeError::Payload),
            Kind::Noop => Ok(Operation::Noop),
            Kind::NewTerm => Ok(Operation::NewTerm),
        }
    }

    fn namespace(&mut self, bytes: &[u8]) -> Result<Namespace, DecodeError> {
        match &self.ns {
            Some(ns) if ns.as_str().as_bytes() == bytes => Ok(ns.clone()),
            _ => Ok(self.ns.insert(Namespace::new(text(bytes)?)?).clone()),
        }
    }
}

/// Takes the envelope and the payload out of the bytes of an entry, if these are undamaged.
fn open(bytes: &[u8]) -> Result<(Envelope<'_>, &[u8]), DecodeError> {
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
    read_envelope(content.get(1..).ok_or(DecodeError::Envelope)?)
}

/// Takes the envelope off the front of `bytes`.
fn read_envelope(bytes: &[u8]) -> Result<(Envelope<'_>, &[u8]), DecodeError> {
    let envelope: Envelope<'_> = options().deserialize(bytes).map_err(|_| DecodeError::Envelope)?;
    let length = ENVELOPE_BYTES_MIN + envelope.ns.len();
    let payload = bytes.get(length..).filter(|_| length <= ENVELOPE_BYTES_MAX).ok_or(DecodeError::Envelope)?;
    Ok((envelope, payload))
}

fn text(bytes: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|_| DecodeError::Envelope)
}

/// How many bytes the document at the front says that it has.
fn framed_length(bytes: &[u8]) -> Result<usize, DecodeError> {
    let length = bytes.first_chunk().map(|four| i32::from_le_bytes(*four));
    length.and_then(|length| usize::try_from(length).ok()).ok_or(DecodeError::Payload)
}

fn read_id(payload: &[u8]) -> Result<DocId, DecodeError> {
    let id = DocId::of_checked(Document::check(payload)?, &mut Vec::new());
    if id.as_raw_document().as_bytes() == payload { Ok(id) } else { Err(DecodeError::Payload) }
}

#[cfg(test)]
mod tests;
