//! What an initial sync remembers in the target, so that it goes on where it was cut off.
//!
//! ```text
//! sync                  phase, begin of the copy, end of the catch-up
//! collection:NAMESPACE  one collection of the source: options, indexes to build in the end, its parts
//! range:NAMESPACE:PART  how far one part of it is copied, and from which snapshots
//! ```
//!
//! Notes are written and taken away in an order in which every first few of them say what is so: those
//! of the parts go before that of their collection, and that of the whole stands as long as any other.

mod stored;
#[cfg(test)]
mod tests;
mod unreadable;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::stored::{Stored, StoredCollection, StoredRange, StoredSync};
pub use self::unreadable::{StateError, Unreadable};
use super::{Listed, Note, SyncProgress};
use crate::{
    catalog::Collection,
    catch_up::{CatchUp, Clock, Copied, Found, Moment, Segment},
    checkpoint::{Checkpoint, Resume},
    doc_id::DocId,
    documents::Size,
    namespace::Namespace,
};

const SYNC: &str = "sync";
const COLLECTION: &str = "collection:";
const RANGE: &str = "range:";

/// How far an initial sync has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Everything that the target holds is to be taken away.
    Wipe,
    /// Documents are copied.
    Copy,
    /// All documents are copied, and the entries since are applied.
    CatchUp,
}

/// Everything that an initial sync remembers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    pub(crate) clock: Clock,
    pub(crate) phase: Phase,
    /// Where the entries begin that are applied after the copy; `None` before it is known.
    pub(crate) begin: Option<(Checkpoint, Resume)>,
    /// When the listing of the collections began; zero when only some are copied again.
    pub(crate) listed_at: Moment,
    /// When it had ended.
    pub(crate) listed_until: Moment,
    /// Up to when the documents are from different moments; `None` before the first copy is done.
    pub(crate) until: Option<Moment>,
    pub(crate) collections: BTreeMap<Namespace, CollectionState>,
}

/// One collection of the source.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CollectionState {
    /// What it is; `None` when it is to be looked for, or was not there.
    pub(crate) collection: Option<Collection>,
    /// `None` when it is to be looked for.
    pub(crate) listed_at: Option<Moment>,
    /// `None` while it is copied.
    pub(crate) ended_at: Option<Moment>,
    /// When it got its name by a command of the catch-up.
    pub(crate) renamed_at: Option<Moment>,
    pub(crate) size: Size,
    /// The ids at which it is parted.
    pub(crate) splits: Vec<DocId>,
    /// One more than there are splits; none for a view.
    pub(crate) ranges: Vec<RangeState>,
}

/// How far a part of a collection is copied.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RangeState {
    /// From which snapshots, in the order of the ids.
    pub(crate) segments: Vec<Segment>,
    /// The last id that is copied.
    pub(crate) done_to: Option<DocId>,
    pub(crate) is_done: bool,
    pub(crate) copied: Size,
}

impl State {
    pub(crate) fn new(clock: Clock, phase: Phase) -> Self {
        Self {
            clock,
            phase,
            begin: None,
            listed_at: Moment::default(),
            listed_until: Moment::default(),
            until: None,
            collections: BTreeMap::new(),
        }
    }

    /// When the entries begin that are applied after the copy.
    pub(crate) fn begun_at(&self) -> Option<Moment> {
        self.begin.as_ref().map(|(checkpoint, _)| self.clock.moment(&checkpoint.anchor))
    }

    /// Reads all notes of a target; `None` when there are none.
    pub(crate) fn read(notes: &[Note]) -> Result<Option<Self>, StateError> {
        let at = |note: &Note, source| StateError { note: note.name.clone(), source };
        let Some(sync) = notes.iter().find(|note| note.name == SYNC) else {
            return notes.first().map_or(Ok(None), |stray| Err(at(stray, Unreadable::Stray)));
        };
        let mut state = decode::<StoredSync>(sync).and_then(StoredSync::read).map_err(|error| at(sync, error))?;
        if state.phase == Phase::Wipe {
            // Whatever else there is, some of it perhaps, is of an earlier copy.
            return Ok(Some(state));
        }
        let (collections, others): (Vec<&Note>, _) =
            notes.iter().filter(|note| note.name != SYNC).partition(|note| note.name.starts_with(COLLECTION));
        for note in collections {
            state.read_collection(note).map_err(|error| at(note, error))?;
        }
        for note in others {
            state.read_range(note).map_err(|error| at(note, error))?;
        }
        Ok(Some(state))
    }

    fn read_collection(&mut self, note: &Note) -> Result<(), Unreadable> {
        let (ns, collection) = decode::<StoredCollection>(note)?.read()?;
        if note.name != collection_name(&ns) {
            return Err(Unreadable::Stray);
        }
        self.collections.insert(ns, collection);
        Ok(())
    }

