//! [`ServerError`]: what can go wrong with a server process.

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

/// A server could not be started, reached or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Another process listens on the port.
    #[error("port {port} is in use: stop what listens there, or choose another port")]
    PortInUse {
        /// The port.
        port: u16,
    },
    /// The server on this port cannot use its data folder.
    #[error(
        "the mongod for port {port} cannot use the folder {}: stop the mongod that uses it, or see to its permissions; it says:\n{log}",
        folder.display()
    )]
    Folder {
        /// The port.
        port: u16,
        /// The data folder.
        folder: PathBuf,
        /// What the log says.
        log: String,
    },
    /// The server ended before it was ready.
    #[error("the mongod for port {port} ended at its start ({status}); it says:\n{log}")]
    Exited {
        /// The port.
        port: u16,
        /// How it ended.
        status: ExitStatus,
        /// What the log says.
        log: String,
    },
    /// The server, or the replica set that it belongs to, is not ready in time.
    #[error("the mongod on port {port} is not {awaited} after {} s; it says:\n{log}", waited.as_secs())]
    NotReady {
        /// The port.
        port: u16,
        /// What was waited for.
        awaited: &'static str,
        /// How long.
        waited: Duration,
        /// What the log says.
        log: String,
    },
    /// The server does not run: it was stopped or killed, or ended by itself.
    #[error("the mongod on port {port} does not run: restart it first")]
    NotRunning {
        /// The port.
        port: u16,
    },
    /// The server does not end on request.
    #[error("the mongod on port {port} did not stop within {} s, and was killed", waited.as_secs())]
    Unstoppable {
        /// The port.
        port: u16,
        /// How long it had.
        waited: Duration,
    },
    /// A replica set has one to seven members.
    #[error("a replica set has 1 to 7 members, not {members}")]
    Members {
        /// The number that was asked for.
        members: usize,
    },
    /// The server refuses a command, or the driver cannot reach it.
    #[error("cannot {doing} on the mongod on port {port}")]
    Command {
        /// The port.
        port: u16,
        /// What was to be done.
        doing: &'static str,
        /// What came back.
        source: Box<mongodb::error::Error>,
    },
    /// The operating system refuses something.
    #[error("cannot {doing} for a mongod")]
    System {
        /// What was to be done.
        doing: &'static str,
        /// Why not.
        source: io::Error,
    },
}

impl ServerError {
    /// For `map_err`.
    pub(crate) fn system(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { doing, source }
    }

    /// For `map_err`.
    pub(crate) fn command(port: u16, doing: &'static str) -> impl FnOnce(mongodb::error::Error) -> Self {
        move |source| Self::Command { port, doing, source: Box::new(source) }
    }
}
