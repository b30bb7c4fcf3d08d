//! [`Progress`]: how far a target is behind its source.

use std::time::Duration;

use crate::position::Anchor;

/// How far a target is behind its source, at about one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What the target has durably applied; `None` before the first entry.
    pub checkpoint: Option<Anchor>,
    /// The newest entry of the source.
    pub head: Anchor,
    /// The newest entry that the source has trimmed away.
    pub floor: Anchor,
    /// Entries left to apply.
    pub behind: u64,
    /// Optime of the newest entry less optime of the last applied one: zero when nothing is left
    /// to apply, however long ago that was, and `None` before the first entry is applied.
    pub lag: Option<Duration>,
    /// Entries left before the floor overtakes the checkpoint.
    pub headroom: u64,
}

impl Progress {
    /// Computes the distances.
    pub fn new(checkpoint: Option<Anchor>, head: Anchor, floor: Anchor) -> Self {
        let applied = checkpoint.map_or(0, |anchor| anchor.position.index);
        let behind = head.position.index.saturating_sub(applied);
        let lag = match checkpoint {
            _ if behind == 0 => Some(Duration::ZERO),
            Some(anchor) => Some(head.optime.since(anchor.optime)),
            None => None,
        };
        let headroom = applied.saturating_sub(floor.position.index);
        Self { checkpoint, head, floor, behind, lag, headroom }
    }
}
