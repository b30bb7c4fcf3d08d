//! [`Checkpoint`]: what a target has durably applied of one log.

use crate::{
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
