//! [`Change`]: what a batch does to one document in the end.

use crate::{
    apply::Existence,
    diff::{Diff, Misfit},
    doc_id::DocId,
    document::Document,
    entry::Entry,
    namespace::Namespace,
    planted::{Bug, is_planted},
    position::Position,
    store_error::Fault,
};

/// What a batch does to one document in the end. The changes of a batch commute.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Where.
    pub ns: Namespace,
    /// Which document.
    pub id: DocId,
    /// Whether the document existed before the batch; `None` when that does not matter, because the
    /// batch is replayed.
    pub before: Option<Existence>,
    /// The document after the batch; `None` when it is gone, or when only `patches` tell.
    pub after: Option<Document>,
    /// What else changes, in order, with the index of its entry: in `after`, or, without it, in the
    /// document as it was before the batch. None are left once the change is [resolved](Change::resolve).
    pub patches: Vec<(u64, Diff)>,
    /// The index of the last entry that touched it.
    pub index: u64,
}

/// A patch was made for another document than the one that is there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the change at index {index} does not fit {ns} {id}")]
pub struct Unfit {
    /// Where.
    pub ns: Namespace,
    /// Which document.
    pub id: DocId,
    /// The entry.
    pub index: u64,
    /// What does not fit.
    pub source: Misfit,
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

impl Change {
    /// Whether the document before the batch is needed to tell the one after it.
    pub fn needs_current(&self) -> bool {
        self.after.is_none() && !self.patches.is_empty()
    }

    /// Applies the patches to the document before the batch, so that `after` tells all.
    ///
    /// # Errors
    /// [`Unfit`] when a patch does not fit; a document that is not there is drift, which is found
    /// elsewhere, and changes nothing here.
    pub fn resolve(&mut self, current: Option<&Document>) -> Result<(), Unfit> {
        let Some(base) = self.after.as_ref().or(current).filter(|_| !self.patches.is_empty()) else { return Ok(()) };
        let mut document = base.clone();
        for (index, diff) in &self.patches {
            document = diff.apply(&document).map_err(|source| Unfit {
                ns: self.ns.clone(),
                id: self.id.clone(),
                index: *index,
                source,
            })?;
        }
        self.after = Some(document);
        self.patches.clear();
        Ok(())
    }

    /// What is wrong when the document is there or not, as `found` says; nothing if the change can be made.
    pub fn drift(&self, found: Existence) -> Option<Fault> {
        let needs = self.before.filter(|needs| *needs != found)?;
        Some(Fault::Drift { ns: self.ns.clone(), id: self.id.clone(), needs, index: self.index })
    }

    /// Takes what a later entry does to the same document.
    pub(super) fn absorb(&mut self, next: Self, entry: &Entry) -> Result<(), Contradiction> {
        if is_planted(Bug::FoldDropsDelete) && next.after.is_none() && next.patches.is_empty() {
            return Ok(());
        }
        let exists = self.after.is_some() || !self.patches.is_empty();
        let found = if exists { Existence::Present } else { Existence::Absent };
        if let Some(needs) = next.before.filter(|needs| *needs != found) {
            return Err(Contradiction { ns: self.ns.clone(), id: self.id.clone(), position: entry.position(), needs });
        }
        if next.patches.is_empty() {
            self.after = next.after;
            self.patches.clear();
        } else {
            self.patches.extend(next.patches);
        }
        self.index = next.index;
        Ok(())
    }
}

impl From<&Unfit> for Fault {
    fn from(unfit: &Unfit) -> Self {
        Self::Misfit { ns: unfit.ns.clone(), id: unfit.id.clone(), index: unfit.index }
    }
}

impl From<&Contradiction> for Fault {
    fn from(found: &Contradiction) -> Self {
        let (ns, id) = (found.ns.clone(), found.id.clone());
        Self::Drift { ns, id, needs: found.needs, index: found.position.index }
    }
}
