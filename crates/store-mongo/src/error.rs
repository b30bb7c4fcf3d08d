//! [`Failure`]: every error of the driver and the server, classified in this one place.

use std::{
    error::Error,
    ops::{Deref, DerefMut},
};

use mongodb::error::{ErrorKind, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use oplogsync_core::store_error::{Fault, StoreError};

use crate::command::WriteError;

/// What a request does: a write whose reply is lost may have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// What went wrong, before it is known for whom: becomes a [`StoreError`] at the trait's border.
///
/// Boxed, because every result would carry the size of the largest fault.
#[derive(Debug)]
pub(crate) struct Failure(Box<Parts>);

#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) fault: Fault,
    /// The server's error code, if it was the server that said no.
    pub(crate) code: Option<i32>,
    /// Whether the whole transaction may be tried again.
    pub(crate) transient: bool,
    /// Whether it is unknown if the transaction was committed; the commit may be tried again.
    pub(crate) commit_unknown: bool,
    /// Whether what the server has refused the request for is not yet as durable as the request wants it.
    pub(crate) undurable: bool,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Deref for Failure {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl DerefMut for Failure {
    fn deref_mut(&mut self) -> &mut Parts {
        &mut self.0
    }
}

/// The server's or the driver's own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Said(pub(crate) String);

impl Failure {
    pub(crate) fn new(fault: Fault) -> Self {
        Self(Box::new(Parts {
            fault,
            code: None,
            transient: false,
            commit_unknown: false,
            undurable: false,
            source: None,
        }))
    }

    pub(crate) fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// A failure with our own words as its cause.
    pub(crate) fn said(fault: Fault, words: impl Into<String>) -> Self {
        Self::new(fault).because(Said(words.into()))
    }

    /// The same after an earlier request has changed something: "nothing happened" is no longer true.
    pub(crate) fn after_a_write(mut self) -> Self {
        if self.fault == Fault::Unavailable {
            self.fault = Fault::Unknown;
        }
        self
    }

    /// What a server's error code means.
    pub(crate) fn from_code(code: i32, name: &str, message: &str, access: Access) -> Self {
        let mut failure = Self::said(fault_of_code(code, access), format!("{name} (code {code}): {message}"));
        failure.code = Some(code);
        failure
    }

    /// A refusal with the privilege that the user lacks; any other failure as it is.
    pub(crate) fn needing(mut self, privilege: &str) -> Self {
        const UNAUTHORIZED: i32 = 13;
        if self.code == Some(UNAUTHORIZED)
            && let Some(source) = self.source.take()
        {
            self.source = Some(Said(format!("the user lacks the privilege {privilege} ({source})")).into());
        }
        self
    }

    /// What an error of the driver means.
    pub(crate) fn from_driver(error: &mongodb::error::Error, access: Access) -> Self {
        let mut failure = match error.kind.as_ref() {
            ErrorKind::Command(command) => Self::from_code(command.code, &command.code_name, &command.message, access),
            kind => Self::said(fault_of_kind(kind, access), kind.to_string()),
        };
        failure.transient = error.contains_label(TRANSIENT_TRANSACTION_ERROR);
        failure.commit_unknown = error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT);
        let response = error.server_response();
        failure.undurable = response.is_some_and(|response| matches!(response.get("writeConcernError"), Ok(Some(_))));
        failure
    }

    /// What it means that a single write was refused.
    pub(crate) fn from_write_error(error: &WriteError) -> Self {
        let mut failure = Self::new(fault_of_code(error.code, Access::Write)).because(error.clone());
        failure.code = Some(error.code);
        failure
    }

    /// The same failure as another fault, with our own words before those of the server.
    pub(crate) fn explained(mut self, fault: Fault, words: &str) -> Self {
        let said = self.words();
        self.fault = fault;
        self.because(Said(if said.is_empty() { words.to_owned() } else { format!("{words} ({said})") }))
    }

    /// What the server or the driver said.
    pub(crate) fn words(&self) -> String {
        self.source.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// Our own deadline has passed.
    pub(crate) fn timeout(access: Access) -> Self {
        Self::said(lost(access), "the server did not reply in time")
    }

    /// Whether it lost against another writer, or, so the server puts it, against a full cache.
    pub(crate) fn is_write_conflict(&self) -> bool {
        const WRITE_CONFLICT: i32 = 112;
        self.code == Some(WRITE_CONFLICT)
    }

    /// Whether the server refuses the whole command for its size.
    pub(crate) fn is_too_large(&self) -> bool {
        const BSON_OBJECT_TOO_LARGE: i32 = 10334;
        self.code == Some(BSON_OBJECT_TOO_LARGE)
    }

    pub(crate) fn into_store_error(self, node: &str, doing: impl Into<Box<str>>) -> StoreError {
        let Parts { fault, source, .. } = *self.0;
        let error = StoreError::new(node, doing, fault);
        match source {
            Some(source) => error.because(source),
            None => error,
        }
    }
}

/// The reply of a request is lost.
fn lost(access: Access) -> Fault {
    match access {
        Access::Read => Fault::Unavailable,
        Access::Write => Fault::Unknown,
    }
}

fn fault_of_kind(kind: &ErrorKind, access: Access) -> Fault {
    match kind {
        ErrorKind::Authentication { .. } => Fault::Denied,
        // The driver reports a login that failed earlier as a server that cannot be selected.
        ErrorKind::ServerSelection { message, .. } if message.contains("Authentication failed") => Fault::Denied,
        ErrorKind::ServerSelection { .. } | ErrorKind::DnsResolve { .. } | ErrorKind::Shutdown => Fault::Unavailable,
        ErrorKind::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => Fault::Unavailable,
        ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } => lost(access),
        // An unknown kind is not retried blindly: it stops with its own words.
        _ => Fault::Unexpected,
    }
}

/// What a server's code means. A write of several documents can be cut off in the middle by any of
/// the passing conditions, so to a write they say "unknown", not "nothing happened".
fn fault_of_code(code: i32, access: Access) -> Fault {
    match code {
        // Unauthorized, AuthenticationFailed, UserNotFound, ReauthenticationRequired, Atlas.
        13 | 18 | 11 | 391 | 8000 => Fault::Denied,
        // OutOfDiskSpace.
        14031 => Fault::Full,
        code if is_passing(code) => lost(access),
        _ => Fault::Unexpected,
    }
}

/// Conditions that pass: no primary, shutting down, interrupted, too slow, in conflict.
pub(crate) fn is_passing(code: i32) -> bool {
    matches!(
        code,
        // Not primary, recovering, shutting down.
        10107 | 13435 | 13436 | 10058 | 189 | 91 | 11600 | 11601 | 11602
        // Network between servers.
        | 6 | 7 | 89 | 9001 | 202
        // Time limits: LockTimeout, MaxTimeMSExpired, WriteConcernFailed, ExceededTimeLimit, of a transaction.
        | 24 | 50 | 64 | 262 | 290
        // LockBusy, CursorNotFound, WriteConflict, no primary found, no majority snapshot yet.
        | 46 | 43 | 112 | 133 | 134
        // QueryPlanKilled, TemporarilyUnavailable (the cache is under pressure).
        | 175 | 365
        // TransactionTooOld, SnapshotTooOld, SnapshotUnavailable, NoSuchTransaction.
        | 225 | 239 | 246 | 251
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passing_condition_leaves_a_write_unknown_and_a_read_undone() {
        for code in [10107, 13435, 189, 91, 11600, 11602, 112, 50, 175, 365] {
            assert_eq!(fault_of_code(code, Access::Write), Fault::Unknown, "{code}");
            assert_eq!(fault_of_code(code, Access::Read), Fault::Unavailable, "{code}");
        }
    }

    #[test]
    fn a_refused_login_a_full_disk_and_an_unknown_code_are_not_retried() {
        assert_eq!(fault_of_code(13, Access::Write), Fault::Denied);
        assert_eq!(fault_of_code(18, Access::Read), Fault::Denied);
        assert_eq!(fault_of_code(14031, Access::Write), Fault::Full);
        assert_eq!(fault_of_code(987_654, Access::Write), Fault::Unexpected);
    }
}
