//! [`Config`]: the validated configuration.

mod environment;
mod file;
mod load;
mod node;
mod text;
mod topology;

use std::{path::PathBuf, time::Duration};

pub(crate) use file::{Durability, FeedKind};
pub(crate) use load::load;
#[cfg(feature = "mongo")]
pub(crate) use node::DatabaseScope;
pub(crate) use node::{Address, Engine, NodeConfig, Role};

use oplogsync_core::filter::Filter;

use crate::args::LogFormat;

/// A configuration that can be run: every name, value and combination in it is checked.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The file that it comes from.
    pub(crate) file: PathBuf,
    /// How replicas sync.
    pub(crate) sync: SyncConfig,
    /// Where entries come from.
    pub(crate) feed: FeedConfig,
    /// What is replicated, and under which names.
    pub(crate) filter: Filter,
    /// How long the oplog is kept; `None` keeps everything.
    pub(crate) keep: Option<Duration>,
    /// The log.
    pub(crate) log: LogConfig,
    /// The node that is written to.
    pub(crate) primary: NodeConfig,
    /// The nodes that follow it, at least one.
    pub(crate) replicas: Vec<NodeConfig>,
}

/// How replicas sync.
#[derive(Debug, Clone)]
pub(crate) struct SyncConfig {
    /// How long a replica that has caught up waits before it looks again.
    pub(crate) poll_interval: Duration,
    /// Most entries in a batch.
    pub(crate) batch_size: usize,
    /// How many parts an initial sync copies at once.
    pub(crate) copy_lanes: usize,
}

/// Where entries come from.
#[derive(Debug, Clone)]
pub(crate) struct FeedConfig {
    /// What kind of feed.
    pub(crate) kind: FeedKind,
    /// The node that keeps what a change stream has told, until every replica has it.
    pub(crate) spool: Option<NodeConfig>,
}

/// The log.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogConfig {
    /// A filter, for example `info`.
    pub(crate) level: Option<String>,
    /// The format.
    pub(crate) format: LogFormat,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[error("{origin}: {problem}")]
pub(crate) struct ConfigError {
    /// The file, or the places that were searched.
    origin: String,
    /// What is wrong and what to do.
    problem: String,
}

impl ConfigError {
    fn new(origin: impl std::fmt::Display, problem: impl Into<String>) -> Self {
        Self { origin: origin.to_string(), problem: problem.into() }
    }
}

impl Config {
    /// The configuration that a text is, for tests: without the files that it names.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let file = load::parse(text)?;
        if file.nodes.iter().any(|node| node.uri_file.is_some()) {
            return Err("a file would be read".to_owned());
        }
        load::check(file, std::path::Path::new("oplogsync.toml"))
    }

    /// The replica with this name.
    pub(crate) fn replica(&self, name: &str) -> Result<&NodeConfig, ConfigError> {
        if let Some(found) = self.replicas.iter().find(|node| node.name == name) {
            return Ok(found);
        }
        let names: Vec<_> = self.replicas.iter().map(|node| node.name.as_str()).collect();
        let what = if self.primary.name == name { "is the primary" } else { "is not configured" };
        Err(ConfigError::new(
            self.file.display(),
            format!("node `{name}` {what}; the replicas are: {}", names.join(", ")),
        ))
    }

    /// The replicas with these names, all of them if there are none.
    pub(crate) fn chosen<'a>(
        &'a self,
        names: impl IntoIterator<Item = &'a String>,
    ) -> Result<Vec<&'a NodeConfig>, ConfigError> {
        let mut chosen: Vec<&NodeConfig> = Vec::new();
        for name in names {
            let node = self.replica(name)?;
            if !chosen.iter().any(|known| known.name == node.name) {
                chosen.push(node);
            }
        }
        Ok(if chosen.is_empty() { self.replicas.iter().collect() } else { chosen })
    }
}

/// A duration as people write it, for example `5s`, on the command line; zero is refused.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| format!("{error}; write it as 5s, 200ms or 1m"))?;
    if duration.is_zero() { Err("it must be longer than nothing".to_owned()) } else { Ok(duration) }
}
