//! [`Options`]: how servers are started.

use std::{ffi::OsString, path::PathBuf};

use crate::Tls;

/// How a server, or each member of a replica set, is started.
///
/// The default is a free port, a temporary folder, no authentication, no TLS, a cache of
/// 0.25 GB, and none of MongoDB's test commands.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub(crate) port: Option<u16>,
    pub(crate) folder: Option<PathBuf>,
    pub(crate) user: Option<User>,
    pub(crate) tls: Option<Tls>,
    pub(crate) cache_gb: Option<f64>,
    pub(crate) test_commands: bool,
    pub(crate) args: Vec<OsString>,
}

/// The one user of a server with authentication, who may do everything.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) password: String,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Options {
    /// Listens on this port; the members of a replica set on this one and those that follow.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Keeps the data in this folder, which is made if need be and never removed; the members of
    /// a replica set in folders `0`, `1` and so on within it. Members know each other by their
    /// ports, so a kept replica set is to be started on the [`port`](Options::port) it had.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Demands authentication; this user may do everything.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.user = Some(User { name: name.into(), password: password.into() });
        self
    }

    /// Speaks TLS only, with these certificates.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// The size of the storage engine's cache in gigabytes; 0.25 is the least that mongod takes.
    #[must_use]
    pub fn cache_gb(mut self, cache_gb: f64) -> Self {
        self.cache_gb = Some(cache_gb);
        self
    }

    /// Allows the commands that MongoDB has for tests, such as `configureFailPoint`.
    #[must_use]
    pub fn test_commands(mut self) -> Self {
        self.test_commands = true;
        self
    }

    /// Adds an argument for mongod; an option and its value are two.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// The part of mongod's arguments that is the same on any port and in any folder.
    pub(crate) fn to_args(&self) -> Vec<OsString> {
        let cache = self.cache_gb.unwrap_or(0.25).to_string();
        let fixed = [
            "--bind_ip",
            "127.0.0.1",
            "--nounixsocket",
            "--wiredTigerCacheSizeGB",
            &cache,
            // Small journal files: an empty data folder is 7 MB instead of 301 MB.
            "--wiredTigerEngineConfigString",
            "log=(file_max=4MB,prealloc=false)",
            "--setParameter",
            "diagnosticDataCollectionEnabled=false",
        ];
        let mut args: Vec<OsString> = fixed.map(OsString::from).into();
        if self.test_commands {
            let test = ["--setParameter", "enableTestCommands=1", "--setParameter", "ttlMonitorSleepSecs=1"];
            args.extend(test.map(OsString::from));
        }
        args.extend(self.tls.iter().flat_map(Tls::to_args));
        args.extend(self.args.iter().cloned());
        args
    }
}
