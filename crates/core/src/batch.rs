//! [`Batch`]: entries that are applied together, and what is left of them per document.

mod ahead;
mod change;
mod taken;

use std::{cmp::Ordering, collections::BTreeMap};

use self::ahead::Ahead;
pub use self::{
    change::{Change, Contradiction, Unfit},
    taken::{TRANSACTION_BYTES_MAX, TRANSACTION_ENTRIES_MAX, Taken},
};
use crate::{
    apply::{Existence, Mode},
    checkpoint::{Resume, Token},
    command::Action,
    doc_id::DocId,
    document::Document,
    entry::{Entry, Kind, Operation},
    hash::Hash,
    ids::LogId,
    limits::Limits,
    namespace::Namespace,
    planted::{Bug, is_planted},
    position::{Anchor, Position},
    view::{Seen, View},
};

/// Entries of one log, non-empty and contiguous, that follow a known anchor.
///
/// Checked by the constructor, when read as well as when applied: indexes without a gap, the
/// hash chain unbroken from the anchor on, and the term raised by a new-term entry only, which
/// stands alone in its batch, as a command does.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    log: LogId,
    after: Anchor,
    entries: Vec<Entry>,
    token: Option<Token>,
    view: View,
    /// Documents that replace patches which do not fit, by the index of the entry.
    images: BTreeMap<u64, Option<Document>>,
    folded: Ahead,
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
    /// A new-term entry or a command does not stand alone.
    #[error("the entry at {at} does not stand alone in its batch")]
    NotAlone {
        /// The entry.
        at: Position,
    },
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
            if entry.operation().kind().stands_alone() && entries.len() > 1 {
                return Err(BatchError::NotAlone { at: entry.position() });
            }
            last = entry.anchor();
        }
        if entries.is_empty() {
            return Err(BatchError::Empty);
        }
        Ok(Self {
            log,
            after,
            entries,
            token: None,
            view: View::whole(),
            images: BTreeMap::new(),
            folded: Ahead::default(),
        })
    }

    /// The same with the token that goes on behind its last entry.
    #[must_use]
    pub fn with_token(self, token: Option<Token>) -> Self {
        Self { token, ..self }
    }

    /// The same as a target sees it.
    #[must_use]
    pub fn seen(self, view: View) -> Self {
        if self.view == view { self } else { Self { view, folded: Ahead::default(), ..self } }
    }

    /// The same with the document that the entry at `index`, a patch that does not fit, has left at
    /// the source.
    #[must_use]
    pub fn with_image(mut self, index: u64, image: Option<Document>) -> Self {
        self.images.insert(index, image);
        self.folded = Ahead::default();
        self
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
            let alone = [open.last(), Some(&entry)].into_iter().flatten().any(|e| e.operation().kind().stands_alone());
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

    /// The first of the batches that [`Batch::split`] makes; none of no entries.
    ///
    /// # Errors
    /// As for [`Batch::new`].
    pub fn first(
        log: LogId,
        after: Anchor,
        mut entries: Vec<Entry>,
        limits: Limits,
    ) -> Result<Option<Self>, BatchError> {
        let stands_alone = |entry: &Entry| entry.operation().kind().stands_alone();
        let mut bytes = 0;
        let mut fits = |(index, entry): (usize, &Entry)| {
            bytes += entry.bytes();
            index == 0 || (index < limits.entries_max && bytes <= limits.bytes_max && !stands_alone(entry))
        };
        let count = match entries.first() {
            None => return Ok(None),
            Some(first) if stands_alone(first) => 1,
            Some(_) => entries.iter().enumerate().take_while(|item| fits(*item)).count(),
        };
        entries.truncate(count);
        Self::new(log, after, entries).map(Some)
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

    /// What stands beside the checkpoint after the batch.
    pub fn resume(&self) -> Resume {
        Resume { filter: self.view.filter().id(), token: self.token.clone() }
    }

    /// Where the feed goes on behind the last entry, if a position is not enough.
    pub fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// What the target makes of it.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The command that the target has to run, if the batch is one that concerns it.
    pub fn command(&self) -> Option<Action> {
        match self.entries.first().and_then(|entry| self.view.command(entry)) {
            Some(Seen::Run { target, .. }) => Some(target),
            _ => None,
        }
    }

    /// Folds the entries to one final change per document, ordered by namespace and id.
    ///
    /// # Errors
    /// [`Contradiction`] when the log itself is impossible: an insert of a document that the
    /// batch has just left existing, or an update or delete of one that it has just deleted.
    pub fn fold(&self) -> Result<Vec<Change>, Contradiction> {
        self.folded.take().unwrap_or_else(|| self.fold_now())
    }

    /// Folds them already, so that the next [`Batch::fold`] has nothing to do.
    pub fn fold_ahead(&self) {
        self.folded.put(self.fold_now());
    }

    fn fold_now(&self) -> Result<Vec<Change>, Contradiction> {
        // Sorted first, so that what happens to one document stands together, in log order.
        let mut touches: Vec<Touch<'_>> = self.touches().collect();
        touches.sort_unstable_by(Touch::cmp);
        let mut changes: Vec<Change> = Vec::with_capacity(touches.len());
        let mut first: Option<Contradiction> = None;
        for touch in touches {
            let entry = touch.entry;
            let next = self.change(touch);
            let Some(change) = changes.last_mut().filter(|last| last.id == next.id && last.ns == next.ns) else {
                changes.push(next);
                continue;
            };
            if let Err(found) = change.absorb(next, entry)
                && first.as_ref().is_none_or(|first| found.position < first.position)
            {
                first = Some(found);
            }
        }
        first.map_or(Ok(changes), Err)
    }

    /// What each entry does to its document, alone, in log order; entries that do not concern the target
    /// are left out.
    pub fn steps(&self) -> impl Iterator<Item = Change> {
        self.touches().map(|touch| self.change(touch))
    }

    /// The documents that entries touch, in log order, as far as the target is concerned.
    fn touches(&self) -> impl Iterator<Item = Touch<'_>> {
        let filter = self.view.filter();
        let mut scratch = Vec::new();
        self.entries.iter().filter_map(move |entry| {
            let ns = entry.operation().namespace()?;
            let mode = self.view.mode(entry);
            let ns = if filter.is_everything() { ns.clone() } else { filter.map(ns)? };
            if mode == Mode::Skip {
                return None;
            }
            if is_planted(Bug::SkippedUnknownOperation) && entry.operation().kind() == Kind::Update {
                return None;
            }
            Some(Touch::new(ns, entry.operation().doc_id_with(&mut scratch)?, mode, entry))
        })
    }

    /// What one entry does to its document, alone.
    fn change(&self, touch: Touch<'_>) -> Change {
        let Touch { ns, id, mode, entry, .. } = touch;
        let index = entry.position().index;
        let image = if self.images.is_empty() { None } else { self.images.get(&index) };
        let before = (mode == Mode::Steady && image.is_none()).then(|| Existence::before(entry.operation()));
        let mut change = Change { ns, id, before, after: None, patches: Vec::new(), index };
        match (image, entry.operation()) {
            (Some(image), _) => change.after.clone_from(image),
            (None, Operation::Insert { document, .. } | Operation::Update { document, .. }) => {
                change.after = Some(document.clone());
            }
            (None, Operation::Patch { diff, .. }) => change.patches.push((index, diff.clone())),
            (None, _) => {}
        }
        change
    }
}

/// A document that an entry touches.
struct Touch<'a> {
    /// Where, by the target's name.
    ns: Namespace,
    /// The first bytes of the id's key as a number: most ids differ there, and numbers compare fast.
    head: u128,
    id: DocId,
    mode: Mode,
    entry: &'a Entry,
}

impl<'a> Touch<'a> {
    fn new(ns: Namespace, id: DocId, mode: Mode, entry: &'a Entry) -> Self {
        let mut head = [0; 16];
        head.iter_mut().zip(id.key()).for_each(|(to, from)| *to = *from);
        Self { ns, head: u128::from_be_bytes(head), id, mode, entry }
    }

    /// By namespace and id, and of one document in log order.
    fn cmp(&self, other: &Self) -> Ordering {
        let index = |touch: &Self| touch.entry.position().index;
        (self.ns.cmp(&other.ns))
            .then_with(|| self.head.cmp(&other.head))
            .then_with(|| self.id.cmp(&other.id))
            .then_with(|| index(self).cmp(&index(other)))
    }
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
