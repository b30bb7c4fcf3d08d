//! Servers for tests, shared by all tests of one process, with a database of its own for each.
//!
//! They are started once, by the first test that asks, and end with the process. Tests that stop
//! servers, or set failpoints, which hold for a whole server, start their own with [`binary`].
//!
//! When no mongod can be had, each function panics with what to do; but with
//! `OPLOGSYNC_WITHOUT_MONGOD=1` it says loudly that the test is skipped, and returns `None`:
//!
//! ```no_run
//! # async fn test() {
//! let Some(nodes) = oplogsync_mongod::testing::shared_standalones(3).await else { return };
//! # }
//! ```

#[cfg(feature = "certificates")]
mod certificates;

use std::{
    env,
    io::{self, Write},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use futures_util::future::try_join_all;
use tokio::sync::{Mutex, OnceCell};

#[cfg(feature = "certificates")]
pub use self::certificates::Certificates;
use crate::{Binary, Finder, Options, ReplicaSet, Server};

const WITHOUT: &str = "OPLOGSYNC_WITHOUT_MONGOD";

/// A database on a shared server; no other test uses it.
#[derive(Debug, Clone)]
pub struct Database {
    server: String,
    name: String,
    uri: String,
}

impl Database {
    fn new(server: String, uri_of: impl FnOnce(&str) -> String) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let uri = uri_of(&name);
        Self { server, name, uri }
    }

    /// The URI of the server or replica set.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URI of the server with this database as the default one.
    pub fn uri(&self) -> &str {
        &self.uri
    }
}

/// The mongod for tests that start servers of their own; fetched if need be.
///
/// # Panics
/// When no mongod can be had.
pub async fn binary() -> Option<Binary> {
    static BINARY: OnceCell<Binary> = OnceCell::const_new();
    if is_skipped() {
        return None;
    }
    let find = || Finder::from_env().find(&mut |line| shout(&format!("oplogsync-mongod: {line}")));
    let found = BINARY
        .get_or_try_init(|| async { tokio::task::spawn_blocking(find).await.unwrap_or_else(|panic| panic!("{panic}")) })
        .await;
    match found {
        Ok(binary) => Some(binary.clone()),
        Err(error) => panic!("this test needs a mongod: {error}; {WITHOUT}=1 skips such tests"),
    }
}

/// New databases on `count` different standalone servers.
///
/// # Panics
/// When no mongod can be had, or a server does not start.
pub async fn shared_standalones(count: usize) -> Option<Vec<Database>> {
    static SERVERS: Mutex<Vec<Server>> = Mutex::const_new(Vec::new());
    let binary = binary().await?;
    let mut servers = SERVERS.lock().await;
    let missing = count.saturating_sub(servers.len());
    let starts = (0..missing).map(|_| Server::start(&binary, test_options()));
    match try_join_all(starts).await {
        Ok(started) => servers.extend(started),
        Err(error) => panic!("cannot start the shared servers: {error}"),
    }
    Some(servers.iter().take(count).map(|server| Database::new(server.uri(), |name| server.uri_of(name))).collect())
}

/// A new database on a replica set of one member, for transactions and change streams.
///
/// # Panics
/// When no mongod can be had, or the server does not start.
pub async fn shared_replica_set() -> Option<Database> {
    static SET: OnceCell<ReplicaSet> = OnceCell::const_new();
    let binary = binary().await?;
    match SET.get_or_try_init(|| ReplicaSet::start(&binary, "shared", 1, test_options())).await {
        Ok(set) => Some(Database::new(set.uri(), |name| set.uri_of(name))),
        Err(error) => panic!("cannot start the shared replica set: {error}"),
    }
}

/// The options for servers in tests: MongoDB's test commands are allowed.
pub fn test_options() -> Options {
    Options::default().test_commands()
}

fn is_skipped() -> bool {
    let skipped = env::var_os(WITHOUT).is_some_and(|value| value == "1");
    if skipped {
        let thread = std::thread::current();
        shout(&format!("SKIPPED: {}: it needs a mongod, and {WITHOUT}=1 is set", thread.name().unwrap_or("a test")));
    }
    skipped
}

/// Prints a line that is seen: what `eprintln!` prints, the test harness hides when a test passes.
fn shout(line: &str) {
    if let Err(error) = writeln!(io::stderr(), "{line}") {
        panic!("cannot write to standard error: {error}");
    }
}
