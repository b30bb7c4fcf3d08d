//! The form in which notes are stored.

use std::collections::BTreeMap;

use bson::{RawBson, RawDocument, RawDocumentBuf, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{CollectionState, Phase, RangeState, State, unreadable::Unreadable};
use crate::{
    catalog::{Collection, CollectionOptions, Index},
    catch_up::{Clock, Moment, Segment},
    checkpoint::{Checkpoint, Resume, Token},
    clock::OpTime,
    doc_id::DocId,
    documents::Size,
    filter::FilterId,
    hash::Hash,
    ids::LogId,
    namespace::Namespace,
    position::{Anchor, Position},
    raw_check,
};

/// The version of the form that this code writes.
const VERSION: i32 = 1;

/// The note of something.
pub(super) trait Stored: Serialize + DeserializeOwned {
    fn version(&self) -> i32;

    fn decode(document: &RawDocument) -> Result<Self, Unreadable> {
        raw_check::check(document.as_bytes())?;
        let stored: Self = bson::deserialize_from_slice(document.as_bytes())?;
        if stored.version() == VERSION { Ok(stored) } else { Err(Unreadable::Version(stored.version())) }
    }

    #[expect(clippy::expect_used, reason = "these structures have a document for every value")]
    fn encode(&self) -> RawDocumentBuf {
        bson::serialize_to_raw_document_buf(self).expect("a note is a document")
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct StoredSync {
    v: i32,
    phase: Phase,
    #[serde(skip_serializing_if = "Option::is_none")]
    begin: Option<StoredBegin>,
    clock: Clock,
    listed_at: i64,
    listed_until: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StoredBegin {
    log: RawBson,
    term: i64,
    index: i64,
    ts: Timestamp,
    hash: RawBson,
    filter: RawBson,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<RawBson>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct StoredCollection {
    v: i32,
    ns: String,
    exists: bool,
    options: RawDocumentBuf,
    indexes: Vec<RawDocumentBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listed_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    renamed_at: Option<i64>,
    documents: i64,
    bytes: i64,
    splits: Vec<RawDocumentBuf>,
    parts: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct StoredRange {
    v: i32,
    ns: String,
    part: i64,
    segments: Vec<StoredSegment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done_to: Option<RawDocumentBuf>,
    is_done: bool,
    documents: i64,
    bytes: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredSegment {
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<RawDocumentBuf>,
    at: i64,
}

impl Stored for StoredSync {
    fn version(&self) -> i32 {
        self.v
    }
}

impl Stored for StoredCollection {
    fn version(&self) -> i32 {
        self.v
    }
}

impl Stored for StoredRange {
    fn version(&self) -> i32 {
        self.v
    }
}

impl StoredSync {
    pub(super) fn of(state: &State) -> Self {
        Self {
            v: VERSION,
            phase: state.phase,
            begin: state.begin.as_ref().map(|(checkpoint, resume)| StoredBegin::of(checkpoint, resume)),
            clock: state.clock,
            listed_at: bits(state.listed_at),
            listed_until: bits(state.listed_until),
            until: state.until.map(bits),
        }
    }

    pub(super) fn read(self) -> Result<State, Unreadable> {
        let begin = self.begin.map(StoredBegin::read).transpose()?;
        let until = self.until.map(moment);
        let is_possible = match self.phase {
            Phase::Wipe => true,
            Phase::Copy => begin.is_some(),
            Phase::CatchUp => begin.is_some() && until.is_some(),
        };
        if !is_possible {
            return Err(Unreadable::Impossible);
        }
        Ok(State {
            clock: self.clock,
            phase: self.phase,
            begin,
            listed_at: moment(self.listed_at),
            listed_until: moment(self.listed_until),
            until,
            collections: BTreeMap::new(),
        })
    }
}

impl StoredBegin {
    fn of(checkpoint: &Checkpoint, resume: &Resume) -> Self {
        let Anchor { position, optime, hash } = checkpoint.anchor;
        let (time, increment) = optime.to_timestamp();
        Self {
            log: binary(&checkpoint.log.to_bytes()),
            term: signed(position.term),
            index: signed(position.index),
            ts: Timestamp { time, increment },
            hash: binary(&hash.to_bytes()),
            filter: binary(&resume.filter.to_bytes()),
            token: resume.token.as_ref().map(|token| binary(token.as_bytes())),
        }
    }

    fn read(self) -> Result<(Checkpoint, Resume), Unreadable> {
        let position = Position { term: counted(self.term)?, index: counted(self.index)? };
        let optime = OpTime::from_timestamp(self.ts.time, self.ts.increment);
        let anchor = Anchor { position, optime, hash: Hash::from_bytes(bytes16(&self.hash)?) };
        let token = self.token.as_ref().map(|token| bytes(token).map(Token::new)).transpose()?;
        let resume = Resume { filter: FilterId::from_bytes(bytes16(&self.filter)?), token };
        Ok((Checkpoint { log: LogId::from_bytes(bytes16(&self.log)?), anchor }, resume))
    }
}

impl StoredCollection {
    pub(super) fn of(ns: &Namespace, state: &CollectionState) -> Self {
        let collection = state.collection.as_ref();
        let indexes = collection.map(|it| it.indexes.iter().map(|index| index.as_raw().to_owned()).collect());
        Self {
            v: VERSION,
            ns: ns.as_str().to_owned(),
            exists: collection.is_some(),
            options: collection.map(|it| it.options.as_raw().to_owned()).unwrap_or_default(),
            indexes: indexes.unwrap_or_default(),
            listed_at: state.listed_at.map(bits),
            ended_at: state.ended_at.map(bits),
            renamed_at: state.renamed_at.map(bits),
            documents: signed(state.size.documents),
            bytes: signed(state.size.bytes),
            splits: state.splits.iter().map(DocId::to_raw_document).collect(),
            parts: i64::try_from(state.ranges.len()).unwrap_or(i64::MAX),
        }
    }

    pub(super) fn read(self) -> Result<(Namespace, CollectionState), Unreadable> {
        let ns = Namespace::new(&self.ns)?;
        let splits = self.splits.iter().map(|id| doc_id(id)).collect::<Result<Vec<_>, _>>()?;
        let parts = usize::try_from(self.parts).ok().filter(|parts| *parts == 0 || *parts == splits.len() + 1);
        let parts = parts.filter(|_| splits.is_sorted_by(|a, b| a < b)).ok_or(Unreadable::Impossible)?;
        let is_described = !self.options.is_empty() || !self.indexes.is_empty();
        let collection = match (self.exists, is_described) {
            (true, _) => {
                let indexes = self.indexes.iter().map(|index| Index::new(index)).collect::<Result<Vec<_>, _>>()?;
                Some(Collection { ns: ns.clone(), options: CollectionOptions::new(&self.options)?, indexes })
            }
            (false, false) => None,
            (false, true) => return Err(Unreadable::Impossible),
        };
        let state = CollectionState {
            collection,
            listed_at: self.listed_at.map(moment),
            ended_at: self.ended_at.map(moment),
            renamed_at: self.renamed_at.map(moment),
            size: Size { documents: counted(self.documents)?, bytes: counted(self.bytes)? },
            splits,
            ranges: vec![RangeState::default(); parts],
        };
        Ok((ns, state))
    }
}

impl StoredRange {
    pub(super) fn of(ns: &Namespace, part: usize, range: &RangeState) -> Self {
        let segments = range.segments.iter().map(|segment| StoredSegment {
            until: segment.until.as_ref().map(DocId::to_raw_document),
            at: bits(segment.at),
        });
        Self {
            v: VERSION,
            ns: ns.as_str().to_owned(),
            part: i64::try_from(part).unwrap_or(i64::MAX),
            segments: segments.collect(),
            done_to: range.done_to.as_ref().map(DocId::to_raw_document),
            is_done: range.is_done,
            documents: signed(range.copied.documents),
            bytes: signed(range.copied.bytes),
        }
    }

    /// Which part of which collection it is about.
    pub(super) fn place(&self) -> Result<(Namespace, usize), Unreadable> {
        Ok((Namespace::new(&self.ns)?, usize::try_from(self.part).map_err(|_| Unreadable::Impossible)?))
    }

    pub(super) fn read(self) -> Result<RangeState, Unreadable> {
        let mut segments = Vec::with_capacity(self.segments.len());
        for segment in &self.segments {
            let until = segment.until.as_ref().map(|id| doc_id(id)).transpose()?;
            segments.push(Segment { until, at: moment(segment.at) });
        }
        // The one to the end comes last.
        let in_order =
            |a: &Segment, b: &Segment| a.until.is_some() && b.until.as_ref().is_none_or(|b| a.until.as_ref() < Some(b));
        if !segments.is_sorted_by(in_order) {
            return Err(Unreadable::Impossible);
        }
        Ok(RangeState {
            segments,
            done_to: self.done_to.as_ref().map(|id| doc_id(id)).transpose()?,
            is_done: self.is_done,
            copied: Size { documents: counted(self.documents)?, bytes: counted(self.bytes)? },
        })
    }
}

/// The same 64 bits, as servers store them.
#[expect(clippy::cast_possible_wrap, reason = "bits, which are turned back")]
fn bits(moment: Moment) -> i64 {
    moment.to_bits() as i64
}

#[expect(clippy::cast_sign_loss, reason = "bits, which are turned back")]
fn moment(bits: i64) -> Moment {
    Moment::from_bits(bits as u64)
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn counted(count: i64) -> Result<u64, Unreadable> {
    u64::try_from(count).map_err(|_| Unreadable::Impossible)
}

fn doc_id(document: &RawDocument) -> Result<DocId, Unreadable> {
    match document.get("_id") {
        Ok(Some(id)) => Ok(DocId::new(id.into())?),
        _ => Err(Unreadable::Impossible),
    }
}

fn binary(bytes: &[u8]) -> RawBson {
    RawBson::Binary(bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: bytes.to_vec() })
}

fn bytes(value: &RawBson) -> Result<Vec<u8>, Unreadable> {
    match value {
        RawBson::Binary(binary) => Ok(binary.bytes.clone()),
        _ => Err(Unreadable::Impossible),
    }
}

fn bytes16(value: &RawBson) -> Result<[u8; 16], Unreadable> {
    bytes(value)?.try_into().map_err(|_| Unreadable::Impossible)
}
