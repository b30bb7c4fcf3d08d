//! [`Tally`]: what a store was made to do.

use crate::{apply::Mode, batch::Batch, initial_sync::Note, view::Seen};

/// How often a store was asked for something of an initial sync, whatever came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Everything was wiped.
    pub wiped: u64,
    /// Pieces that were copied.
    pub pieces: u64,
    /// Of these, pieces for a part that was said to be empty and was not: never right.
    pub false_fresh: u64,
    /// Collections that were to be copied in several parts.
    pub parted: u64,
    /// Entries that were left out because a later state of their document was copied.
    pub skipped: u64,
    /// Entries that were applied whatever they would find.
    pub replayed: u64,
    /// Commands that were run before the end of the catch-up.
    pub ran: u64,
    /// Commands whose effect was copied.
    pub passed_over: u64,
    /// Commands that were noted for the end of the catch-up.
    pub deferred: u64,
    /// Databases that were dropped collection by collection.
    pub cleared: u64,
    /// Catch-ups that have ended.
    pub ended: u64,
}

impl Tally {
    /// The sum of two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            wiped: self.wiped + other.wiped,
            pieces: self.pieces + other.pieces,
            false_fresh: self.false_fresh + other.false_fresh,
            parted: self.parted + other.parted,
            skipped: self.skipped + other.skipped,
            replayed: self.replayed + other.replayed,
            ran: self.ran + other.ran,
            passed_over: self.passed_over + other.passed_over,
            deferred: self.deferred + other.deferred,
            cleared: self.cleared + other.cleared,
            ended: self.ended + other.ended,
        }
    }

    pub(super) fn count_batch(&mut self, batch: &Batch) {
        let view = batch.view();
        for entry in batch.entries() {
            match view.command(entry) {
                Some(Seen::Clear(_)) => self.cleared += 1,
                Some(Seen::Defer(_)) => self.deferred += 1,
                Some(Seen::Run { .. }) if view.catch_up().is_some() => self.ran += 1,
                Some(Seen::Skip) if view.catch_up().is_some() => self.passed_over += 1,
                _ => {}
            }
            match view.catch_up().map(|catch_up| catch_up.mode(entry)) {
                Some(Mode::Skip) => self.skipped += 1,
                Some(Mode::Replay) if entry.operation().namespace().is_some() => self.replayed += 1,
                _ => {}
            }
        }
    }

    pub(super) fn count_notes(&mut self, notes: &[Note]) {
        let is_end = |note: &Note| note.name == "sync" && note.document.is_none();
        self.ended += u64::from(notes.iter().any(is_end));
        let is_parted = |note: &&Note| {
            let document = note.document.as_ref();
            document.is_some_and(|it| {
                it.get_i64("parts").is_ok_and(|parts| parts > 1) && matches!(it.get("endedAt"), Ok(None))
            })
        };
        self.parted += notes.iter().filter(is_parted).count() as u64;
    }
}
