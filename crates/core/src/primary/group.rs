//! [`Group`]: writes that are appended at once, and what their callers will be told.

use std::collections::HashMap;

use bson::oid::ObjectId;

use super::{
    Job, Task, WriteError,
    current::Current,
    evaluate::{evaluate, named_id},
    seat::Seat,
};
use crate::{
    clock::OpTime,
    command::Command,
    entry::{Entry, Operation},
    host::Host,
    ids::OpId,
    limits::Limits,
    planted::{Bug, is_planted},
    position::{Anchor, Position},
    write::{Outcome, Written},
};

/// Sealed entries and the jobs that wait for them.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) after: Anchor,
    pub(super) entries: Vec<Entry>,
    pub(super) planned: Vec<Planned>,
    bytes: usize,
    sealed: HashMap<OpId, Written>,
}

/// A job that was evaluated on what the entries before it leave, so that its answer holds only
/// once they are durable, whether or not it has an entry of its own.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) job: Job,
    pub(super) answer: Result<Written, WriteError>,
    /// The newest entry of the group that the answer rests on.
    pub(super) entry: usize,
}

impl Group {
    /// A group of nothing yet.
    pub(super) fn new(after: Anchor) -> Self {
        Self { after, entries: Vec::new(), planned: Vec::new(), bytes: 0, sealed: HashMap::new() }
    }

    /// Whether nothing was planned yet.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether what it holds is enough for one append: a small update may leave a large image.
    pub(super) fn is_full(&self, limits: Limits) -> bool {
        !self.entries.is_empty() && (self.entries.len() >= limits.entries_max || self.bytes >= limits.bytes_max)
    }

    /// Where the entry stands that an answer rests on.
    pub(super) fn position(&self, entry: usize) -> Position {
        self.entries.get(entry).map_or(self.after.position, Entry::position)
    }

    /// Evaluates a job on `documents`, which are brought up to what it leaves, and seals its entry
    /// if it has one.
    pub(super) fn plan<S>(&mut self, mut job: Job, seat: &mut Seat<S>, host: &impl Host, documents: &mut Current) {
        let answer = match self.sealed.get(&job.op_id) {
            Some(first) => Ok(Written { outcome: Outcome::Repeated, ..first.clone() }),
            None => self.evaluate(&job, seat, host, documents),
        };
        if let Ok(Written { entry: Some((position, _)), .. }) = &answer {
            job.sealed_at = position.index;
        }
        match self.entries.len().checked_sub(1) {
            Some(entry) => self.planned.push(Planned { job, answer, entry }),
            None => job.answer(answer),
        }
    }

    fn evaluate<S>(
        &mut self,
        job: &Job,
        seat: &mut Seat<S>,
        host: &impl Host,
        documents: &mut Current,
    ) -> Result<Written, WriteError> {
        let now = seat.clock.tick(host.now());
        let (id, outcome, operation) = match &job.task {
            Task::Command(action) => (None, Outcome::Ran, Some(Operation::Command(Command::new(action.clone())))),
            Task::Write(write) => {
                let key = named_id(write).map(|id| (write.namespace().clone(), id));
                let current = key.as_ref().and_then(|key| documents.get(key)).and_then(Option::as_ref);
                let evaluated = evaluate(write, current, new_object_id(now, host.random()), now)?;
                (Some(evaluated.id), evaluated.outcome, evaluated.operation)
            }
        };
        let mut written = Written { id, outcome, op_id: job.op_id, entry: None };
        if let Some(operation) = operation {
            if !seat.term_begun && (self.after.position.index == 0 || !is_planted(Bug::NoNewTerm)) {
                seat.term_begun = true;
                self.seal(seat.clock.tick(host.now()), OpId::from_bytes(host.random()), Operation::NewTerm);
            }
            remember(documents, &operation);
            written.entry = Some(self.seal(seat.clock.tick(host.now()), job.op_id, operation));
            self.sealed.insert(job.op_id, written.clone());
        }
        Ok(written)
    }

    /// Seals an entry behind the last one.
    fn seal(&mut self, optime: OpTime, op_id: OpId, operation: Operation) -> (Position, OpTime) {
        let after = self.entries.last().map_or(self.after, Entry::anchor);
        let entry = Entry::seal(&after, optime, op_id, operation);
        let sealed = (entry.position(), optime);
        self.bytes = self.bytes.saturating_add(entry.bytes());
        self.entries.push(entry);
        sealed
    }
}

/// Makes what an operation leaves visible to the jobs behind it in the group.
fn remember(documents: &mut Current, operation: &Operation) {
    let (Some(ns), Some(id)) = (operation.namespace(), operation.doc_id()) else { return };
    let after = match operation {
        Operation::Insert { document, .. } | Operation::Update { document, .. } => Some(document.clone()),
        _ => None,
    };
    documents.insert((ns.clone(), id), after);
}

/// An `ObjectId` as MongoDB describes it: seconds, then bits that no other process has.
fn new_object_id(now: OpTime, random: [u8; 16]) -> ObjectId {
    let mut bytes = [0; 12];
    let (head, tail) = bytes.split_at_mut(4);
    head.copy_from_slice(&now.to_timestamp().0.to_be_bytes());
    tail.copy_from_slice(random.first_chunk::<8>().unwrap_or(&[0; 8]));
    ObjectId::from_bytes(bytes)
}
