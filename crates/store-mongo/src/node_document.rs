//! The documents of the `node` collection: one per concern.
//!
//! ```text
//! { _id: "log",       v: 1, log, floor: <anchor> }
//! { _id: "ack:NAME",  v: 1, replica: NAME, at: <anchor> }
//! { _id: "writer",    v: 1, lease }
//! { _id: "documents", v: 1, lease, checkpoint: <anchor and log>, applying: { index, hash, steps }, stop }
//! ```
//!
//! The checkpoint stands in one document with the lease of the documents, so that one atomic
//! update checks its owner, its former value, and moves it.

use bson::{RawDocument, RawDocumentBuf, Timestamp, rawdoc};
use oplogsync_core::{
    checkpoint::{Checkpoint, Stop},
    clock::OpTime,
    hash::Hash,
    ids::{LogId, OwnerId},
    lease::Lease,
    log::Acknowledgement,
    position::{Anchor, Position},
    store_error::Fault,
};

use crate::{
    entry_document::{bytes16, signed},
    error::Failure,
    fields::{FieldError, Fields},
};

pub(crate) const LOG: &str = "log";
pub(crate) const WRITER: &str = "writer";
pub(crate) const DOCUMENTS: &str = "documents";
pub(crate) const ACKNOWLEDGEMENT_PREFIX: &str = "ack:";

/// What the node knows about its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogState {
    pub(crate) log: LogId,
    pub(crate) floor: Anchor,
}

/// A batch that is being written, or was, in part, when its writer was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// The index of its last entry.
    pub(crate) index: u64,
    /// The hash of its last entry.
    pub(crate) hash: Hash,
    /// Whether documents may be at any of their steps within the batch, not only at its ends.
    pub(crate) steps: bool,
}

/// What the node knows about its documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DocumentsState {
    pub(crate) lease: Option<Lease>,
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) applying: Option<Window>,
    pub(crate) stop: Option<Stop>,
}

/// Names what a document of ours is when its form is unknown.
#[derive(Debug, thiserror::Error)]
#[error("the node document `{what}` has a form that is not known to this version")]
struct Unreadable {
    what: &'static str,
    source: FieldError,
}

fn unreadable(what: &'static str) -> impl FnOnce(FieldError) -> Failure {
    move |source| Failure::new(Fault::Incompatible).because(Unreadable { what, source })
}

/// A count as a server stores it. Beyond 2^63 only a defect can count.
pub(crate) fn counted(count: u64) -> i64 {
    signed(count).unwrap_or(i64::MAX)
}

pub(crate) fn encode_anchor(anchor: &Anchor) -> RawDocumentBuf {
    let (time, increment) = anchor.optime.to_timestamp();
    rawdoc! {
        "term": counted(anchor.position.term),
        "index": counted(anchor.position.index),
        "ts": Timestamp { time, increment },
        "hash": bytes16(anchor.hash.to_bytes()),
    }
}

fn read_anchor(fields: &mut Fields<'_>) -> Result<Anchor, FieldError> {
    let position = Position { term: fields.count("term")?, index: fields.count("index")? };
    let ts = fields.timestamp("ts")?;
    let hash = Hash::from_bytes(fields.bytes16("hash")?);
    Ok(Anchor { position, optime: OpTime::from_timestamp(ts.time, ts.increment), hash })
}

fn decode_anchor(document: &RawDocument) -> Result<Anchor, FieldError> {
    let mut fields = Fields::new(document)?;
    let anchor = read_anchor(&mut fields)?;
    fields.end()?;
    Ok(anchor)
}

impl LogState {
    pub(crate) fn encode(&self) -> RawDocumentBuf {
        rawdoc! { "_id": LOG, "v": 1, "log": bytes16(self.log.to_bytes()), "floor": encode_anchor(&self.floor) }
    }

    pub(crate) fn decode(document: &RawDocument) -> Result<Self, Failure> {
        Self::read(document).map_err(unreadable(LOG))
    }

    fn read(document: &RawDocument) -> Result<Self, FieldError> {
        let mut fields = Fields::new(document)?;
        fields.version()?;
        fields.text("_id")?;
        let log = LogId::from_bytes(fields.bytes16("log")?);
        let floor = decode_anchor(fields.document("floor")?)?;
        fields.end()?;
        Ok(Self { log, floor })
    }
}

