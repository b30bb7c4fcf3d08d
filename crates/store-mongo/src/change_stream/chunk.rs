//! [`Chunk`]: what one answer of the server says.

use bson::{RawArray, RawDocument};
use oplogsync_core::{clock::OpTime, store_error::Fault};

use super::{
    event::{Decoder, Event},
    token::ResumeToken,
};
use crate::error::Failure;

/// What one answer of the server says.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// The events that concern the target.
    pub(crate) events: Vec<Event>,
    /// Up to where the stream was looked through. Not known behind an event that cannot be decoded, and where no
    /// event is there to its end.
    pub(crate) mark: Option<Mark>,
    /// The answer ends within an event that the server has split: no stream goes on there.
    pub(crate) is_cut: bool,
    /// Why what follows the events is not there.
    pub(crate) failure: Option<Failure>,
    /// The newest write that cannot be taken back, as far as the answer tells.
    pub(crate) source: OpTime,
}

/// A place in a change stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mark {
    pub(crate) token: ResumeToken,
    /// Everything up to this time is in the events up to here; of a transaction that is open, a part.
    pub(crate) optime: OpTime,
    /// The last event is of a transaction, and its next one may follow.
    pub(crate) is_open: bool,
    /// Nothing follows yet.
    pub(crate) is_end: bool,
}

/// Whether a mark that stands behind no event includes its own time: it does where one server reads one
/// oplog in order. A router's means that nothing older can come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MarkTime {
    Included,
    Excluded,
}

impl Chunk {
    /// Reads an answer of a stream that was opened at `opened_at`.
    pub(crate) fn read(
        reply: &RawDocument,
        decoder: &mut Decoder,
        times: MarkTime,
        opened_at: &ResumeToken,
    ) -> Result<Self, Failure> {
        let (raw, mark) = parts(reply)?;
        let source = time(reply).unwrap_or_default();
        let mut chunk = Self { events: Vec::new(), mark: None, is_cut: false, failure: None, source };
        let mut last: Option<(ResumeToken, OpTime, bool)> = None;
        for item in raw {
            let item = item.map_err(|_| malformed("an event is cut off"))?;
            let event = decoder.decode(item.as_document().ok_or_else(|| malformed("an event is no document"))?);
            match event {
                Ok(None) => {}
                Ok(Some(event)) => {
                    last = Some((event.token.clone(), event.optime, event.is_in_transaction));
                    if event.operation.is_some() {
                        chunk.events.push(event);
                    }
                }
                Err(failure) => {
                    chunk.failure = Some(failure);
                    return Ok(chunk);
                }
            }
        }
        if decoder.is_within_event() {
            chunk.is_cut = true;
            chunk.mark = last.map(|(token, optime, is_open)| Mark { token, optime, is_open, is_end: false });
            return Ok(chunk);
        }
        let token = ResumeToken::new(mark).map_err(|error| Failure::new(Fault::Unexpected).because(error))?;
        let (optime, is_open) = match last {
            Some((at, optime, in_transaction)) if at == token => (optime, in_transaction),
            // Where it was opened it stands for what was known then.
            _ if *opened_at == token || times == MarkTime::Excluded => (before(token.time()), false),
            _ => (token.time(), false),
        };
        let is_end = raw.is_empty() || token.time() >= source;
        chunk.mark = Some(Mark { token, optime, is_open, is_end });
        Ok(chunk)
    }
}

/// The newest write that the answer tells of.
fn time(reply: &RawDocument) -> Option<OpTime> {
    let time = reply.get_timestamp("operationTime").ok()?;
    Some(OpTime::from_timestamp(time.time, time.increment))
}

/// The events, and the token behind what was looked through.
fn parts(reply: &RawDocument) -> Result<(&RawArray, &RawDocument), Failure> {
    let cursor = reply.get_document("cursor").map_err(|_| malformed("it has no cursor"))?;
    let events = cursor.get_array("nextBatch").or_else(|_| cursor.get_array("firstBatch"));
    let mark = cursor.get_document("postBatchResumeToken");
    Ok((
        events.map_err(|_| malformed("it has no batch"))?,
        mark.map_err(|_| malformed("it has no postBatchResumeToken"))?,
    ))
}

/// The first time behind.
pub(crate) fn following(time: OpTime) -> OpTime {
    match time.to_timestamp() {
        (u32::MAX, u32::MAX) => time,
        (seconds, u32::MAX) => OpTime::from_timestamp(seconds + 1, 0),
        (seconds, increment) => OpTime::from_timestamp(seconds, increment + 1),
    }
}

/// The last time before.
fn before(time: OpTime) -> OpTime {
    match time.to_timestamp() {
        (0, 0) => time,
        (seconds, 0) => OpTime::from_timestamp(seconds - 1, u32::MAX),
        (seconds, increment) => OpTime::from_timestamp(seconds, increment - 1),
    }
}

fn malformed(what: &str) -> Failure {
    Failure::said(Fault::Unexpected, format!("the server's answer about its change stream has an unknown form: {what}"))
}

#[cfg(test)]
mod tests;
