//! [`Position`] and [`Anchor`]: where an entry stands in its log, and what stood there.

use std::fmt;

use crate::{clock::OpTime, hash::Hash};

/// Where an entry stands in one log.
///
/// `index` is dense: the first entry has index 1, and it never skips and never repeats.
/// Position `0:0` stands before the first entry. Ordered by term, then by index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The reign of one primary; raised by its first entry.
    pub term: u64,
    /// The dense number of the entry.
    pub index: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.term, self.index)
    }
}

/// A position together with the optime and the hash that stand there: enough to prove later
/// that a log still holds the same entry at it, and so the same entries before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// The position.
    pub position: Position,
    /// The optime of the entry there.
    pub optime: OpTime,
    /// The chained hash of the entry there.
    pub hash: Hash,
}

impl Anchor {
    /// The index of the entry that follows. None follows the last index that there is: such an
    /// entry is refused because its index repeats.
    pub fn next_index(&self) -> u64 {
        self.position.index.saturating_add(1)
    }
}
