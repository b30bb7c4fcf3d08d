//! [`MemoryLog`]: a log as plain data.

use std::collections::BTreeMap;

use super::limited;
use crate::{
    batch::check_follows,
    entry::Entry,
    ids::{LogId, OpId},
    limits::Limits,
    log::{Appended, LogEnds},
    position::{Anchor, Position},
};

/// A log: its floor, and the entries above it by their index.
#[derive(Debug)]
pub(super) struct MemoryLog {
    log: LogId,
    floor: Anchor,
    entries: BTreeMap<u64, Entry>,
}

impl MemoryLog {
    /// An empty log whose first entry is the one that follows `floor`.
    pub(super) fn new(log: LogId, floor: Anchor) -> Self {
        Self { log, floor, entries: BTreeMap::new() }
    }

    pub(super) fn ends(&self) -> LogEnds {
        LogEnds { log: self.log, floor: self.floor, head: self.head() }
    }

    pub(super) fn append(&mut self, entries: &[Entry]) -> Appended {
        for (count, entry) in entries.iter().enumerate() {
            if !self.append_one(entry) {
                return Appended::Beaten { count };
            }
        }
        Appended::All
    }

    /// Whether the entry is in the log afterwards, at its own position.
    fn append_one(&mut self, entry: &Entry) -> bool {
        let index = entry.position().index;
        if let Some(there) = self.entries.get(&index) {
            return there.hash() == entry.hash();
        }
        // An index at or below the floor does not follow the head either.
        let fits = check_follows(&self.head(), entry).is_ok() && self.find(entry.op_id()).is_none();
        if fits {
            self.entries.insert(index, entry.clone());
        }
        fits
    }

    pub(super) fn read(&self, from: u64, limits: Limits) -> Vec<Entry> {
        limited(self.entries.range(from..).map(|(_, entry)| entry), limits, Entry::bytes)
    }

    pub(super) fn find(&self, op_id: OpId) -> Option<Position> {
        self.entries.values().find(|entry| entry.op_id() == op_id).map(Entry::position)
    }

    /// Whether `floor` is an entry of this log, or one that was.
    pub(super) fn trim(&mut self, floor: &Anchor) -> bool {
        if floor.position.index <= self.floor.position.index {
            return true;
        }
        let known = self.entries.get(&floor.position.index).is_some_and(|entry| entry.anchor() == *floor);
        if known {
            self.floor = *floor;
            self.entries = self.entries.split_off(&floor.next_index());
        }
        known
    }

    fn head(&self) -> Anchor {
        self.entries.values().next_back().map_or(self.floor, Entry::anchor)
    }

    #[cfg(feature = "testing")]
    pub(super) fn tamper(&mut self, index: u64, entry: Option<Entry>) {
        match entry {
            Some(entry) => self.entries.insert(index, entry),
            None => self.entries.remove(&index),
        };
    }
}