    fn read_range(&mut self, note: &Note) -> Result<(), Unreadable> {
        if !note.name.starts_with(RANGE) {
            return Err(Unreadable::Stray);
        }
        let stored = decode::<StoredRange>(note)?;
        let (ns, part) = stored.place()?;
        let range = stored.read()?;
        let place = self.collections.get_mut(&ns).and_then(|collection| collection.ranges.get_mut(part));
        match place {
            Some(place) if note.name == range_name(&ns, part) => *place = range,
            _ => return Err(Unreadable::Stray),
        }
        Ok(())
    }

    /// The note of the whole.
    pub(crate) fn note(&self) -> Note {
        Note { name: SYNC.to_owned(), document: Some(StoredSync::of(self).encode()) }
    }

    /// The note of one collection.
    pub(crate) fn collection_note(&self, ns: &Namespace) -> Note {
        let collection = self.collections.get(ns);
        let document = collection.map(|collection| StoredCollection::of(ns, collection).encode());
        Note { name: collection_name(ns), document }
    }

    /// How far the copy has come.
    pub(crate) fn progress(&self) -> SyncProgress {
        let mut progress = SyncProgress::default();
        for collection in self.collections.values() {
            progress.total.add(collection.size);
            collection.ranges.iter().for_each(|range| progress.copied.add(range.copied));
        }
        progress
    }

    /// What a target has to know to catch up; `None` before everything is copied.
    pub(crate) fn catch_up(&self) -> Option<CatchUp> {
        let until = self.until.filter(|_| self.phase == Phase::CatchUp)?;
        Some(CatchUp {
            clock: self.clock,
            until,
            listed_at: self.listed_at,
            listed_until: self.listed_until,
            collections: self.collections.iter().map(|(ns, state)| (ns.clone(), state.copied())).collect(),
        })
    }

    /// The names of all notes, to take them away.
    pub(crate) fn all_notes(&self) -> Vec<String> {
        let all = self.collections.iter().flat_map(|(ns, collection)| collection.notes(ns));
        all.chain([SYNC.to_owned()]).collect()
    }
}

impl CollectionState {
    /// A collection that is to be looked for at the source.
    pub(crate) fn unlisted() -> Self {
        Self {
            collection: None,
            listed_at: None,
            ended_at: None,
            renamed_at: None,
            size: Size::default(),
            splits: Vec::new(),
            ranges: Vec::new(),
        }
    }

    /// A collection that a listing between `at` and `until` has found, or has not.
    pub(crate) fn listed(at: Moment, until: Moment, found: Option<Listed>, splits: Vec<DocId>) -> Self {
        let size = found.as_ref().map(|found| found.size).unwrap_or_default();
        let collection = found.map(|found| found.collection);
        let has_documents = collection.as_ref().is_some_and(|collection| !collection.options.is_view());
        let ranges = if has_documents { vec![RangeState::default(); splits.len() + 1] } else { Vec::new() };
        let ended_at = ranges.is_empty().then_some(until);
        Self { collection, listed_at: Some(at), ended_at, renamed_at: None, size, splits, ranges }
    }

    /// The names of its notes, those of its parts first.
    pub(crate) fn notes(&self, ns: &Namespace) -> Vec<String> {
        let parts = (0..self.ranges.len()).map(|part| range_name(ns, part));
        parts.chain([collection_name(ns)]).collect()
    }

    /// What a target has to know of it to catch up.
    fn copied(&self) -> Copied {
        let found = match &self.collection {
            None => Found::Nothing,
            Some(collection) if collection.options.is_view() => Found::View,
            Some(_) => Found::Documents,
        };
        Copied {
            found,
            listed_at: self.listed_at.unwrap_or_default(),
            ended_at: self.ended_at.unwrap_or_default(),
            segments: self.ranges.iter().flat_map(|range| range.segments.iter().cloned()).collect(),
        }
    }
}

impl RangeState {
    /// The note of this part.
    pub(crate) fn note(&self, ns: &Namespace, part: usize) -> Note {
        Note { name: range_name(ns, part), document: Some(StoredRange::of(ns, part, self).encode()) }
    }
}

/// The note of a part, to be taken away.
pub(crate) fn without(ns: &Namespace, part: usize) -> Note {
    Note { name: range_name(ns, part), document: None }
}

fn collection_name(ns: &Namespace) -> String {
    format!("{COLLECTION}{ns}")
}

fn range_name(ns: &Namespace, part: usize) -> String {
    format!("{RANGE}{ns}:{part:04}")
}

fn decode<S: Stored>(note: &Note) -> Result<S, Unreadable> {
    note.document.as_ref().map_or(Err(Unreadable::Impossible), |document| S::decode(document))
}
