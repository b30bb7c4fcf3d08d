//! [`Repaired`]: what was done about each difference.

use std::sync::Arc;

use super::{RepairError, Unsettled};
use crate::{
    position::Position,
    store_error::StoreError,
    verify::{CatalogDifference, Difference, Report},
};

/// What was done about a difference.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// What is to be there was put in the place of what was there.
    Put,
    /// It was taken away.
    Removed,
    /// The document has to be there, and what it was like nobody knows any more: one was put there that
    /// the entry at this position replaces or deletes.
    StoodIn {
        /// The entry.
        until: Position,
    },
    /// It is as it has to be at the target's checkpoint: what differs is in entries to come.
    Right,
    /// What it has to be nobody can tell.
    Unsettled(Unsettled),
    /// The target does not take it.
    Failed(Arc<StoreError>),
    /// It was mended, and differs again: something else writes to the target.
    Again,
    /// It was not come to.
    NotTried,
}

impl Outcome {
    /// Whether the target is now as it has to be at its checkpoint.
    pub fn is_mended(&self) -> bool {
        matches!(self, Self::Put | Self::Removed | Self::StoodIn { .. } | Self::Right)
    }

    /// Whether the target was changed.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Put | Self::Removed | Self::StoodIn { .. })
    }
}

/// What was done about each difference of a report, in its order.
#[derive(Debug)]
pub struct Repaired {
    /// About the documents.
    pub documents: Vec<(Difference, Outcome)>,
    /// About the collections and indexes.
    pub catalog: Vec<(CatalogDifference, Outcome)>,
    /// How many entries the target is behind its source: what these change differs until they are applied.
    pub behind: u64,
    /// Why it was cut off, if it was. It can be made again.
    pub failure: Option<RepairError>,
}

impl Repaired {
    pub(super) fn nothing_of(report: &Report) -> Self {
        let documents = report.differences.iter().map(|difference| (difference.clone(), Outcome::NotTried));
        let catalog = report.catalog.iter().map(|difference| (difference.clone(), Outcome::NotTried));
        Self { documents: documents.collect(), catalog: catalog.collect(), behind: 0, failure: None }
    }

    /// Whether everything is as it has to be at the target's checkpoint, so that replication goes on from it.
    pub fn is_mended(&self) -> bool {
        self.failure.is_none() && self.outcomes().all(Outcome::is_mended)
    }

    /// All outcomes.
    pub fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        let documents = self.documents.iter().map(|(_, outcome)| outcome);
        documents.chain(self.catalog.iter().map(|(_, outcome)| outcome))
    }
}
