//! [`RepairError`]: why nothing was mended; and [`Unsettled`]: why one difference was not.

use crate::{feed::FeedError, initial_sync::StateError, position::Position, store_error::StoreError};

/// Why a target cannot be mended, or not go on being mended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// The source or the target could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The feed does not go on from the target's checkpoint: what its documents should be nobody can tell.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// What the target remembers of its initial sync cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The node is the one that is written to.
    #[error("{node} is a primary: its documents follow its own oplog, and nothing is ever repaired there")]
    Primary {
        /// The node.
        node: String,
    },
    /// The target follows nothing yet.
    #[error("{target} was never synced: `oplogsync run` does so")]
    NoCheckpoint {
        /// The target.
        target: String,
    },
    /// The target's initial sync goes on.
    #[error(
        "the initial sync of {target} is not finished: `oplogsync run` goes on with it, then compare again; where that stops too, sync the node anew with `oplogsync resync`"
    )]
    Unsynced {
        /// The target.
        target: String,
    },
    /// The target was in the middle of a command when it was cut off.
    #[error(
        "{target} was cut off in the middle of the command at {at}: `oplogsync run` finishes it, then compare again"
    )]
    Unfinished {
        /// The target.
        target: String,
        /// The entry.
        at: Position,
    },
    /// The target was filled with another filter than the one that it was compared with.
    #[error(
        "{target} was filled with another `[filter]`: put the old one back, or sync it anew with `oplogsync resync {target}`"
    )]
    OtherFilter {
        /// The target.
        target: String,
    },
    /// More differs than single repairs are for.
    #[error(
        "{target} differs in {found} or more places, and at most {most} are mended one by one: sync it anew with `oplogsync resync {target}`"
    )]
    TooMany {
        /// The target.
        target: String,
        /// How many were found.
        found: u64,
        /// How many are mended.
        most: usize,
    },
}

/// Why nobody can tell what something should be at the target's checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsettled {
    /// An entry to come changes a part of the document, and the source no longer knows what it was before.
    #[error(
        "the entry at {at} changes a part of it, and the source no longer tells what it was before: sync the node anew with `oplogsync resync`"
    )]
    Patched {
        /// The entry.
        at: Position,
    },
    /// A command to come changes the collection.
    #[error("the command at {at} changes the collection: `oplogsync run` brings the node there, then compare again")]
    Command {
        /// The entry.
        at: Position,
    },
    /// The source's documents are behind its own log, or the feed behind the source.
    #[error(
        "the source does not come to rest: its documents and its oplog are not in step; `oplogsync run` brings them there, then compare again"
    )]
    Restless,
    /// What differs cannot be changed once a collection is there.
    #[error("its options differ in what a collection keeps for life: sync the node anew with `oplogsync resync`")]
    Fixed,
}
