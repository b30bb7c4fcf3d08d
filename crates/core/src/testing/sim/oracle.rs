//! [`Oracle`]: knows what was asked for and what was answered, and holds what it sees against the laws.

use std::collections::BTreeMap;

use super::{
    node::{Change, State},
    process::Node,
    timeline::Timeline,
    workload,
    world::Micros,
};
use crate::{
    batch::{BatchError, check_follows},
    entry::{Entry, Operation},
    ids::{LogId, OpId},
    position::{Anchor, Position},
    update::UpdateError,
    write::{Outcome, Write, Written},
};

/// What was asked for, what is durable, and the first law that was broken.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    log: Option<LogId>,
    /// All entries that ever were durable, by their index; trims take nothing out of it.
    history: Vec<Entry>,
    positions: BTreeMap<OpId, u64>,
    timeline: Timeline,
    asked: BTreeMap<OpId, Asked>,
    /// Since when the log knows a replica.
    registered: BTreeMap<String, Micros>,
    /// When the trim began that chose a floor.
    trims: BTreeMap<u64, Micros>,
    /// The newest durable checkpoint of each node.
    checkpoints: BTreeMap<Node, u64>,
    pub(super) acknowledged: u64,
    /// Where the acknowledged writes are to be.
    acknowledged_at: Vec<(u64, OpId)>,
    pub(super) refused: u64,
    pub(super) unknown: u64,
    violation: Option<Broken>,
}

/// A write, and where the log was when it was first asked for.
#[derive(Debug)]
struct Asked {
    write: Write,
    since: u64,
    /// How often it was asked for.
    times: u64,
}

/// A law that was broken, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) law: &'static str,
    pub(super) what: String,
}

/// What else holds at the moment of a change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Micros,
    /// How far each node has come, durably.
    pub(super) applied: [u64; Node::ALL.len()],
    /// Whether the log keeps what registered replicas need.
    pub(super) retains: bool,
}

impl Oracle {
    /// Notes that a trim that began at `began` is to move the floor to `index`.
    pub(super) fn choose_floor(&mut self, index: u64, began: Micros) {
        self.trims.entry(index).or_insert(began);
    }

