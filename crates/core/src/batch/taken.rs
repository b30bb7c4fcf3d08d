//! Taking one batch from entries in which transactions must not be cut.

use super::{Batch, BatchError};
use crate::{entry::Entry, ids::LogId, limits::Limits, position::Anchor};

/// Most entries of one transaction that are kept together.
pub const TRANSACTION_ENTRIES_MAX: usize = 100_000;
/// Most bytes of one transaction that are kept together.
pub const TRANSACTION_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What could be taken.
#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    /// There is no entry.
    Nothing,
    /// A batch.
    Batch(Batch),
    /// The first transaction is not there to its end: more entries are needed.
    Incomplete,
}

/// Entries that belong together: a transaction, or one entry.
struct Unit {
    entries: usize,
    bytes: usize,
    /// Whether nothing of it can follow behind the entries that are there.
    complete: bool,
    alone: bool,
}

impl Batch {
    /// Takes a batch off the front of entries that follow `after`, within `limits` as far as that is
    /// possible without cutting a transaction: neighbours with equal optimes. One of more than
    /// [`TRANSACTION_ENTRIES_MAX`] or [`TRANSACTION_BYTES_MAX`] is cut there. `more` tells whether
    /// the log goes on behind the entries.
    ///
    /// # Errors
    /// As for [`Batch::new`].
    pub fn take(
        log: LogId,
        after: Anchor,
        mut entries: Vec<Entry>,
        limits: Limits,
        more: bool,
    ) -> Result<Taken, BatchError> {
        let Some(count) = Self::prefix(&entries, limits, more) else { return Ok(Taken::Incomplete) };
        entries.truncate(count);
        if entries.is_empty() { Ok(Taken::Nothing) } else { Self::new(log, after, entries).map(Taken::Batch) }
    }

    /// How many of `entries`, from the first on, [`Batch::take`] takes; `None` when the first
    /// transaction is not there to its end.
    pub fn prefix(entries: &[Entry], limits: Limits, more: bool) -> Option<usize> {
        let (mut count, mut bytes) = (0, 0);
        while let Some(unit) = Unit::first(entries.get(count..).unwrap_or_default(), more) {
            let fits = count + unit.entries <= limits.entries_max && bytes + unit.bytes <= limits.bytes_max;
            if count > 0 && (!fits || unit.alone || !unit.complete) {
                break;
            }
            if !unit.complete {
                return None;
            }
            (count, bytes) = (count + unit.entries, bytes + unit.bytes);
            if unit.alone {
                break;
            }
        }
        Some(count)
    }
}

impl Unit {
    fn first(entries: &[Entry], more: bool) -> Option<Self> {
        let first = entries.first()?;
        if first.operation().kind().stands_alone() {
            return Some(Self { entries: 1, bytes: first.bytes(), complete: true, alone: true });
        }
        let mut unit = Self { entries: 0, bytes: 0, complete: false, alone: false };
        for entry in entries {
            let belongs = entry.optime() == first.optime() && !entry.operation().kind().stands_alone();
            let full = unit.entries == TRANSACTION_ENTRIES_MAX || unit.bytes >= TRANSACTION_BYTES_MAX;
            if !belongs || full {
                return Some(Self { complete: true, ..unit });
            }
            unit.entries += 1;
            unit.bytes += entry.bytes();
        }
        unit.complete = !more || unit.entries == TRANSACTION_ENTRIES_MAX || unit.bytes >= TRANSACTION_BYTES_MAX;
        Some(unit)
    }
}

#[cfg(test)]
mod tests;
