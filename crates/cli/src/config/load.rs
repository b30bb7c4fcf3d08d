//! Finding, reading and checking a configuration file.

use std::{
    env,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use oplogsync_core::filter::Filter;

use super::{
    Config, ConfigError, FeedConfig, LogConfig, NodeConfig, SyncConfig, environment,
    file::{BatchSize, ConfigFile, CopyLanes, FeedSection, Keep, Poll},
    text, topology,
};
use crate::conn_string;

const POLL_INTERVAL: Duration = Duration::from_secs(5);
const BATCH_SIZE: usize = 10_000;
const COPY_LANES: usize = 4;

/// Loads the configuration from `chosen`, or from where one is found.
pub(crate) fn load(chosen: Option<&Path>) -> Result<Config, ConfigError> {
    let file = find(chosen)?;
    let text = text::read(&file)
        .map_err(|error| ConfigError::new(file.display(), format!("cannot be read: {error}{}", hint(&error))))?;
    parse(&text).and_then(|parsed| check(parsed, &file)).map_err(|problem| ConfigError::new(file.display(), problem))
}

/// What the text of a file says.
pub(super) fn parse(text: &str) -> Result<ConfigFile, String> {
    toml::from_str(text).map_err(|error| conn_string::redact(error.to_string().trim_end()).into_owned())
}

fn hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::NotFound => "; `oplogsync init FILE` writes one",
        _ => "",
    }
}

fn find(chosen: Option<&Path>) -> Result<PathBuf, ConfigError> {
    if let Some(file) = chosen {
        return Ok(file.to_owned());
    }
    let mut places = vec![PathBuf::from("oplogsync.toml")];
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let user = env::var_os("XDG_CONFIG_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from).or_else(home);
    places.extend(user.map(|dir| dir.join("oplogsync/config.toml")));
    places.push(PathBuf::from("/etc/oplogsync/config.toml"));
    if let Some(found) = places.iter().find(|place| place.is_file()) {
        return Ok(found.clone());
    }
    let searched: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
    let problem = "name one with --config, or write one: oplogsync init oplogsync.toml";
    Err(ConfigError::new(format!("no configuration file ({})", searched.join(", ")), problem))
}

pub(super) fn check(file: ConfigFile, path: &Path) -> Result<Config, String> {
    let base = path.parent().unwrap_or(Path::new("."));
    let ConfigFile { sync, oplog, feed, filter, log, nodes, .. } = file;
    let names: Vec<_> = nodes.iter().map(|node| node.name.clone()).collect();
    if let Some(name) = environment::unknown_variables(&names).first() {
        return Err(format!("environment variable {name} means nothing here: correct or unset it"));
    }
    let poll = overridden("OPLOGSYNC_SYNC_POLL_INTERVAL", sync.poll_interval)?;
    let batch_size = overridden("OPLOGSYNC_SYNC_BATCH_SIZE", sync.batch_size)?;
    let keep = overridden("OPLOGSYNC_OPLOG_KEEP", oplog.keep)?;
    topology::check_ids(&nodes)?;
    let nodes = nodes.iter().map(|node| NodeConfig::new(node, base)).collect::<Result<Vec<_>, _>>()?;
    let (primary, replicas) = topology::check(nodes)?;
    let feed = feed_of(feed, base)?;
    topology::check_feed(&feed, &primary, &replicas)?;
    let renames: Vec<_> = filter.rename.into_iter().collect();
    let filter = Filter::new(&filter.include, &filter.exclude, &renames);
    let filter = filter.map_err(|error| format!("[filter]: {error}"))?;
    topology::check_filter(&filter, &primary)?;
    topology::check_renames(&renames, &primary, &replicas)?;
    Ok(Config {
        file: path.to_owned(),
        sync: SyncConfig {
            poll_interval: poll.map_or(POLL_INTERVAL, |Poll(poll)| poll),
            batch_size: batch_size.map_or(BATCH_SIZE, |BatchSize(size)| size),
            copy_lanes: sync.copy_lanes.map_or(COPY_LANES, |CopyLanes(lanes)| lanes),
        },
        feed,
        filter,
        keep: keep.map(|Keep(keep)| keep),
        log: LogConfig { level: log.level, format: log.format },
        primary,
        replicas,
    })
}

/// The feed, with its spool as a node: it is opened as one.
fn feed_of(feed: FeedSection, base: &Path) -> Result<FeedConfig, String> {
    let spool = match feed.spool {
        None => None,
        Some(uri) => match NodeConfig::spool(&uri, base) {
            Ok(spool) if !spool.is_folder() => {
                return Err(format!(
                    "[feed] spool = \"{uri}\": a spool is a folder: write sled:FOLDER or fjall:FOLDER"
                ));
            }
            spool => Some(spool?),
        },
    };
    Ok(FeedConfig { kind: feed.kind, spool })
}

/// The environment's value if it has one, else the file's.
fn overridden<T: FromStr<Err = String>>(name: &str, value: Option<T>) -> Result<Option<T>, String> {
    match environment::var(name)? {
        Some(text) => text.parse().map(Some).map_err(|problem| format!("environment variable {name}: {problem}")),
        None => Ok(value),
    }
}
