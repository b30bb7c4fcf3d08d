//! [`CatchUp`]: what a copied target already holds of the entries that follow the copy's begin.

mod moment;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub use self::moment::{Clock, Moment};
use crate::{
    apply::Mode,
    command::Action,
    doc_id::DocId,
    entry::{Entry, Operation},
    namespace::Namespace,
    position::Anchor,
};

/// How a target that an initial sync has copied meets the entries behind the copy's begin, until it
/// is the fold of the log again.
///
/// A source with snapshots is copied in segments, each as it was at a known moment: an entry up
/// to it is in the segment already and is skipped, every later one is applied as strictly as
/// ever. The idea is the watermark of `DBLog`, after Andreakis and Papapanagiotou (2019), with the server's
/// own snapshot in place of a window that is searched. A source without snapshots is read while it
/// changes: its entries are full images, and are replayed whatever they find, up to its head after
/// the copy.
#[derive(Debug, Clone, PartialEq)]
pub struct CatchUp {
    /// What its moments are.
    pub clock: Clock,
    /// Up to when the documents are from different moments.
    pub until: Moment,
    /// When the listing of the source's collections began: one that is not in `collections` was not there
    /// when it was looked for. The first moment of all where only some collections were copied, again.
    pub listed_at: Moment,
    /// When that listing had ended.
    pub listed_until: Moment,
    /// The collections that were copied, by the source's name.
    pub collections: HashMap<Namespace, Copied>,
}

/// A collection that was copied.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Copied {
    /// What it was when it was looked for.
    pub found: Found,
    /// It was looked for, and what it was called and made of was read, not before this moment.
    pub listed_at: Moment,
    /// Everything of it had been read by this moment.
    pub ended_at: Moment,
    /// Its parts, in the order of their ids.
    pub segments: Vec<Segment>,
}

/// What there was under the name of a collection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A collection. Its indexes are built at the end of the catch-up.
    #[default]
    Documents,
    /// A view. It is made at the end of the catch-up.
    View,
}

/// Documents that were copied from one snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// The last id that can be in it; `None` for the part up to the end.
    pub until: Option<DocId>,
    /// The moment of the snapshot.
    pub at: Moment,
}

/// What to do about a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Do it.
    Apply,
    /// Its effect was copied.
    Skip,
    /// It changes an index or a view that is not made before the end of the catch-up: note it.
    Defer,
    /// It was given while these collections were copied, some of them before and some after it: copy
    /// them again.
    Recopy(Vec<Namespace>),
    /// Drop what is there of the database, but for what was [copied later](CatchUp::is_from_later).
    Clear,
}

/// On which side of a command a collection was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
    Within,
}

impl CatchUp {
    /// Whether everything up to the anchor makes the target the fold of the log again.
    pub fn is_reached(&self, anchor: &Anchor) -> bool {
        self.clock.moment(anchor) >= self.until
    }

    /// How an entry that changes a document is to be applied.
    pub fn mode(&self, entry: &Entry) -> Mode {
        let at = self.clock.moment(&entry.anchor());
        if self.is_copied(entry.operation(), at) {
            Mode::Skip
        } else if self.clock == Clock::Index && at <= self.until {
            Mode::Replay
        } else {
            Mode::Steady
        }
    }

    /// Whether the document that an operation of the moment `at` changes was copied later.
    fn is_copied(&self, operation: &Operation, at: Moment) -> bool {
        let (Some(ns), Some(id)) = (operation.namespace(), operation.doc_id()) else { return false };
        at <= match (self.clock, self.collections.get(ns)) {
            // What was not there when it was looked for was there before or came later; the command that
            // made the difference copies it again.
            (Clock::OpTime, None) => self.listed_until,
            (Clock::OpTime, Some(copied)) => copied.moment_of(&id),
            // Whatever was read then or later, the entries since make it what they have made of it.
            (Clock::Index, None) => self.listed_at,
            (Clock::Index, Some(copied)) => copied.listed_at,
        }
    }

