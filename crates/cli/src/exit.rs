//! [`Exit`]: the exit codes, which scripts and service managers rely on.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Done, healthy, equal, or stopped by a signal with everything in hand finished.
    Done = 0,
    /// Something unexpected.
    Unexpected = 1,
    /// The arguments are wrong.
    Usage = 2,
    /// The configuration is missing or invalid, or lets pass what cannot be replicated.
    Config = 3,
    /// The primary does not answer or refuses.
    Primary = 4,
    /// A replica does not answer or refuses.
    Replica = 5,
    /// The goal was not reached in the time given.
    Behind = 6,
    /// Verification found differences, a replica a change that somebody else made, or a simulation a broken law or a
    /// lost write.
    Different = 7,
    /// What a replica's checkpoint stands on is not in the oplog: too stale, foreign, diverged, or the
    /// oplog has gone back in time.
    TooStale = 8,
    /// Another process holds what this one needs.
    Busy = 9,
    /// Stopped by a second signal, without waiting.
    Interrupted = 130,
}

/// The exit codes as help text.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done, healthy, equal, or stopped by a signal after the batch in hand
  1  unexpected error                      6  goal not reached in time
  2  wrong usage                           7  differences found, foreign changes met, sim a broken law or a loss
  3  configuration missing or invalid      8  history lost or changed: too stale, foreign, diverged, gone back in time
  4  primary unreachable or refused        9  busy: another process holds the lock or the lease
  5  replica unreachable or refused      130  stopped by a second signal, without waiting";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
