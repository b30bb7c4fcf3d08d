//! [`Failure`]: an error together with the exit code that it means.

use std::{fmt, io::Write};

use oplogsync_core::{
    feed::FeedError,
    follower::FollowError,
    initial_sync::SyncError,
    primary::{PrimaryError, WriteError},
    repair::RepairError,
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
        let contradicted = match &error {
            PrimaryError::RollForward { node, source: ReplicateError::Feed(feed) }
                if !matches!(feed, FeedError::Store(_)) =>
            {
                Some(format!("{node}: its documents do not belong to its oplog: restore both from one backup"))
            }
            _ => None,
        };
        let failure = Self { exit: primary_exit(&error), error: error.into() };
        match contradicted {
            Some(context) => failure.context(context),
            None => failure,
        }
    }

    /// A write that failed, or may have.
    pub(crate) fn write(error: WriteError) -> Self {
        let exit = match &error {
            WriteError::Unknown { source, .. }
            | WriteError::NotBegun(source)
            | WriteError::NotApplied { source, .. } => primary_exit(source),
            _ => Exit::Primary,
        };
        let refused = matches!(error, WriteError::Refused(_));
        let failure = Self { exit, error: error.into() };
        if refused { failure.context("the write is refused") } else { failure }
    }

    /// A failure of following with the node `target`.
    pub(crate) fn follow(error: FollowError, target: &str) -> Self {
        let exit = match &error {
            FollowError::Replicate(error) => replicate_exit(error),
            FollowError::Sync(error) => sync_exit(error, target),
            _ => Exit::Unexpected,
        };
        Self { exit, error: error.into() }
    }

    /// A failure of mending the node `target`.
    pub(crate) fn repair(error: RepairError, target: &str) -> Self {
        let exit = match &error {
            RepairError::Feed(feed) => feed_exit(feed),
            RepairError::Store(store) if store.node() == target => exit_of(store.fault(), Role::Replica),
            RepairError::Store(store) => exit_of(store.fault(), Role::Primary),
            RepairError::OtherFilter { .. } => Exit::Config,
            RepairError::TooMany { .. } => Exit::Different,
            _ => Exit::Replica,
        };
        Self { exit, error: error.into() }
    }

    /// A failure of a feed.
    #[cfg(feature = "mongo")]
    pub(crate) fn feed(error: FeedError) -> Self {
        Self { exit: feed_exit(&error), error: error.into() }
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
        // Of what the source has nothing is wrong: the filter has to leave it out.
        Fault::Unreplicable { .. } => Exit::Config,
        _ => match role {
            Role::Primary => Exit::Primary,
            Role::Replica => Exit::Replica,
        },
    }
}

/// What a failure of the primary means for the exit code.
fn primary_exit(error: &PrimaryError) -> Exit {
    match error {
        PrimaryError::Store(store)
        | PrimaryError::RollForward {
            source: ReplicateError::Target(store) | ReplicateError::Feed(FeedError::Store(store)),
            ..
        } => exit_of(store.fault(), Role::Primary),
        PrimaryError::Defect { .. } => Exit::Unexpected,
        PrimaryError::Beaten { .. } => Exit::Busy,
        _ => Exit::Primary,
    }
}

/// What a failure of replication means for the exit code.
pub(crate) fn replicate_exit(error: &ReplicateError) -> Exit {
    match error {
        ReplicateError::Feed(feed) => feed_exit(feed),
        ReplicateError::Target(store) if matches!(store.fault(), Fault::Drift { .. } | Fault::Misfit { .. }) => {
            Exit::Different
        }
        ReplicateError::Target(store) => exit_of(store.fault(), Role::Replica),
        ReplicateError::OtherFilter { .. } => Exit::Config,
        _ => Exit::Replica,
    }
}

/// What a failure of an initial sync of the node `target` means for the exit code.
pub(crate) fn sync_exit(error: &SyncError, target: &str) -> Exit {
    match error {
        SyncError::Feed(feed) => feed_exit(feed),
        SyncError::Store(store) if store.node() == target => exit_of(store.fault(), Role::Replica),
        SyncError::Store(store) => exit_of(store.fault(), Role::Primary),
        SyncError::OtherFilter { .. } => Exit::Config,
        _ => Exit::Replica,
    }
}

fn feed_exit(error: &FeedError) -> Exit {
    match error {
        FeedError::Store(store) => exit_of(store.fault(), Role::Primary),
        // The source holds no longer, or never held, what the checkpoint stands on: a new sync is needed.
        FeedError::TooStale { .. }
        | FeedError::HistoryLost { .. }
        | FeedError::ForeignLog { .. }
        | FeedError::OtherSource { .. }
        | FeedError::NoToken { .. }
        | FeedError::Rewound { .. }
        | FeedError::Diverged { .. }
        | FeedError::WentBack { .. } => Exit::TooStale,
        _ => Exit::Primary,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use oplogsync_core::{ids::OpId, position::Position};

    use super::*;

    fn store(fault: Fault) -> StoreError {
        StoreError::new("db1", "write", fault)
    }

    fn busy() -> Fault {
        Fault::Busy { holder: "another process".to_owned() }
    }

    #[test]
    fn a_primary_that_another_process_holds_is_busy_however_it_shows() {
        for error in [
            PrimaryError::Store(store(busy())),
            PrimaryError::RollForward { node: "db1".to_owned(), source: ReplicateError::Target(store(busy())) },
            PrimaryError::RollForward { node: "db1".to_owned(), source: FeedError::Store(store(busy())).into() },
            PrimaryError::Beaten { node: "db1".to_owned(), at: Position::default(), tries: 9 },
        ] {
            let op_id = OpId::from_bytes([7; 16]);
            assert_eq!(Failure::write(WriteError::Unknown { op_id, source: Arc::new(error) }).exit(), Exit::Busy);
        }
    }

    #[test]
    fn what_the_filter_has_to_leave_out_is_a_matter_of_the_configuration() {
        let fault = || Fault::Unreplicable { name: "shop.capped".to_owned() };
        assert_eq!(sync_exit(&SyncError::Store(store(fault())), "db2"), Exit::Config);
        assert_eq!(feed_exit(&FeedError::Store(store(fault()))), Exit::Config);
    }

    #[test]
    fn a_write_whose_place_was_trimmed_is_the_primarys_trouble() {
        let error = PrimaryError::Trimmed { node: "db1".to_owned(), index: 7 };
        assert_eq!(Failure::write(WriteError::NotBegun(Arc::new(error))).exit(), Exit::Primary);
    }

    #[test]
    fn a_primary_that_contradicts_its_own_oplog_is_to_be_restored() {
        let (head, checkpoint) = (Position { term: 1, index: 2 }, Position { term: 1, index: 3 });
        let source = FeedError::WentBack { checkpoint, head }.into();
        let failure = Failure::primary(PrimaryError::RollForward { node: "db1".to_owned(), source });
        assert_eq!(failure.exit(), Exit::Primary);
        assert!(failure.to_string().starts_with("error: db1: its documents do not belong to its oplog"), "{failure}");
    }
}
