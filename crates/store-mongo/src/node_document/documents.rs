//! The node document of the documents: what it says, and how.

use bson::{Binary, RawBsonRef, RawDocument, RawDocumentBuf, raw::cstr, rawdoc, spec::BinarySubtype};
use oplogsync_core::{
    batch::Batch,
    checkpoint::{Checkpoint, Resume, Stop, Token},
    filter::FilterId,
    hash::Hash,
    ids::LogId,
    lease::Lease,
    position::Position,
};

use super::{DOCUMENTS, counted, decode_lease, encode_anchor, read_anchor, unreadable};
use crate::{
    entry_document::bytes16,
    error::Failure,
    fields::{FieldError, Fields},
};

/// A batch that is being written, or was, in part, when its writer was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// The index of its last entry.
    pub(crate) index: u64,
    /// The hash of its last entry.
    pub(crate) hash: Hash,
    /// Whether documents may be at any of their steps within the batch, not only at its ends.
    pub(crate) steps: bool,
    /// What tells the documents that the patches of the batch come to from all others.
    pub(crate) images: Vec<Hash>,
}

impl Window {
    /// A batch that is begun.
    pub(crate) fn of(batch: &Batch) -> Self {
        let last = batch.last();
        Self { index: last.position.index, hash: last.hash, steps: false, images: Vec::new() }
    }
}

/// What the node knows about its documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DocumentsState {
    pub(crate) lease: Option<Lease>,
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) resume: Resume,
    pub(crate) applying: Option<Window>,
    pub(crate) stop: Option<Stop>,
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

/// What stands beside a checkpoint, if it says something.
pub(crate) fn encode_resume(resume: &Resume) -> Option<RawDocumentBuf> {
    if resume.is_plain() {
        return None;
    }
    let mut document = rawdoc! { "filter": bytes16(resume.filter.to_bytes()) };
    if let Some(token) = &resume.token {
        document.append(cstr!("token"), generic(token.as_bytes().to_vec()));
    }
    Some(document)
}

fn decode_resume(document: &RawDocument) -> Result<Resume, FieldError> {
    let mut fields = Fields::new(document)?;
    let filter = FilterId::from_bytes(fields.bytes16("filter")?);
    let token = fields.optional("token").map(|token| read_generic("token", token)).transpose()?;
    fields.end()?;
    Ok(Resume { filter, token: token.map(Token::new) })
}

fn generic(bytes: Vec<u8>) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes }
}

fn read_generic<'a>(name: &'static str, value: RawBsonRef<'a>) -> Result<&'a [u8], FieldError> {
    match value {
        RawBsonRef::Binary(binary) if binary.subtype == BinarySubtype::Generic => Ok(binary.bytes),
        _ => Err(FieldError::Type(name)),
    }
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
    let mut document = rawdoc! {
        "index": counted(window.index), "hash": bytes16(window.hash.to_bytes()), "steps": window.steps,
    };
    if !window.images.is_empty() {
        let images = window.images.iter().flat_map(|image| image.to_bytes()).collect();
        document.append(cstr!("images"), generic(images));
    }
    document
}

fn decode_window(document: &RawDocument) -> Result<Window, FieldError> {
    let mut fields = Fields::new(document)?;
    let hash = Hash::from_bytes(fields.bytes16("hash")?);
    let (index, steps) = (fields.count("index")?, fields.boolean("steps")?);
    let images = match fields.optional("images") {
        None => Vec::new(),
        Some(images) => match read_generic("images", images)?.as_chunks() {
            ([], _) | (_, [_, ..]) => return Err(FieldError::Type("images")),
            (images, []) => images.iter().map(|image| Hash::from_bytes(*image)).collect(),
        },
    };
    fields.end()?;
    Ok(Window { index, hash, steps, images })
}

impl DocumentsState {
    /// The batch that was begun and is not finished, if there is one.
    pub(crate) fn unfinished(&self) -> Option<&Window> {
        let is_ahead = |window: &&Window| self.checkpoint.is_none_or(|done| window.index > done.anchor.position.index);
        self.applying.as_ref().filter(is_ahead)
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
            resume: fields.optional_document("resume")?.map(decode_resume).transpose()?.unwrap_or_default(),
            applying: fields.optional_document("applying")?.map(decode_window).transpose()?,
            stop: fields.optional_document("stop")?.map(decode_stop).transpose()?,
        };
        fields.end()?;
        Ok(state)
    }
}
