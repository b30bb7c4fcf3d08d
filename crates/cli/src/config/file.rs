//! What a configuration file may say, before it is checked as a whole.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Deserializer, de};

use super::Role;
use crate::args::LogFormat;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigFile {
    /// The version of this format.
    #[serde(default = "version_1", deserialize_with = "known_version")]
    #[expect(dead_code, reason = "checked while it is read")]
    pub(super) version: i64,
    #[serde(default)]
    pub(super) sync: SyncSection,
    #[serde(default)]
    pub(super) oplog: OplogSection,
    #[serde(default)]
    pub(super) feed: FeedSection,
    #[serde(default)]
    pub(super) filter: FilterSection,
    #[serde(default)]
    pub(super) log: LogSection,
    #[serde(alias = "databases", default)]
    pub(super) nodes: Vec<NodeSection>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SyncSection {
    pub(super) poll_interval: Option<Poll>,
    pub(super) batch_size: Option<BatchSize>,
    pub(super) copy_lanes: Option<CopyLanes>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OplogSection {
    pub(super) keep: Option<Keep>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FeedSection {
    pub(super) kind: FeedKind,
    pub(super) spool: Option<String>,
}

/// Where entries come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FeedKind {
    /// From the managed oplog if the primary has one or can have no other, else from its change stream.
    #[default]
    Auto,
    /// From the managed oplog: the primary is written to through oplogsync.
    Managed,
    /// From the change stream of a replica set: applications write to it as ever.
    ChangeStream,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FilterSection {
    pub(super) include: Vec<String>,
    pub(super) exclude: Vec<String>,
    pub(super) rename: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LogSection {
    pub(super) level: Option<String>,
    pub(super) format: LogFormat,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeSection {
    pub(super) id: Option<u32>,
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) uri: Option<String>,
    pub(super) uri_file: Option<std::path::PathBuf>,
    pub(super) durability: Option<Durability>,
}

/// What an acknowledged write on an embedded node survives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Durability {
    /// A loss of power.
    #[default]
    Fsync,
    /// The same, but it may lose the last 500 ms.
    Interval,
    /// It survives an orderly end only.
    None,
}

/// A poll interval, within its bounds.
#[derive(Clone, Copy)]
pub(super) struct Poll(pub(super) Duration);

/// How long entries are kept, within its bounds.
#[derive(Clone, Copy)]
pub(super) struct Keep(pub(super) Duration);

/// A batch size, within its bounds.
#[derive(Clone, Copy)]
pub(super) struct BatchSize(pub(super) usize);

/// How many parts are copied at once, within its bounds.
#[derive(Clone, Copy)]
pub(super) struct CopyLanes(pub(super) usize);

impl<'de> Deserialize<'de> for CopyLanes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        match usize::try_from(number) {
            Ok(lanes @ 1..=64) => Ok(Self(lanes)),
            _ => Err(de::Error::custom(format!("{number} is out of bounds: use 1 to 64"))),
        }
    }
}

impl std::str::FromStr for Poll {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        between(text, Duration::from_millis(10), Duration::from_secs(3600)).map(Self)
    }
}

impl std::str::FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        between(text, Duration::from_secs(1), Duration::from_secs(10 * 365 * 24 * 3600)).map(Self)
    }
}

impl std::str::FromStr for BatchSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().map_err(|_| format!("`{text}` is no whole number"))?;
        Self::new(number)
    }
}

impl BatchSize {
    fn new(number: i64) -> Result<Self, String> {
        match usize::try_from(number) {
            Ok(size @ 1..=100_000) => Ok(Self(size)),
            _ => Err(format!("{number} is out of bounds: use 1 to 100000")),
        }
    }
}

fn between(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let duration = super::duration(text)?;
    if (least..=most).contains(&duration) {
        return Ok(duration);
    }
    let [least, most] = [least, most].map(humantime::format_duration);
    Err(format!("{text} is out of bounds: use {least} to {most}"))
}

/// Reads what is written as text through `FromStr`, so that file and environment agree.
fn parsed<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: std::str::FromStr<Err = String>,
    D: Deserializer<'de>,
{
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

impl<'de> Deserialize<'de> for Poll {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

impl<'de> Deserialize<'de> for Keep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

impl<'de> Deserialize<'de> for BatchSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(i64::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

fn version_1() -> i64 {
    1
}

fn known_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    match i64::deserialize(deserializer)? {
        1 => Ok(1),
        other => {
            Err(de::Error::custom(format!("version {other} is not known to this oplogsync, which reads version 1")))
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fsync => "fsync",
            Self::Interval => "interval",
            Self::None => "none",
        })
    }
}
