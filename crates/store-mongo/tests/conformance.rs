//! The conformance suite.

use mongodb::Client;
use oplogsync_core::testing::{
    documents::DATABASE,
    suite::{self, StoreBuilder},
};
use oplogsync_mongod::{
    Server,
    testing::{Database, shared_replica_set, shared_standalones, test_options},
};
use oplogsync_store_mongo::{MongoStore, Options, Scope};

use crate::fixture::{NODE, connect};

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Standalone,
    ReplicaSet,
    ReplicaSetWithoutTransactions,
}

struct Builder(Kind);

/// Stores that hold a whole server, one after another.
struct WholeServer(Server);

impl StoreBuilder for WholeServer {
    type Store = MongoStore;
    type Guard = ();

    async fn build(&self) -> ((), MongoStore) {
        let client = Client::with_uri_str(self.0.uri()).await.expect("the server is there");
        for database in client.list_database_names().await.expect("they are listed") {
            if !["admin", "config", "local"].contains(&database.as_str()) {
                client.database(&database).drop().await.expect("it is dropped");
            }
        }
        let store = MongoStore::connect(&self.0.uri(), NODE, Scope::Server, Options::default()).await;
        ((), store.expect("the server takes us"))
    }

    async fn reopen(&self, (): &(), store: MongoStore) -> Option<MongoStore> {
        drop(store);
        let store = MongoStore::connect(&self.0.uri(), NODE, Scope::Server, Options::default()).await;
        Some(store.expect("the server takes us"))
    }

    fn node(&self) -> &str {
        NODE
    }

    fn atomic(&self) -> bool {
        false
    }

    fn other_database(&self) -> Option<&str> {
        Some("elsewhere")
    }
}

impl Builder {
    async fn open(&self, database: &Database) -> MongoStore {
        if self.0 != Kind::ReplicaSetWithoutTransactions {
            return connect(database.server(), database.name()).await;
        }
        let scope = Scope::Database { logical: DATABASE.to_owned(), physical: database.name().to_owned() };
        let options = Options { transactions: false, ..Options::default() };
        MongoStore::connect(database.server(), NODE, scope, options).await.expect("the server takes us")
    }
}

impl StoreBuilder for Builder {
    type Store = MongoStore;
    type Guard = Database;

    async fn build(&self) -> (Database, MongoStore) {
        let database = match self.0 {
            Kind::Standalone => shared_standalones(1).await.expect("servers are there")[0].clone(),
            Kind::ReplicaSet | Kind::ReplicaSetWithoutTransactions => {
                shared_replica_set().await.expect("servers are there")
            }
        };
        let store = self.open(&database).await;
        (database, store)
    }

    async fn reopen(&self, database: &Database, store: MongoStore) -> Option<MongoStore> {
        drop(store);
        Some(self.open(database).await)
    }

    fn node(&self) -> &str {
        NODE
    }

    fn atomic(&self) -> bool {
        self.0 == Kind::ReplicaSet
    }
}

async fn conforms(kind: Kind) {
    if oplogsync_mongod::testing::binary().await.is_some() {
        suite::run(&Builder(kind)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standalone_server_does_what_a_store_owes() {
    conforms(Kind::Standalone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_server_does_what_a_store_owes() {
    let Some(binary) = oplogsync_mongod::testing::binary().await else { return };
    let server = Server::start(&binary, test_options()).await.expect("it starts");
    suite::run(&WholeServer(server)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_set_does_what_a_store_owes() {
    conforms(Kind::ReplicaSet).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_set_without_transactions_does_what_a_store_owes() {
    conforms(Kind::ReplicaSetWithoutTransactions).await;
}
