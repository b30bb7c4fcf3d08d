//! [`Expected`] and [`Wanted`]: what a document and a collection have to be at a target's checkpoint.

use super::{Outcome, Unsettled};
use crate::{catalog::Collection, doc_id::DocId, document::Document, position::Position};

/// What a document has to be at a target's checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expected {
    /// Exactly this, or absent.
    Exactly(Option<Document>),
    /// There, whatever its content: the entry at `until` replaces or deletes it.
    Present {
        /// One to put there where there is none.
        stand_in: Document,
        /// The entry.
        until: Position,
    },
    /// Whatever it is: it goes with its collection.
    Anything,
    /// Nobody can tell.
    Unsettled(Unsettled),
}

/// What a collection has to be at a target's checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wanted {
    /// Exactly this, or absent.
    Exactly(Option<Collection>),
    /// Whatever it is: a command to come drops it.
    Anything,
    /// Nobody can tell.
    Unsettled(Unsettled),
}

/// What is to be done about a document.
#[derive(Debug)]
pub(super) enum Step {
    /// To make it this, or to take it away.
    Make(Option<Document>, Outcome),
    /// Nothing.
    Leave(Outcome),
}

impl Expected {
    /// There, with whatever content. The one that the source holds now is one that it takes, and near to what
    /// was there.
    pub(super) fn present(id: &DocId, now: Option<&Document>, until: Position) -> Self {
        match now.cloned().or_else(|| Document::new(id.to_raw_document()).ok()) {
            Some(stand_in) => Self::Present { stand_in, until },
            None => Self::Unsettled(Unsettled::Patched { at: until }),
        }
    }

    /// What is to be done when the document is `current`.
    pub(super) fn step(self, current: Option<&Document>) -> Step {
        match self {
            Self::Exactly(expected) if expected.as_ref() == current => Step::Leave(Outcome::Right),
            Self::Exactly(None) => Step::Make(None, Outcome::Removed),
            Self::Exactly(Some(document)) => Step::Make(Some(document), Outcome::Put),
            Self::Present { stand_in, until } if current.is_none() => {
                Step::Make(Some(stand_in), Outcome::StoodIn { until })
            }
            Self::Present { .. } | Self::Anything => Step::Leave(Outcome::Right),
            Self::Unsettled(why) => Step::Leave(Outcome::Unsettled(why)),
        }
    }
}
