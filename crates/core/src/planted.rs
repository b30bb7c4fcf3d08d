//! [`Bug`]: mistakes that tests make on purpose, to prove that the simulator finds them.
//!
//! Only with feature `testing` can one be planted, and only on the thread that asks for it;
//! otherwise `is_planted` is the constant `false`, and what depends on it is gone.

macro_rules! bugs {
    ($($(#[$doc:meta])* $bug:ident,)*) => {
        /// A mistake, as replicators have made it, this project's ancestor among them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Bug {
            $($(#[$doc])* $bug,)*
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$bug,)*];
        }
    };
}

bugs! {
    /// A reader asks for entries by their wall clock time, as the seed does: those of the same
    /// millisecond, and those of a clock that went back, are never seen.
    TimestampCursor,
    /// A primary changes its documents before the entry is in the log, as the seed does.
    DataBeforeLog,
    /// The checkpoint moves before the documents are written.
    CheckpointBeforeApply,
    /// The checkpoint is kept in memory, as the seed does.
    InMemoryCheckpoint,
    /// Two syncs of one target overlap, as the seed's do when one takes longer than the interval.
    OverlappingSyncs,
    /// An entry of a kind that the reader does not know is skipped, as the seed does.
    SkippedUnknownOperation,
    /// Positions are allocated first, and the entries inserted in any order.
    CounterThenInsert,
    /// A writer that was paused is told that it has inserted where the log is trimmed already.
    NoFloorCheck,
    /// One of several workers fails with nothing committed, and the checkpoint moves all the same.
    NothingCommittedIgnored,
    /// An old primary's entry replaces the one of the new term.
    NoTermCheck,
    /// After an unknown outcome a write is appended again at a new position.
    RetryUnderNewPosition,
    /// A delete is lost when the batch has touched its document before.
    FoldDropsDelete,
    /// A write is acknowledged before it is durable.
    AcknowledgedBeforeDurable,
    /// Readers are given entries that are not durable yet.
    ReadsUndurable,
    /// The log is trimmed without a look at the replicas.
    RetentionForgetsReplicas,
    /// A new primary goes on in the term of the one before it.
    NoNewTerm,
    /// A primary starts without rolling its documents forward.
    NoRollForward,
}

#[cfg(feature = "testing")]
mod switch {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Runs `work` with a bug planted on this thread.
    pub fn with_planted<T>(bug: Bug, work: impl FnOnce() -> T) -> T {
        PLANTED.set(Some(bug));
        let result = work();
        PLANTED.set(None);
        result
    }

    /// Whether this bug is planted.
    pub(crate) fn is_planted(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }
}

#[cfg(feature = "testing")]
pub(crate) use switch::is_planted;
#[cfg(feature = "testing")]
pub use switch::with_planted;

/// Whether this bug is planted: none ever is.
#[cfg(not(feature = "testing"))]
pub(crate) const fn is_planted(_: Bug) -> bool {
    false
}
