//! [`ReplicateError`]: why a target could not be brought further.

use crate::{
    feed::FeedError, initial_sync::StateError, namespace::Namespace, position::Position, store_error::StoreError,
};

/// Why a target could not be brought further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplicateError {
    /// The feed does not yield what follows the checkpoint.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The target could not be read or written.
    #[error(transparent)]
    Target(#[from] StoreError),
    /// What the target remembers of its initial sync cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The target's initial sync was cut off, and has to be finished first.
    #[error("the initial sync of {target} is not finished: `oplogsync run` goes on with it")]
    Unsynced {
        /// The target.
        target: String,
    },
    /// The target was filled with another filter.
    #[error(
        "{target} was filled with another `[filter]`: what it holds is not what this one lets pass; put the old one back, or sync it anew with `oplogsync resync {target} --confirm {target}`"
    )]
    OtherFilter {
        /// The target.
        target: String,
    },
    /// A command moves documents that the target cannot have: they have to be copied.
    #[error("the command at {at} needs {names:?} to be copied to {target} again: `oplogsync run` does so")]
    CopyAgain {
        /// The target.
        target: String,
        /// The collections, by the source's names.
        names: Vec<Namespace>,
        /// The entry.
        at: Position,
    },
    /// The target has documents and no checkpoint: nobody knows what they are.
    #[error(
        "{target} holds documents in {ns} that came from no oplog: give it an empty database, or wipe it with `oplogsync resync {target} --confirm {target}`"
    )]
    TargetNotEmpty {
        /// The target.
        target: String,
        /// A namespace with documents.
        ns: Namespace,
    },
}