    /// Notes a violation; the first one counts.
    pub(super) fn report(&mut self, law: &'static str, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(Broken { law, what: what() });
        }
    }

    pub(super) fn violation(&self) -> Option<&Broken> {
        self.violation.as_ref()
    }

    /// The index of the newest durable entry.
    pub(super) fn head(&self) -> u64 {
        self.history.len() as u64
    }

    /// Notes that somebody asks for a write, perhaps again.
    pub(super) fn ask(&mut self, op_id: OpId, write: &Write) {
        let since = self.head();
        let asked = self.asked.entry(op_id).or_insert_with(|| Asked { write: write.clone(), since, times: 0 });
        asked.times += 1;
    }

    /// L1: what is acknowledged is durable, and what the caller is told is true.
    pub(super) fn acknowledge(&mut self, written: &Written) {
        self.acknowledged += 1;
        let Some((position, _)) = written.entry else { return self.check_without_entry(written) };
        self.acknowledged_at.push((position.index, written.op_id));
        let there = self.entry(position.index);
        let is_there = there.is_some_and(|entry| entry.position() == position && entry.op_id() == written.op_id);
        let kind_fits = there.is_some_and(|entry| match (written.outcome, entry.operation()) {
            (Outcome::Repeated, _)
            | (Outcome::Inserted, Operation::Insert { .. })
            | (Outcome::Updated, Operation::Update { .. })
            | (Outcome::Deleted, Operation::Delete { .. }) => {
                entry.operation().doc_id().as_ref() == written.id.as_ref()
            }
            _ => false,
        });
        if !is_there {
            self.report("L1 durable ack", || format!("acknowledged at {position}, and not in the log: {written:?}"));
        } else if !kind_fits {
            self.report("L1 durable ack", || format!("the entry at {position} is not what was told: {written:?}"));
        }
    }

    /// An answer without an entry was true at some moment since the write was asked for.
    fn check_without_entry(&mut self, written: &Written) {
        let (Some(asked), Some(id)) = (self.asked.get(&written.op_id), &written.id) else { return };
        let place = (asked.write.namespace().clone(), id.clone());
        let is_true = self.timeline.was(asked.since, self.head(), &place, |document| match written.outcome {
            Outcome::NotFound => document.is_none(),
            Outcome::Unchanged => document.is_some(),
            _ => false,
        });
        if !is_true {
            self.report("L1 durable ack", || format!("was never true meanwhile: {written:?}"));
        }
    }

    /// A refusal was right at some moment since the write was asked for.
    pub(super) fn refuse(&mut self, op_id: OpId, error: &UpdateError) {
        self.refused += 1;
        let Some(Asked { write, since, .. }) = self.asked.get(&op_id) else { return };
        let is_true = match write {
            Write::Insert { ns, document } => workload::id_of(document).is_some_and(|id| {
                self.timeline.was(*since, self.head(), &(ns.clone(), id), |document| document.is_some())
            }),
            _ => false,
        };
        if !is_true {
            self.report("L1 durable ack", || format!("refused without a reason: {error}"));
        }
    }

    /// L1: the caller was told that the write is in the log.
    pub(super) fn promise(&mut self, op_id: OpId, at: Position) {
        if self.positions.get(&op_id) != Some(&at.index) {
            self.report("L1 durable ack", || format!("told that {op_id} is at {at}, and it is not"));
        }
    }

    /// How many acknowledged writes are not in the log where they were told to be, or stand behind
    /// the entry at index `applied`.
    pub(super) fn acknowledged_beyond(&self, applied: u64) -> u64 {
        let is_there = |(index, op_id): &&(u64, OpId)| self.entry(*index).is_some_and(|entry| entry.op_id() == *op_id);
        let held = self.acknowledged_at.iter().filter(is_there).filter(|(index, _)| *index <= applied).count();
        (self.acknowledged_at.len() - held) as u64
    }

    fn entry(&self, index: u64) -> Option<&Entry> {
        self.history.get(usize::try_from(index.checked_sub(1)?).ok()?)
    }

    /// Where the log stood after `index` entries.
    fn anchor(&self, index: u64) -> Option<Anchor> {
        match index {
            0 => self.log.map(Entry::origin),
            index => self.entry(index).map(Entry::anchor),
        }
    }

    /// What became visible on a node: L5, L6.
    pub(super) fn check_visible(&mut self, node: Node, state: &State, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Checkpoint(checkpoint) => {
                    let index = checkpoint.anchor.position.index;
                    if self.anchor(index) != Some(checkpoint.anchor) {
                        self.report("L6 checkpoint after data", || {
                            format!("{} is at {}, which no log holds durably", node.name(), checkpoint.anchor.position)
                        });
                    }
                    self.check_fold(node, state, index);
                }
                Change::Document(place, document) => {
                    let (from, until) = (state.applied(), state.window.unwrap_or(state.applied()));
                    if !self.timeline.was(from, until, place, |was| was == document.as_ref()) {
                        self.report("L5 prefix", || {
                            format!("{}: {place:?} is {document:?} between {from} and {until}", node.name())
                        });
                    }
                }
                _ => {}
            }
        }
    }

    /// L5: the documents of a node are the fold of the log up to `index`.
    fn check_fold(&mut self, node: Node, state: &State, index: u64) {
        let known = self.timeline.places().find(|place| self.timeline.at(index, place) != state.documents.get(place));
        let different = known.or_else(|| state.documents.keys().find(|place| self.timeline.at(index, place).is_none()));
        if let Some(place) = different.cloned() {
            let (is, should) = (state.documents.get(&place).cloned(), self.timeline.at(index, &place).cloned());
            self.report("L5 prefix", || format!("{} at {index}: {place:?} is {is:?}, not {should:?}", node.name()));
        }
    }

    /// What becomes durable on a node: L2, L3, L4, L6, L8 and retention.
    pub(super) fn check_durable(&mut self, node: Node, before: &State, change: &Change, moment: Moment) {
        match change {
            Change::CreateLog(log) => self.log = self.log.or(Some(*log)),
            Change::Append(entry) => {
                self.check_once(entry, before.log.as_ref().map_or(0, |log| log.floor.position.index));
                self.check_entry(entry);
            }
            Change::Acknowledge(replica, _) => {
                self.registered.entry(replica.clone()).or_insert(moment.now);
            }
            Change::Floor(floor) => {
                // Who registers while a trim is under way comes too late for it.
                let began = self.trims.get(&floor.position.index).copied().unwrap_or(moment.now);
                let counts = |replica: &Node| self.registered.get(replica.name()).is_some_and(|since| *since <= began);
                let needed = Node::ALL.into_iter().zip(moment.applied);
                let needed = needed.filter(|(replica, _)| *replica == node || (moment.retains && counts(replica)));
                if let Some((replica, at)) = needed.min_by_key(|(_, at)| *at)
                    && at < floor.position.index
                {
                    self.report("retention", || {
                        format!("trimmed to {}, {} is at {at}", floor.position, replica.name())
                    });
                }
            }
            Change::Checkpoint(checkpoint) => {
                let index = checkpoint.anchor.position.index;
                let last = self.checkpoints.insert(node, index).unwrap_or(0);
                if index < last {
                    self.report("L6 checkpoint after data", || format!("{} went back: {index}, {last}", node.name()));
                }
            }
            _ => {}
        }
    }

    /// L2. Somebody who asks again after the entry was trimmed away is not recognised: operation
    /// ids are remembered as far as the log reaches.
    fn check_once(&mut self, entry: &Entry, floor: u64) {
        let (op_id, at) = (entry.op_id(), entry.position());
        let Some(other) = self.positions.get(&op_id).copied().filter(|other| *other != at.index) else { return };
        let is_forgotten = other <= floor && self.asked.get(&op_id).is_some_and(|asked| asked.times > 1);
        if !is_forgotten {
            self.report("L2 at most once", || format!("the operation at {at} is at {other} already"));
        }
    }

    fn check_entry(&mut self, entry: &Entry) {
        let at = entry.position();
        if let Some(there) = self.entry(at.index) {
            if there != entry {
                self.report("L4 immutable", || format!("another entry stands at {at} than stood there before"));
            }
            return;
        }
        let Some(last) = self.anchor(self.head()) else {
            return self.report("L3 dense", || format!("an entry at {at} before there is a log"));
        };
        match check_follows(&last, entry) {
            Err(error @ BatchError::Term { .. }) => return self.report("L8 fenced", || error.to_string()),
            Err(error) => return self.report("L3 dense", || error.to_string()),
            Ok(()) => {}
        }
        if entry.optime() <= last.optime {
            self.report("L3 dense", || format!("the optime does not rise at {at}"));
        }
        self.positions.insert(entry.op_id(), at.index);
        if let (Some(ns), Some(id)) = (entry.operation().namespace(), entry.operation().doc_id()) {
            let place = (ns.clone(), id);
            let before = self.timeline.at(self.head(), &place);
            let asked = self.asked.get(&entry.op_id());
            let fits = asked.is_some_and(|asked| workload::is_effect(&asked.write, before, entry.operation()));
            if !fits {
                let (asked, before) = (asked.map(|asked| asked.write.clone()), before.cloned());
                let operation = entry.operation();
                self.report("evaluation", || format!("{at}: {asked:?} of {before:?} does not make {operation:?}"));
            }
            self.timeline.push(at.index, place, workload::after(entry.operation()));
        }
        self.history.push(entry.clone());
    }

    /// L1: a node that comes up again has all that was ever durable.
    pub(super) fn check_restarted(&mut self, node: Node, durable: &State) {
        let head = durable.log.as_ref().map(|log| log.head().position.index);
        if node == Node::SOURCE && head.unwrap_or(0) != self.head() {
            let known = self.head();
            self.report("L1 durable ack", || format!("{} had {known} entries and has {head:?}", node.name()));
        }
        let (applied, last) = (durable.applied(), self.checkpoints.get(&node).copied().unwrap_or(0));
        if applied < last {
            self.report("L6 checkpoint after data", || format!("{} was at {last} and is at {applied}", node.name()));
        }
    }
}
