//! [`SyncObserver`]: is told how far a copy has come.

use std::time::Duration;

use super::SyncError;
use crate::{documents::Size, namespace::Namespace, position::Position, store_error::StoreError};

/// How far a copy has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SyncProgress {
    /// What is copied, by this process and those before it.
    pub copied: Size,
    /// About how much there is to copy.
    pub total: Size,
    /// What was copied before this process began.
    pub before: Size,
}

/// Something worth telling about a copy.
#[derive(Debug)]
pub enum SyncEvent<'a> {
    /// The copy begins, or goes on after it was cut off (when something is copied already).
    Begun(SyncProgress),
    /// A piece of this collection is copied.
    Copied {
        /// Which.
        ns: &'a Namespace,
        /// How far the whole is.
        progress: SyncProgress,
    },
    /// A command makes it necessary to copy these collections of the source again.
    Again {
        /// Which, by the source's names.
        names: &'a [Namespace],
        /// Where the command stands.
        at: Position,
    },
    /// Something failed in a way that passes; it is tried again after `wait`.
    Retrying {
        /// The number of this retry, from 1.
        attempt: u32,
        /// How long until then.
        wait: Duration,
        /// What failed.
        error: &'a SyncError,
    },
    /// All documents are copied; entries follow.
    Ended(SyncProgress),
    /// It failed for good; the target itself remembers it too, if it could be told.
    Stopped {
        /// What happened.
        error: &'a SyncError,
        /// Why the target could not be told, if it could not.
        untold: Option<&'a StoreError>,
    },
}

/// Is told how far a copy has come.
pub trait SyncObserver: Send + Sync {
    /// Called in order; should return soon.
    fn observe_sync(&self, event: SyncEvent<'_>);
}

/// Nobody listens.
impl SyncObserver for () {
    fn observe_sync(&self, _event: SyncEvent<'_>) {}
}
