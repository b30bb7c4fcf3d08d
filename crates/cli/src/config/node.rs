//! [`NodeConfig`]: one node, and where it is.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use oplogsync_core::namespace::{Namespace, broken_database_rule};
use serde::{Deserialize, Serialize};

use super::{Durability, environment, file::NodeSection};
use crate::conn_string::ConnString;

const SCHEMES: &str = "mongodb://HOST:PORT/DATABASE, mongodb+srv://..., sled:FOLDER, fjall:FOLDER or memory:";

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// It is written to, and holds the oplog.
    #[serde(alias = "master", alias = "source")]
    Primary,
    /// It follows the primary.
    #[serde(alias = "slave", alias = "secondary", alias = "target")]
    Replica,
}

/// One node.
#[derive(Debug, Clone)]
pub(crate) struct NodeConfig {
    /// Its name, unique.
    pub(crate) name: String,
    /// What it does.
    pub(crate) role: Role,
    /// Where it is.
    pub(crate) address: Address,
}

/// Where a node is: the scheme of its URI chooses the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// In memory, until the process ends.
    Memory,
    /// In a folder.
    Folder {
        /// What keeps it.
        engine: Engine,
        /// The folder.
        path: PathBuf,
        /// What a write there survives.
        durability: Durability,
    },
    /// On a MongoDB server.
    Mongo {
        /// How to connect.
        uri: ConnString,
        /// The one database that it replicates; `None` for the whole server.
        scope: Option<DatabaseScope>,
    },
}

/// What keeps the data of an embedded store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// sled.
    Sled,
    /// fjall.
    Fjall,
}

impl Engine {
    /// The engine that the scheme of a URI names, and the path behind it.
    fn of(uri: &str) -> Option<(Self, &str)> {
        let (scheme, path) = uri.split_once(':')?;
        [Self::Sled, Self::Fjall].into_iter().find(|engine| engine.scheme() == scheme).map(|engine| (engine, path))
    }

    fn scheme(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Fjall => "fjall",
        }
    }
}

/// One database of a server stands for one database of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DatabaseScope {
    /// Its name in the log.
    pub(crate) logical: String,
    /// Its name on the server.
    pub(crate) physical: String,
}

impl NodeConfig {
    /// Checks one node for itself; `base` is the folder that relative paths start from.
    pub(super) fn new(section: &NodeSection, base: &Path) -> Result<Self, String> {
        let name = section.name.clone();
        check_name(&name)?;
        let uri = uri_of(section, base).map_err(|problem| format!("node `{name}`: {problem}"))?;
        let address = Address::parse(&uri, section.durability, base);
        let address = address.map_err(|problem| format!("node `{name}`: {problem}"))?;
        Ok(Self { name, role: section.role, address })
    }
}

impl NodeConfig {
    /// The spool at `uri`.
    pub(super) fn spool(uri: &str, base: &Path) -> Result<Self, String> {
        let address = Address::parse(uri, None, base).map_err(|problem| format!("[feed] spool: {problem}"))?;
        Ok(Self { name: "spool".to_owned(), role: Role::Primary, address })
    }

    /// Whether it is in a folder.
    pub(super) fn is_folder(&self) -> bool {
        matches!(self.address, Address::Folder { .. })
    }

    /// Whether it is on MongoDB servers.
    pub(crate) fn is_mongo(&self) -> bool {
        matches!(self.address, Address::Mongo { .. })
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if plain && (1..=63).contains(&name.len()) {
        return Ok(());
    }
    Err(format!("`{name}` is no node name: use 1 to 63 letters, digits, `-` and `_`"))
}

/// The URI as the environment, the section or its file gives it, with `${VAR}` expanded.
fn uri_of(section: &NodeSection, base: &Path) -> Result<String, String> {
    if let Some(uri) = environment::node_uri(&section.name)? {
        return Ok(uri);
    }
    match (&section.uri, &section.uri_file) {
        (Some(uri), None) => environment::expand(uri),
        (None, Some(file)) => environment::read_uri_file(&base.join(file)),
        (Some(_), Some(_)) => Err("it has both `uri` and `uri_file`: keep one".to_owned()),
        (None, None) => Err(format!("it has no `uri`: add one of {SCHEMES}, or a `uri_file` that holds it")),
    }
}

impl Address {
    fn parse(uri: &str, durability: Option<Durability>, base: &Path) -> Result<Self, String> {
        if let Some((engine, path)) = Engine::of(uri) {
            if path.is_empty() {
                let scheme = engine.scheme();
                return Err(format!("`{scheme}:` needs a folder, for example {scheme}:data/db1"));
            }
            return Ok(Self::Folder { engine, path: base.join(path), durability: durability.unwrap_or_default() });
        }
        if let Some(level) = durability {
            return Err(format!("`durability = \"{level}\"` is for sled: nodes and fjall: nodes only: remove it"));
        }
        if uri == "memory:" {
            return Ok(Self::Memory);
        }
        if uri.starts_with("mongodb://") || uri.starts_with("mongodb+srv://") {
            return mongo(ConnString::new(uri));
        }
        let scheme = uri.split_once(':').map_or("it", |(scheme, _)| scheme);
        Err(format!("`{scheme}` is no store that oplogsync knows: use {SCHEMES}"))
    }
}

fn mongo(uri: ConnString) -> Result<Address, String> {
    if !cfg!(feature = "mongo") {
        return Err("this build has no MongoDB support: build it with the feature `mongo` (on by default)".to_owned());
    }
    if uri.servers().iter().any(|server| server.is_empty() || server.starts_with(':')) {
        return Err(format!("`{uri}` names no host: write mongodb://HOST:PORT/DATABASE"));
    }
    let scope = match uri.database() {
        None => None,
        Some(name) => {
            if let Some(rule) = broken_database_rule(name) {
                return Err(format!("`{uri}`: {rule}"));
            }
            // The same rule that keeps the server's and our own databases out of every log.
            Namespace::new(&format!("{name}.x"))
                .map_err(|_| format!("database `{name}` is never replicated: choose another"))?;
            Some(DatabaseScope { logical: name.to_owned(), physical: name.to_owned() })
        }
    };
    #[cfg(feature = "mongo")]
    oplogsync_store_mongo::check_uri(uri.expose()).map_err(|error| format!("`{uri}` is no usable uri: {error}"))?;
    Ok(Address::Mongo { uri, scope })
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
        })
    }
}

impl fmt::Display for Address {
    /// For people, without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Folder { engine, path, .. } => write!(f, "{}:{}", engine.scheme(), path.display()),
            Self::Mongo { uri, .. } => uri.fmt(f),
        }
    }
}
