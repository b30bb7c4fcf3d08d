//! The documents of the `node` collection: one per concern.
//!
//! ```text
//! { _id: "log",       v: 1, log, floor: <anchor> }
//! { _id: "ack:NAME",  v: 1, replica: NAME, at: <anchor> }
//! { _id: "writer",    v: 1, lease }
//! { _id: "documents", v: 1, lease, checkpoint: <anchor and log>, applyingThrough, drift, stop }
//! ```
//!
//! The checkpoint stands in one document with the lease of the documents, so that one atomic
//! update checks its owner, its former value, and moves it.

use bson::{RawArrayBuf, RawBson, RawDocument, RawDocumentBuf, Timestamp, rawdoc};
use oplogsync_core::{
    apply::Existence,
    checkpoint::{Checkpoint, Stop},
    clock::OpTime,
    doc_id::DocId,
    hash::Hash,
    ids::{LogId, OwnerId},
    lease::Lease,
    log::Acknowledgement,
    namespace::Namespace,
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

/// A document that an apply found otherwise than the log says, remembered until it is mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Drifted {
    pub(crate) ns: Namespace,
    pub(crate) id: DocId,
    pub(crate) needs: Existence,
    pub(crate) index: u64,
}

/// What the node knows about its documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DocumentsState {
    pub(crate) lease: Option<Lease>,
    pub(crate) checkpoint: Option<Checkpoint>,
    /// Entries up to this index may have been written already.
    pub(crate) applying_through: u64,
    /// What the last apply found otherwise than the log says.
    pub(crate) drift: Vec<Drifted>,
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

pub(crate) fn encode_drift(drift: &[Drifted]) -> RawArrayBuf {
    let each = |drifted: &Drifted| {
        rawdoc! {
            "ns": drifted.ns.as_str(), "id": RawBson::from(drifted.id.value()),
            "present": drifted.needs == Existence::Present, "index": counted(drifted.index),
        }
    };
    drift.iter().map(each).collect()
}

fn decode_drift(document: &RawDocument) -> Result<Drifted, FieldError> {
    let mut fields = Fields::new(document)?;
    let ns = Namespace::new(fields.text("ns")?).map_err(|_| FieldError::Type("ns"))?;
    let id = DocId::new(fields.take("id")?.into()).map_err(|_| FieldError::Type("id"))?;
    let needs = if fields.boolean("present")? { Existence::Present } else { Existence::Absent };
    let drifted = Drifted { ns, id, needs, index: fields.count("index")? };
    fields.end()?;
    Ok(drifted)
}

impl DocumentsState {
    pub(crate) fn decode(document: &RawDocument) -> Result<Self, Failure> {
        Self::read(document).map_err(unreadable(DOCUMENTS))
    }

    fn read(document: &RawDocument) -> Result<Self, FieldError> {
        let mut fields = Fields::new(document)?;
        fields.version()?;
        fields.text("_id")?;
        let mut drift = Vec::new();
        if let Some(value) = fields.optional("drift") {
            for each in value.as_array().ok_or(FieldError::Type("drift"))? {
                let each = each.map_err(|_| FieldError::Malformed)?;
                drift.push(decode_drift(each.as_document().ok_or(FieldError::Type("drift"))?)?);
            }
        }
        let applying_through = match fields.optional("applyingThrough") {
            None => 0,
            Some(value) => {
                let index = value.as_i64().and_then(|index| u64::try_from(index).ok());
                index.ok_or(FieldError::Type("applyingThrough"))?
            }
        };
        let state = Self {
            lease: fields.optional_document("lease")?.map(decode_lease).transpose()?,
            checkpoint: fields.optional_document("checkpoint")?.map(decode_checkpoint).transpose()?,
            applying_through,
            drift,
            stop: fields.optional_document("stop")?.map(decode_stop).transpose()?,
        };
        fields.end()?;
        Ok(state)
    }
}