/// The acknowledgement that a document holds.
pub(crate) fn decode_acknowledgement(document: &RawDocument) -> Result<Acknowledgement, Failure> {
    let read = || {
        let mut fields = Fields::new(document)?;
        fields.version()?;
        fields.text("_id")?;
        let replica = fields.text("replica")?.to_owned();
        let at = decode_anchor(fields.document("at")?)?;
        fields.end()?;
        Ok(Acknowledgement { replica, at })
    };
    read().map_err(unreadable("ack"))
}

pub(crate) fn encode_lease(lease: &Lease) -> RawDocumentBuf {
    rawdoc! {
        "owner": bytes16(lease.owner.to_bytes()), "holder": lease.holder.as_str(), "beat": counted(lease.beat),
    }
}

fn decode_lease(document: &RawDocument) -> Result<Lease, FieldError> {
    let mut fields = Fields::new(document)?;
    let owner = OwnerId::from_bytes(fields.bytes16("owner")?);
    let lease = Lease { owner, holder: fields.text("holder")?.to_owned(), beat: fields.count("beat")? };
    fields.end()?;
    Ok(lease)
}

/// The lease in the document of the log's writer.
pub(crate) fn decode_writer(document: &RawDocument) -> Result<Option<Lease>, Failure> {
    let read = || {
        let mut fields = Fields::new(document)?;
        fields.version()?;
        fields.text("_id")?;
        let lease = fields.optional_document("lease")?.map(decode_lease).transpose()?;
        fields.end()?;
        Ok(lease)
    };
    read().map_err(unreadable(WRITER))
}

pub(crate) fn encode_checkpoint(checkpoint: &Checkpoint) -> RawDocumentBuf {
    let mut document = rawdoc! { "log": bytes16(checkpoint.log.to_bytes()) };
    let anchor = encode_anchor(&checkpoint.anchor);
    for (name, value) in anchor.iter().flatten() {
        document.append(name, value);
    }
    document
}

fn decode_checkpoint(document: &RawDocument) -> Result<Checkpoint, FieldError> {
    let mut fields = Fields::new(document)?;
    let log = LogId::from_bytes(fields.bytes16("log")?);
    let anchor = read_anchor(&mut fields)?;
    fields.end()?;
    Ok(Checkpoint { log, anchor })
}

pub(crate) fn encode_stop(stop: &Stop) -> RawDocumentBuf {
    rawdoc! {
        "term": counted(stop.at.term), "index": counted(stop.at.index),
        "tooStale": stop.too_stale, "reason": stop.reason.as_str(),
    }
}

fn decode_stop(document: &RawDocument) -> Result<Stop, FieldError> {
    let mut fields = Fields::new(document)?;
    let at = Position { term: fields.count("term")?, index: fields.count("index")? };
    let stop = Stop { at, too_stale: fields.boolean("tooStale")?, reason: fields.text("reason")?.to_owned() };
    fields.end()?;
    Ok(stop)
}

pub(crate) fn encode_window(window: &Window) -> RawDocumentBuf {
    rawdoc! {
        "index": counted(window.index), "hash": bytes16(window.hash.to_bytes()), "steps": window.steps,
    }
}

fn decode_window(document: &RawDocument) -> Result<Window, FieldError> {
    let mut fields = Fields::new(document)?;
    let hash = Hash::from_bytes(fields.bytes16("hash")?);
    let window = Window { index: fields.count("index")?, hash, steps: fields.boolean("steps")? };
    fields.end()?;
    Ok(window)
}

impl DocumentsState {
    /// The batch that was begun and is not finished, if there is one.
    pub(crate) fn unfinished(&self) -> Option<Window> {
        self.applying.filter(|window| self.checkpoint.is_none_or(|done| window.index > done.anchor.position.index))
    }

    pub(crate) fn decode(document: &RawDocument) -> Result<Self, Failure> {
        Self::read(document).map_err(unreadable(DOCUMENTS))
    }

    fn read(document: &RawDocument) -> Result<Self, FieldError> {
        let mut fields = Fields::new(document)?;
        fields.version()?;
        fields.text("_id")?;
        let state = Self {
            lease: fields.optional_document("lease")?.map(decode_lease).transpose()?,
            checkpoint: fields.optional_document("checkpoint")?.map(decode_checkpoint).transpose()?,
            applying: fields.optional_document("applying")?.map(decode_window).transpose()?,
            stop: fields.optional_document("stop")?.map(decode_stop).transpose()?,
        };
        fields.end()?;
        Ok(state)
    }
}
