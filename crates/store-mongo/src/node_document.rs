//! The documents of the `node` collection: one per concern.
//!
//! ```text
//! { _id: "log",       v: 1, log, floor: <anchor> }
//! { _id: "ack:NAME",  v: 1, replica: NAME, at: <anchor> }
//! { _id: "writer",    v: 1, lease }
//! { _id: "documents", v: 1, lease, checkpoint: <anchor and log>, resume: { filter, token },
//!                     applying: { index, hash, steps, images }, stop }
//! { _id: "session",   v: 1, session: { id } }
//! ```
//!
//! The checkpoint stands in one document with the lease of the documents, so that one atomic
//! update checks its owner, its former value, and moves it.

mod documents;

use bson::{RawDocument, RawDocumentBuf, Timestamp, rawdoc};
use oplogsync_core::{
    clock::OpTime,
    hash::Hash,
    ids::{LogId, OwnerId},
    lease::Lease,
    log::Acknowledgement,
    position::{Anchor, Position},
    store_error::Fault,
};

pub(crate) use self::documents::{
    DocumentsState, Window, encode_checkpoint, encode_resume, encode_stop, encode_window,
};
use crate::{
    entry_document::{bytes16, signed},
    error::Failure,
    fields::{FieldError, Fields},
};

pub(crate) const LOG: &str = "log";
pub(crate) const WRITER: &str = "writer";
pub(crate) const DOCUMENTS: &str = "documents";
pub(crate) const SESSION: &str = "session";
pub(crate) const ACKNOWLEDGEMENT_PREFIX: &str = "ack:";

/// What the node knows about its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogState {
    pub(crate) log: LogId,
    pub(crate) floor: Anchor,
}

/// Names what a document of ours is when its form is unknown.
#[derive(Debug, thiserror::Error)]
#[error("the node document `{what}` has a form that is not known to this version")]
struct Unreadable {
    what: &'static str,
    source: FieldError,
}

pub(crate) fn unreadable(what: &'static str) -> impl FnOnce(FieldError) -> Failure {
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
