//! [`Call`]: what the store is asked to do while a server fails.

use std::time::Duration;

/// No call may take longer. What is waited for is shorter by far; but machines are busy.
pub(super) const TIME_MAX: Duration = Duration::from_secs(20);

/// A call of one of the store's traits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Append,
    Read,
    Find,
    LogEnds,
    CreateLog,
    Trim,
    Acknowledge,
    Acknowledgements,
    SwapLease,
    Lease,
    Apply,
    Get,
    Digest,
    Scan,
    Namespaces,
    Checkpoint,
    SetStop,
    Resume,
    Collections,
    Size,
    Notes,
    PutNotes,
    /// Into a part that holds nothing.
    Copy,
    /// Into one that may hold something.
    CopyAgain,
    BeginAt,
    Create,
    CreateIndexes,
    DropIndexes,
    Modify,
    Rename,
    Drop,
}

/// What the failing command is to the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
    /// A read in a transaction.
    ReadInTransaction,
    /// A read by a call that has written already.
    ReadAfterWrite,
    /// A write command that changes nothing, by a call that reads.
    NoWrite,
    /// A write that counts only with its commit.
    InTransaction,
    Commit,
}

impl Kind {
    /// How many commands a call may send into the same error. The tries of a transaction, and of a commit within its
    /// deadline, each with a pause before it, are the only ones that the store makes by itself; the driver
    /// doubles a commit. All others are the caller's, who waits longer each time.
    pub(super) fn commands_max(self) -> i32 {
        match self {
            Self::Commit => 20,
            Self::InTransaction | Self::ReadInTransaction => 4,
            Self::Read | Self::Write | Self::ReadAfterWrite | Self::NoWrite => 1,
        }
    }
}
