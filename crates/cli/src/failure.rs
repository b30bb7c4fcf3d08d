//! [`Failure`]: an error together with the exit code that it means.

use std::{fmt, io::Write};

use oplogsync_core::{
    feed::FeedError,
    primary::PrimaryError,
    replicator::ReplicateError,
    store_error::{Fault, StoreError},
};

use crate::{config::Role, conn_string, exit::Exit, out::OutError};

/// Why a command failed, and with which exit code the program ends.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    /// `error` ends the program with `exit`.
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }

    /// A failure that consists of a message.
    pub(crate) fn message(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, error: anyhow::anyhow!("{message}") }
    }

    /// Something that should not happen, while `doing` something.
    pub(crate) fn unexpected(error: impl Into<anyhow::Error>, doing: &str) -> Self {
        Self { exit: Exit::Unexpected, error: error.into().context(format!("cannot {doing}")) }
    }

    /// The same, said to have happened in a context.
    pub(crate) fn context(self, context: impl fmt::Display + Send + Sync + 'static) -> Self {
        Self { exit: self.exit, error: self.error.context(context) }
    }

    /// A failure of a node with a role.
    pub(crate) fn store(error: StoreError, role: Role) -> Self {
        Self { exit: exit_of(error.fault(), role), error: error.into() }
    }

    /// A failure of the primary as a writer.
    pub(crate) fn primary(error: PrimaryError) -> Self {
        let exit = match &error {
            PrimaryError::Store(store) => exit_of(store.fault(), Role::Primary),
            PrimaryError::Defect { .. } => Exit::Unexpected,
            PrimaryError::Beaten { .. } => Exit::Busy,
            _ => Exit::Primary,
        };
        Self { exit, error: error.into() }
    }

    /// A failure of replication.
    pub(crate) fn replicate(error: ReplicateError) -> Self {
        Self { exit: replicate_exit(&error), error: error.into() }
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Tells people: one line per cause, on standard error, without any password.
    pub(crate) fn report(&self) {
        if self.exit == Exit::Done {
            return;
        }
        // When standard error is gone too there is nobody left to tell.
        let _closed = writeln!(std::io::stderr().lock(), "{self}");
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("error: {}", self.error);
        for cause in self.error.chain().skip(1) {
            text.push_str("\n  because: ");
            text.push_str(&cause.to_string());
        }
        f.write_str(conn_string::redact(text.trim_end()).as_ref())
    }
}

impl From<OutError> for Failure {
    fn from(error: OutError) -> Self {
        match error {
            // The reader has seen enough (`| head`): a clean end.
            OutError::Closed => Self::new(Exit::Done, error),
            OutError::Write(_) => Self::new(Exit::Unexpected, error),
        }
    }
}

/// What a fault on a node with this role means for the exit code.
pub(crate) fn exit_of(fault: &Fault, role: Role) -> Exit {
    match fault {
        Fault::Busy { .. } => Exit::Busy,
        Fault::Poisoned | Fault::Defect => Exit::Unexpected,
        _ => match role {
            Role::Primary => Exit::Primary,
            Role::Replica => Exit::Replica,
        },
    }
}

/// What a failure of replication means for the exit code.
pub(crate) fn replicate_exit(error: &ReplicateError) -> Exit {
    match error {
        ReplicateError::Feed(FeedError::Store(store)) => exit_of(store.fault(), Role::Primary),
        // The log holds no longer, or never held, what the checkpoint stands on: a new sync is needed.
        ReplicateError::Feed(
            FeedError::TooStale { .. }
            | FeedError::ForeignLog { .. }
            | FeedError::Diverged { .. }
            | FeedError::WentBack { .. },
        ) => Exit::TooStale,
        ReplicateError::Feed(_) => Exit::Primary,
        ReplicateError::Target(store) if matches!(store.fault(), Fault::Drift { .. }) => Exit::Different,
        ReplicateError::Target(store) => exit_of(store.fault(), Role::Replica),
        _ => Exit::Replica,
    }
}
