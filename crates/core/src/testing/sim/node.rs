//! [`State`]: what a node holds, and [`Change`]: the smallest thing that happens to it.

use std::collections::BTreeMap;

use crate::{
    checkpoint::{Checkpoint, Stop},
    doc_id::DocId,
    document::Document,
    entry::Entry,
    ids::LogId,
    lease::{Lease, LeaseName},
    namespace::Namespace,
    position::Anchor,
};

/// Where a document is.
pub(super) type Place = (Namespace, DocId);

/// What a node holds.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) log: Option<LogState>,
    pub(super) documents: BTreeMap<Place, Document>,
    pub(super) checkpoint: Option<Checkpoint>,
    /// Up to where a batch was begun that is not one atomic write.
    pub(super) window: Option<u64>,
    pub(super) acknowledgements: BTreeMap<String, Anchor>,
    pub(super) stop: Option<Stop>,
    pub(super) leases: BTreeMap<LeaseName, Lease>,
}

/// A log.
#[derive(Debug, Clone)]
pub(super) struct LogState {
    pub(super) id: LogId,
    pub(super) floor: Anchor,
    pub(super) entries: BTreeMap<u64, Entry>,
}

/// The smallest thing that happens to a node.
#[derive(Debug, Clone)]
pub(super) enum Change {
    CreateLog(LogId),
    Append(Entry),
    Floor(Anchor),
    /// Entries up to this index are deleted.
    Truncate(u64),
    Document(Place, Option<Document>),
    Checkpoint(Checkpoint),
    Window(Option<u64>),
    Acknowledge(String, Anchor),
    Stop(Option<Stop>),
    Lease(LeaseName, Option<Lease>),
}

impl LogState {
    /// The newest entry.
    pub(super) fn head(&self) -> Anchor {
        self.entries.range(self.floor.next_index()..).next_back().map_or(self.floor, |(_, entry)| entry.anchor())
    }
}

impl State {
    /// The index of the last entry that is applied.
    pub(super) fn applied(&self) -> u64 {
        self.checkpoint.map_or(0, |checkpoint| checkpoint.anchor.position.index)
    }

    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::CreateLog(id) => {
                let new = || LogState { id: *id, floor: Entry::origin(*id), entries: BTreeMap::new() };
                self.log.get_or_insert_with(new);
            }
            Change::Append(entry) => {
                if let Some(log) = &mut self.log {
                    log.entries.insert(entry.position().index, entry.clone());
                }
            }
            Change::Floor(floor) => {
                if let Some(log) = &mut self.log {
                    log.floor = *floor;
                }
            }
            Change::Truncate(until) => {
                if let Some(log) = &mut self.log {
                    log.entries = log.entries.split_off(&until.saturating_add(1));
                }
            }
            Change::Document(place, document) => {
                set(&mut self.documents, place, document.as_ref());
            }
            Change::Checkpoint(checkpoint) => self.checkpoint = Some(*checkpoint),
            Change::Window(window) => self.window = *window,
            Change::Acknowledge(replica, anchor) => {
                self.acknowledgements.insert(replica.clone(), *anchor);
            }
            Change::Stop(stop) => self.stop.clone_from(stop),
            Change::Lease(name, lease) => set(&mut self.leases, name, lease.as_ref()),
        }
    }
}

fn set<K: Clone + Ord, V: Clone>(map: &mut BTreeMap<K, V>, key: &K, value: Option<&V>) {
    match value {
        Some(value) => map.insert(key.clone(), value.clone()),
        None => map.remove(key),
    };
}
