//! [`Checkpoint`]: what a target has durably applied of one log.

use std::{fmt, sync::Arc};

use crate::{
    filter::FilterId,
    ids::LogId,
    position::{Anchor, Position},
};

/// What a target has durably applied: everything up to and including the anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Of which log.
    pub log: LogId,
    /// Up to where.
    pub anchor: Anchor,
}

/// Why a target has stopped, as it durably remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// The entry that could not be applied, or the position that is gone from the log.
    pub at: Position,
    /// Whether only a new initial sync can help (the log no longer holds what is needed).
    pub too_stale: bool,
    /// What happened and what to do, for people.
    pub reason: String,
}

/// What stands beside a checkpoint: with which filter it was reached, and where its feed goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resume {
    /// The filter: what a target holds is a fold of what this one lets pass.
    pub filter: FilterId,
    /// Where the feed goes on, for feeds that need more than a position.
    pub token: Option<Token>,
}

impl Resume {
    /// Whether it says nothing: everything is replicated, and a position is enough.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// Where a feed goes on, in the words of the feed: opaque to everybody else. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Arc<[u8]>);

impl Token {
    /// A token of these bytes.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} bytes)", self.0.len())
    }
}
