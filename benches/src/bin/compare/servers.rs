//! [`Servers`]: the mongods that the rows share. They listen on 127.0.0.1 and end with this process.

use anyhow::{Context as _, Result};
use mongodb::{Client, options::WriteConcern};
use oplogsync_mongod::{Binary, Finder, Options, ReplicaSet, Server};

/// What a write goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A replica set of one member.
    Set,
    /// A server without an oplog of its own.
    Standalone,
}

impl Target {
    /// Its name in those of rows.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Standalone => "standalone",
        }
    }

    /// What our own writes wait for, so that a peer's wait for the same.
    pub(crate) fn write_concern(self) -> WriteConcern {
        let mut concern = match self {
            Self::Set => WriteConcern::majority(),
            Self::Standalone => WriteConcern::nodes(1),
        };
        concern.journal = Some(true);
        concern
    }
}

/// A source and a target of each kind.
#[derive(Debug)]
pub(crate) struct Servers {
    binary: Binary,
    source: ReplicaSet,
    set: ReplicaSet,
    standalone: Server,
}

/// How servers for measurements are started.
pub(crate) fn options() -> Options {
    Options::default().cache_gb(1.0)
}

/// How those are started whose writes go through an oplog. They stop at once, instead of fifteen seconds after they
/// were asked to.
pub(crate) fn member_options() -> Options {
    let stop = "shutdownTimeoutMillisForSignaledShutdown=0";
    options().arg("--oplogSize").arg("2048").arg("--setParameter").arg(stop)
}

impl Servers {
    pub(crate) async fn start() -> Result<Self> {
        let find = || Finder::from_env().find(&mut |line| eprintln!("{line}"));
        let binary = tokio::task::spawn_blocking(find).await.context("looking for a mongod was cut off")??;
        let source = ReplicaSet::start(&binary, "source", 1, member_options()).await?;
        let set = ReplicaSet::start(&binary, "target", 1, member_options()).await?;
        let standalone = Server::start(&binary, options()).await?;
        Ok(Self { binary, source, set, standalone })
    }

    /// The mongod, for rows that need servers of their own.
    pub(crate) fn binary(&self) -> &Binary {
        &self.binary
    }

    /// What is read from.
    pub(crate) fn source(&self) -> String {
        self.source.uri()
    }

    /// What is written to.
    pub(crate) fn target(&self, target: Target) -> String {
        match target {
            Target::Set => self.set.uri(),
            Target::Standalone => self.standalone.uri(),
        }
    }
}

/// The driver alone.
pub(crate) async fn client(uri: &str) -> Result<Client> {
    Client::with_uri_str(uri).await.with_context(|| format!("cannot connect to {uri}"))
}
