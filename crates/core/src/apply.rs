//! The pure meaning of an entry: what a document is after it.

use std::fmt;

use crate::{document::Document, entry::Operation};

/// Whether a document exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Existence {
    /// It does not.
    Absent,
    /// It does.
    Present,
}

impl Existence {
    /// Whether this document exists.
    pub fn of(document: Option<&Document>) -> Self {
        if document.is_some() { Self::Present } else { Self::Absent }
    }

    /// What `operation` needs of its document: an insert that it is absent, an update, a patch and a
    /// delete that it is present. An operation without a document needs nothing; it says absent.
    pub fn before(operation: &Operation) -> Self {
        match operation {
            Operation::Update { .. } | Operation::Patch { .. } | Operation::Delete { .. } => Self::Present,
            Operation::Insert { .. } | Operation::Command(_) | Operation::Noop | Operation::NewTerm => Self::Absent,
        }
    }
}

impl fmt::Display for Existence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "absent",
            Self::Present => "present",
        })
    }
}

/// How strictly an entry is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The documents are the fold of the log up to the entry before: what an entry needs must hold.
    Steady,
    /// The entry may have been applied already, with others after it: what it leaves is right at
    /// the end of the replay, whatever it finds.
    Replay,
    /// The document is from later than the entry: it stays as it is.
    Skip,
}

/// A document is not as the entries before have left it: somebody else changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the document must be {needs} and is not")]
pub struct Drift {
    /// What the entry needs.
    pub needs: Existence,
}

/// The document after `operation`, given the one before it. Pure; and, but for a patch, total in
/// [`Mode::Replay`].
///
/// # Errors
/// [`Drift`] when the document before is not what the entry needs: in [`Mode::Steady`], and for a
/// patch, which changes a part of the very document that it was made for.
pub fn apply(current: Option<Document>, operation: &Operation, mode: Mode) -> Result<Option<Document>, Drift> {
    let needs = Existence::before(operation);
    if mode == Mode::Skip {
        return Ok(current);
    }
    let touches = operation.namespace().is_some();
    if touches && mode == Mode::Steady && Existence::of(current.as_ref()) != needs {
        return Err(Drift { needs });
    }
    Ok(match operation {
        Operation::Insert { document, .. } | Operation::Update { document, .. } => Some(document.clone()),
        Operation::Patch { diff, .. } => {
            let base = current.as_ref().ok_or(Drift { needs })?;
            Some(diff.apply(base).map_err(|_misfit| Drift { needs })?)
        }
        Operation::Delete { .. } => None,
        Operation::Command(_) | Operation::Noop | Operation::NewTerm => current,
    })
}

#[cfg(test)]
mod tests;
