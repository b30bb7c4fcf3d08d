//! [`Batch`]: entries that are applied together, and what is left of them per document.

use std::collections::HashMap;

use crate::{
    apply::Existence,
    doc_id::DocId,
    document::Document,
    entry::{Entry, Kind, Operation},
    hash::Hash,
    ids::LogId,
    limits::Limits,
    namespace::Namespace,
    planted::{Bug, is_planted},
    position::{Anchor, Position},
};

/// Entries of one log, non-empty and contiguous, that follow a known anchor.
///
/// Checked by the constructor, when read as well as when applied: indexes without a gap, the
/// hash chain unbroken from the anchor on, and the term raised by a new-term entry only, which
/// stands alone in its batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    log: LogId,
    after: Anchor,
    entries: Vec<Entry>,
}

/// Why entries are no [`Batch`] after an anchor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// There is no entry.
    #[error("a batch has at least one entry")]
    Empty,
    /// An index is skipped or repeated.
    #[error("the log has a gap: index {expected} was expected, {found} was found")]
    Gap {
        /// The index that should stand here.
        expected: u64,
        /// The position that stands here.
        found: Position,
    },
    /// An entry does not carry the hash of its predecessor.
    #[error("the hash chain breaks at {at}: the entry follows {found}, not {expected}")]
    Chain {
        /// The entry.
        at: Position,
        /// The hash of the entry before it.
        expected: Hash,
        /// The hash that it names.
        found: Hash,
    },
    /// The term changes where it may not.
    #[error("the entry at {at} is in a wrong term: {expected} was expected")]
    Term {
        /// The entry.
        at: Position,
        /// The term that it should have.
        expected: u64,
    },
    /// A new-term entry does not stand alone.
    #[error("the new-term entry at {at} does not stand alone in its batch")]
    NotAlone {
        /// The entry.
        at: Position,
    },
}

/// What a batch does to one document in the end. The changes of a batch commute.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Where.
    pub ns: Namespace,
    /// Which document.
    pub id: DocId,
    /// Whether the document existed before the batch.
    pub before: Existence,
    /// The document after the batch; `None` when it is gone.
    pub after: Option<Document>,
    /// The index of the last entry that touched it.
    pub index: u64,
}

impl Batch {
    /// Checks entries that follow `after` in the log `log`.
    ///
    /// # Errors
    /// [`BatchError`] says what is wrong, and where.
    pub fn new(log: LogId, after: Anchor, entries: Vec<Entry>) -> Result<Self, BatchError> {
        let mut last = after;
        for entry in &entries {
            if !is_planted(Bug::TimestampCursor) {
                check_follows(&last, entry)?;
            }
            if entry.operation().kind() == Kind::NewTerm && entries.len() > 1 {
                return Err(BatchError::NotAlone { at: entry.position() });
            }
            last = entry.anchor();
        }
        if entries.is_empty() { Err(BatchError::Empty) } else { Ok(Self { log, after, entries }) }
    }

    /// Splits entries that follow `after` into batches within `limits`.
    ///
    /// # Errors
    /// As for [`Batch::new`].
    pub fn split(
        log: LogId,
        after: Anchor,
        entries: impl IntoIterator<Item = Entry>,
        limits: Limits,
    ) -> Result<Vec<Self>, BatchError> {
        let mut batches = Vec::new();
        let (mut start, mut end) = (after, after);
        let mut open: Vec<Entry> = Vec::new();
        let mut bytes = 0;
        for entry in entries {
            let alone =
                [open.last(), Some(&entry)].into_iter().flatten().any(|e| e.operation().kind() == Kind::NewTerm);
            let full = open.len() >= limits.entries_max || bytes + entry.bytes() > limits.bytes_max;
            if !open.is_empty() && (alone || full) {
                batches.push(Self::new(log, start, std::mem::take(&mut open))?);
                (start, bytes) = (end, 0);
            }
            bytes += entry.bytes();
            end = entry.anchor();
            open.push(entry);
        }
        if !open.is_empty() {
            batches.push(Self::new(log, start, open)?);
        }
        Ok(batches)
    }

    /// The log that the entries belong to.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// What stands before the first entry: the checkpoint that the batch can be applied to.
    pub fn after(&self) -> &Anchor {
        &self.after
    }

    /// The entries, in log order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The anchor of the last entry: the checkpoint after the batch.
    pub fn last(&self) -> Anchor {
        self.entries.last().map_or(self.after, Entry::anchor)
    }

    /// Folds the entries to one final change per document, ordered by namespace and id.
    ///
    /// # Errors
    /// [`Contradiction`] when the log itself is impossible: an insert of a document that the
    /// batch has just left existing, or an update or delete of one that it has just deleted.
    pub fn fold(&self) -> Result<Vec<Change>, Contradiction> {
        let mut slots: HashMap<(&Namespace, DocId), usize> = HashMap::with_capacity(self.entries.len());
        let mut changes: Vec<Change> = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let (Some(ns), Some(id)) = (entry.operation().namespace(), entry.operation().doc_id()) else { continue };
            if is_planted(Bug::SkippedUnknownOperation) && entry.operation().kind() == Kind::Update {
                continue;
            }
            let needs = Existence::before(entry.operation());
            let after = match entry.operation() {
                Operation::Insert { document, .. } | Operation::Update { document, .. } => Some(document.clone()),
                _ => None,
            };
            let index = entry.position().index;
            let slot = *slots.entry((ns, id.clone())).or_insert(changes.len());
            if let Some(change) = changes.get_mut(slot) {
                if is_planted(Bug::FoldDropsDelete) && after.is_none() {
                    continue;
                }
                if needs != Existence::of(change.after.as_ref()) {
                    return Err(Contradiction { ns: ns.clone(), id, position: entry.position(), needs });
                }
                change.after = after;
                change.index = index;
            } else {
                changes.push(Change { ns: ns.clone(), id, before: needs, after, index });
            }
        }
        changes.sort_unstable_by(|a, b| (&a.ns, &a.id).cmp(&(&b.ns, &b.id)));
        Ok(changes)
    }
}

/// The log contradicts itself: an entry needs a document to exist, or not to, against what the
/// entries before it left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the log contradicts itself at {position}: {ns} {id} must be {needs} there, and is not")]
pub struct Contradiction {
    /// Where.
    pub ns: Namespace,
    /// Which document.
    pub id: DocId,
    /// The entry.
    pub position: Position,
    /// What it needs.
    pub needs: Existence,
}

/// Whether `entry` may follow `last` in a log.
///
/// # Errors
/// [`BatchError`] says why not.
pub fn check_follows(last: &Anchor, entry: &Entry) -> Result<(), BatchError> {
    let at = entry.position();
    if at.index != last.next_index() || at.index == last.position.index {
        return Err(BatchError::Gap { expected: last.next_index(), found: at });
    }
    let raise = u64::from(entry.operation().kind() == Kind::NewTerm);
    let expected = last.position.term.saturating_add(raise);
    if at.term != expected || at.term.checked_sub(raise) != Some(last.position.term) {
        return Err(BatchError::Term { at, expected });
    }
    if entry.prev_hash() != last.hash {
        return Err(BatchError::Chain { at, expected: last.hash, found: entry.prev_hash() });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
