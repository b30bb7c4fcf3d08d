//! [`Queue`]: events that are read and sealed into entries, and not yet yielded.

use std::collections::VecDeque;

use oplogsync_core::{
    batch::{Batch, BatchError},
    clock::OpTime,
    entry::{Entry, Operation},
    ids::LogId,
    limits::Limits,
    position::Anchor,
};

use super::{
    chunk::{Chunk, Mark},
    event::Event,
    token::ResumeToken,
};

/// Events that are read and sealed into entries, and not yet yielded.
#[derive(Debug)]
pub(super) struct Queue {
    log: LogId,
    /// What stands before the first entry.
    start: Anchor,
    /// The last entry, or what stands before the first.
    end: Anchor,
    entries: VecDeque<Entry>,
    /// Where the stream goes on behind each of them.
    tokens: VecDeque<ResumeToken>,
    bytes: usize,
    /// Where it goes on behind everything that was looked through.
    token: ResumeToken,
    /// Up to when that is everything; `None` when it goes on behind the last entry.
    looked_to: Option<OpTime>,
    /// The time of a transaction of which more events may follow.
    open: Option<OpTime>,
    /// Whether nothing followed what was looked through last.
    is_end: bool,
    /// The newest write of the source that was heard of.
    source: OpTime,
}

/// What a queue yields: a batch and where the stream goes on behind it.
pub(super) type Yield = (Batch, ResumeToken);

impl Queue {
    /// An empty one that goes on at a token.
    pub(super) fn new(log: LogId, start: Anchor, token: ResumeToken) -> Self {
        Self {
            log,
            start,
            end: start,
            entries: VecDeque::new(),
            tokens: VecDeque::new(),
            bytes: 0,
            token,
            looked_to: None,
            open: None,
            is_end: false,
            source: start.optime,
        }
    }

    /// The entry that the next batch follows.
    pub(super) fn start(&self) -> &Anchor {
        &self.start
    }

    /// Where the stream is opened anew when it has ended.
    pub(super) fn token(&self) -> &ResumeToken {
        &self.token
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a batch is there that is as large as the limits let it be, or larger: a transaction.
    pub(super) fn is_full(&mut self, limits: Limits) -> bool {
        (self.entries.len() > limits.entries_max || self.bytes > limits.bytes_max) && self.has_batch()
    }

    /// Whether exactly as many entries as the limits say are there to their end, or more than that.
    pub(super) fn holds(&mut self, limits: Limits) -> bool {
        self.entries.len() > limits.entries_max || self.prefix(limits) == limits.entries_max
    }

    /// Whether nothing followed what was looked through last, and all of it is there.
    pub(super) fn is_at_end(&self) -> bool {
        self.is_end && self.open.is_none()
    }

    /// Takes in what an answer says.
    pub(super) fn push(&mut self, chunk: Chunk) {
        for event in chunk.events {
            self.seal(event);
        }
        self.source = self.source.max(chunk.source);
        self.is_end = false;
        if chunk.mark.is_some() || !chunk.is_cut {
            self.open = None;
        }
        if let Some(Mark { token, optime, is_open, is_end }) = chunk.mark {
            self.open = is_open.then_some(optime);
            self.is_end = is_end;
            if token != self.token {
                self.token = token;
                self.looked_to = Some(optime);
            }
        }
    }

    /// The transaction that was open has no more events.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    fn seal(&mut self, event: Event) {
        let Some(operation) = event.operation else { return };
        let entry = Entry::seal(&self.end, event.optime, event.token.op_id(), operation);
        self.end = entry.anchor();
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        self.tokens.push_back(event.token.clone());
        self.token = event.token;
        self.looked_to = None;
    }

    /// The next batch, if one is there to its end.
    pub(super) fn take(&mut self, limits: Limits) -> Result<Option<Yield>, BatchError> {
        let count = self.prefix(limits);
        let Some(token) = count.checked_sub(1).and_then(|last| self.tokens.get(last)).cloned() else { return Ok(None) };
        let entries: Vec<Entry> = self.entries.drain(..count).collect();
        self.tokens.drain(..count);
        self.bytes -= entries.iter().map(Entry::bytes).sum::<usize>();
        let batch = Batch::new(self.log, self.start, entries)?;
        self.start = batch.last();
        if self.is_empty() && self.open.is_none() && self.looked_to.take().is_some() {
            // Nothing concerned the target since.
            return Ok(Some((batch, self.token.clone())));
        }
        Ok(Some((batch, token)))
    }

    /// Whether a batch is there to its end.
    pub(super) fn has_batch(&mut self) -> bool {
        self.prefix(Limits { entries_max: 1, bytes_max: 1 }) > 0
    }

    /// How many entries the next batch has.
    fn prefix(&mut self, limits: Limits) -> usize {
        let is_open = self.open.is_some() && self.entries.back().map(Entry::optime) == self.open;
        Batch::prefix(self.entries.make_contiguous(), limits, is_open).unwrap_or_default()
    }

    /// Whether the stream has gone on without an entry that tells so.
    pub(super) fn has_moved(&self) -> bool {
        self.is_empty() && self.open.is_none() && self.looked_to.is_some()
    }

    /// An entry that does nothing but move the checkpoint to where the stream has gone on.
    pub(super) fn take_noop(&mut self) -> Result<Option<Yield>, BatchError> {
        if !self.has_moved() {
            return Ok(None);
        }
        let Some(optime) = self.looked_to.take() else { return Ok(None) };
        let optime = optime.max(self.start.optime);
        let noop = Entry::seal(&self.start, optime, self.token.op_id(), Operation::Noop);
        let batch = Batch::new(self.log, self.start, vec![noop])?;
        self.start = batch.last();
        self.end = self.start;
        Ok(Some((batch, self.token.clone())))
    }

    /// The newest entry that is known to be there. Where the source is known to have gone on, but not with what,
    /// one more is counted.
    pub(super) fn head(&self, more: bool) -> Anchor {
        let mut head = self.end;
        if self.is_empty() && (more || !self.is_end) {
            head.position.index = head.next_index();
        }
        if head.position != self.start.position {
            head.optime = head.optime.max(self.source);
        }
        head
    }
}

#[cfg(test)]
mod tests;