    /// What to do about a command in `entry`.
    pub fn judge(&self, action: &Action, entry: &Entry) -> Verdict {
        let at = self.clock.moment(&entry.anchor());
        match action {
            Action::Create { ns, .. } => self.judge_create(ns, at),
            Action::Drop { ns } => self.judge_drop(ns, at),
            Action::Rename { ns, to, .. } => self.judge_rename(ns, to, at),
            Action::CreateIndexes { ns, .. } | Action::DropIndexes { ns, .. } => self.judge_change(ns, at, true),
            Action::Modify { ns, changes } => {
                self.judge_change(ns, at, changes.get("index").is_ok_and(|index| index.is_some()))
            }
            Action::DropDatabase { .. } => Verdict::Clear,
        }
    }

    /// What to do when the command in `entry` brings documents to `ns` that did not concern the target so far.
    pub fn judge_arrival(&self, ns: &Namespace, entry: &Entry) -> Verdict {
        if self.is_from_later(ns, entry) { Verdict::Skip } else { Verdict::Recopy(vec![ns.clone()]) }
    }

    /// Whether what is there of a collection of the source is from after `entry`, whatever that does.
    pub fn is_from_later(&self, ns: &Namespace, entry: &Entry) -> bool {
        self.side(ns, self.clock.moment(&entry.anchor())) == Side::After
    }

    fn judge_create(&self, ns: &Namespace, at: Moment) -> Verdict {
        match (self.side(ns, at), self.clock) {
            (Side::Before, _) => Verdict::Apply,
            (Side::Within, Clock::OpTime) => Verdict::Recopy(vec![ns.clone()]),
            (Side::Within, Clock::Index) if self.found(ns) == Found::Nothing => Verdict::Apply,
            // Where all entries are done again, its documents come again, and its options become what they
            // became.
            (Side::Within, Clock::Index) | (Side::After, _) => Verdict::Skip,
        }
    }

    fn judge_drop(&self, ns: &Namespace, at: Moment) -> Verdict {
        match (self.side(ns, at), self.clock) {
            (Side::After, _) => Verdict::Skip,
            (Side::Within, Clock::OpTime) => Verdict::Recopy(vec![ns.clone()]),
            // Where all entries are done again, what came since then comes again.
            (Side::Before, _) | (Side::Within, Clock::Index) => Verdict::Apply,
        }
    }

    /// Under which of the two names documents were copied nobody can tell.
    fn judge_rename(&self, ns: &Namespace, to: &Namespace, at: Moment) -> Verdict {
        match (self.side(ns, at), self.side(to, at)) {
            (Side::Before, Side::Before) => Verdict::Apply,
            (Side::After, Side::After) => Verdict::Skip,
            _ => Verdict::Recopy(vec![ns.clone(), to.clone()]),
        }
    }

    fn judge_change(&self, ns: &Namespace, at: Moment, is_of_index: bool) -> Verdict {
        match (self.side(ns, at), self.found(ns)) {
            (Side::After, _) => Verdict::Skip,
            (_, Found::View) => Verdict::Defer,
            (_, Found::Documents) if is_of_index => Verdict::Defer,
            // It was there for a moment: the command that made or ended it copies it again.
            (Side::Within, Found::Nothing) if self.clock == Clock::OpTime => Verdict::Skip,
            // What a collection was listed with may be newer; to set it once more does no harm.
            _ => Verdict::Apply,
        }
    }

    fn found(&self, ns: &Namespace) -> Found {
        self.collections.get(ns).map_or(Found::Nothing, |copied| copied.found)
    }

    /// Whether `ns` was copied before or after the moment `at`.
    fn side(&self, ns: &Namespace, at: Moment) -> Side {
        let (from, to) = match self.collections.get(ns) {
            None => (self.listed_at, self.listed_until),
            Some(copied) => (copied.listed_at, copied.ended_at),
        };
        if at <= from {
            Side::After
        } else if at > to {
            Side::Before
        } else {
            Side::Within
        }
    }
}

impl Copied {
    /// From which moment the document with this id is, or is missing.
    fn moment_of(&self, id: &DocId) -> Moment {
        let at = self.segments.partition_point(|segment| segment.until.as_ref().is_some_and(|until| until < id));
        self.segments.get(at).map_or(self.ended_at, |segment| segment.at)
    }
}
