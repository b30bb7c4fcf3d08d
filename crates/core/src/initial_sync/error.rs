//! [`SyncError`]: why a target could not be copied.

use super::StateError;
use crate::{
    feed::FeedError,
    namespace::Namespace,
    store_error::{Fault, StoreError},
};

/// Why a target could not be copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The source or the target could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The feed has no beginning.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// What the target remembers of the copy cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The target has documents of its own.
    #[error(
        "{target} holds documents in {ns} that no initial sync has copied: give it an empty database, or wipe it with `oplogsync resync {target} --confirm {target}`"
    )]
    TargetNotEmpty {
        /// The target.
        target: String,
        /// A namespace with documents.
        ns: Namespace,
    },
    /// The target was copied before, or follows a log from its beginning.
    #[error(
        "{target} has a checkpoint: it needs no initial sync; `oplogsync resync {target} --confirm {target}` makes one all the same"
    )]
    HasCheckpoint {
        /// The target.
        target: String,
    },
    /// The copy was begun with another filter.
    #[error(
        "the initial sync of {target} was begun with another `[filter]`: put the old one back, or begin anew with `oplogsync resync {target} --confirm {target}`"
    )]
    OtherFilter {
        /// The target.
        target: String,
    },
    /// Only a part is to be copied again, and there is no rest.
    #[error("{target} has no checkpoint: sync it anew with `oplogsync resync {target} --confirm {target}`")]
    NoCheckpoint {
        /// The target.
        target: String,
    },
}

impl SyncError {
    /// Whether another process works on the target.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Store(store) if matches!(store.fault(), Fault::Busy { .. }))
    }
}
