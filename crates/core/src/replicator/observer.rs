//! [`Observer`]: is told what a running replicator does.

use std::time::Duration;

use super::ReplicateError;
use crate::{documents::Applied, progress::Progress, store_error::StoreError};

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// How many entries were applied; none when the target is at the head.
    pub entries: usize,
    /// What they did to documents.
    pub applied: Applied,
    /// Where the target stands now.
    pub progress: Progress,
    /// Whether the target was copied and has not caught up with the copy's end yet: its documents are from
    /// different moments, and its indexes are not built. It may be at the head all the same, of a source that
    /// has been quiet since.
    pub catching_up: bool,
}

/// Something worth telling about a running [`Replicator`](super::Replicator).
#[derive(Debug)]
pub enum Event<'a> {
    /// A batch was applied.
    Applied(&'a Step),
    /// The target is at the head of the log, and all of it is from that moment.
    CaughtUp(&'a Step),
    /// A step failed in a way that passes; it is tried again after `wait`.
    Retrying {
        /// The number of this retry, from 1; starts again after every success.
        attempt: u32,
        /// How long until then.
        wait: Duration,
        /// What failed.
        error: &'a ReplicateError,
    },
    /// The target has stopped; the target itself remembers it too, if it could be told.
    Stopped {
        /// What happened.
        error: &'a ReplicateError,
        /// Why the target could not be told, if it could not.
        untold: Option<&'a StoreError>,
    },
}

/// Is told what a running [`Replicator`](super::Replicator) does.
pub trait Observer: Send + Sync {
    /// Called in order; should return soon.
    fn observe(&self, event: Event<'_>);
}

/// Nobody listens.
impl Observer for () {
    fn observe(&self, _event: Event<'_>) {}
}
