//! Real servers for the benchmarks of a part.

use std::time::Duration;

use oplogsync_core::store_error::StoreError;
use oplogsync_mongod::testing::{Database, shared_replica_set, shared_standalones};
use oplogsync_store_mongo::{MongoStore, Options, Scope};
use tokio::runtime::Runtime;

/// A standalone server and a replica set of one member, and new databases on them.
#[derive(Debug)]
pub struct Servers {
    standalone: Database,
    set: Database,
    opened: u64,
}

impl Servers {
    /// The two; `None` where servers are skipped.
    pub async fn start() -> Option<Self> {
        let standalone = shared_standalones(1).await?.pop()?;
        Some(Self { standalone, set: shared_replica_set().await?, opened: 0 })
    }

    /// A new database of the standalone server, or of the set.
    ///
    /// # Panics
    /// When the server does not take us.
    #[expect(clippy::expect_used, reason = "a benchmark that cannot begin ends")]
    pub fn open(&mut self, runtime: &Runtime, is_set: bool) -> MongoStore {
        let database = if is_set { &self.set } else { &self.standalone };
        self.opened += 1;
        let name = format!("{}_{}", database.name(), self.opened);
        runtime.block_on(node(database.server(), &name)).expect("the server takes us")
    }
}

/// A node whose documents are in one database of a server.
///
/// # Errors
/// When the server does not take us.
pub async fn node(uri: &str, database: &str) -> Result<MongoStore, StoreError> {
    let options = Options { request_timeout: Duration::from_secs(60), ..Options::default() };
    let scope = Scope::Database { logical: "shop".to_owned(), physical: database.to_owned() };
    MongoStore::connect(uri, database, scope, options).await
}
