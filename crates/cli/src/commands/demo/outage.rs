//! [`Outage`]: how one replica is cut off, and comes back.

use tokio::sync::watch;

use crate::failure::Failure;

/// Cuts the last replica off.
#[derive(Debug)]
pub(super) enum Outage<'a> {
    /// Its line to the primary is cut.
    Line(watch::Sender<bool>, std::marker::PhantomData<&'a mut ()>),
    /// Its server is killed.
    #[cfg(feature = "mongo")]
    Server(&'a mut oplogsync_mongod::Server),
}

impl Outage<'_> {
    /// A line that can be cut.
    pub(super) fn line() -> Self {
        Self::Line(watch::Sender::new(false), std::marker::PhantomData)
    }

    /// Whether the replica's line is cut.
    pub(super) fn cut(&self) -> watch::Receiver<bool> {
        match self {
            Self::Line(cut, _) => cut.subscribe(),
            #[cfg(feature = "mongo")]
            Self::Server(_) => watch::Sender::new(false).subscribe(),
        }
    }

    /// What it does to the replica, in words.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Line(..) => "cut off from the primary",
            #[cfg(feature = "mongo")]
            Self::Server(_) => "killed (SIGKILL to its mongod)",
        }
    }

    /// The replica is cut off now.
    #[cfg_attr(not(feature = "mongo"), expect(clippy::unnecessary_wraps, reason = "a server may not be there"))]
    pub(super) fn begin(&mut self) -> Result<(), Failure> {
        match self {
            Self::Line(cut, _) => {
                cut.send_replace(true);
                Ok(())
            }
            #[cfg(feature = "mongo")]
            Self::Server(server) => server.kill().map_err(|error| Failure::unexpected(error, "kill a mongod")),
        }
    }

    /// The replica can be reached again.
    #[cfg_attr(not(feature = "mongo"), expect(clippy::unused_async, reason = "a server takes its time"))]
    pub(super) async fn end(&mut self) -> Result<(), Failure> {
        match self {
            Self::Line(cut, _) => {
                cut.send_replace(false);
                Ok(())
            }
            #[cfg(feature = "mongo")]
            Self::Server(server) => {
                server.restart().await.map_err(|error| Failure::unexpected(error, "start a mongod again"))
            }
        }
    }
}
