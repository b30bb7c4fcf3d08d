//! Stores on servers for tests.

use std::{
    collections::HashMap,
    env,
    time::{Duration, SystemTime},
};

use bson::{Document as BsonDocument, RawDocumentBuf};
use mongodb::Collection;
use oplogsync_core::{
    batch::Batch,
    catch_up::{CatchUp, Clock, Moment},
    checkpoint::Checkpoint,
    command::Action,
    doc_id::DocId,
    documents::{Applied, Documents},
    ids::OwnerId,
    lease::{Lease, LeaseName, Leases},
    limits::Limits,
    store_error::StoreError,
    testing::{
        chain::{Chain, valid},
        documents::{DATABASE, namespace},
        random::Random,
    },
    view::View,
};
use oplogsync_mongod::testing::{Database, shared_replica_set, shared_standalones};
use oplogsync_store_mongo::{MongoStore, Options, Scope};

pub(crate) const NODE: &str = "db1";

/// A store in a database of its own, and what a test needs to look behind it.
pub(crate) struct Fixture {
    pub(crate) store: MongoStore,
    pub(crate) server: String,
    pub(crate) database: String,
}

pub(crate) fn owner() -> OwnerId {
    OwnerId::from_bytes([7; 16])
}

pub(crate) async fn connect(uri: &str, physical: &str) -> MongoStore {
    let scope = Scope::Database { logical: DATABASE.to_owned(), physical: physical.to_owned() };
    // Patient, because tests share few cores.
    let options = Options { request_timeout: Duration::from_secs(30), ..Options::default() };
    MongoStore::connect(uri, NODE, scope, options).await.expect("the server takes us")
}

/// The same, but a request may take no longer than a second.
pub(crate) async fn connect_impatient(uri: &str, physical: &str) -> MongoStore {
    let scope = Scope::Database { logical: DATABASE.to_owned(), physical: physical.to_owned() };
    let second = Duration::from_secs(1);
    let options = Options { request_timeout: second, selection_timeout: second, ..Options::default() };
    MongoStore::connect(uri, NODE, scope, options).await.expect("the server takes us")
}

impl Fixture {
    pub(crate) async fn new(uri: &str, database: &str) -> Self {
        let store = connect(uri, database).await;
        lease(&store).await;
        Self { store, server: uri.to_owned(), database: database.to_owned() }
    }

    async fn on(database: &Database) -> Self {
        Self::new(database.server(), database.name()).await
    }

    /// On a standalone server, and on a replica set; none where servers are skipped.
    pub(crate) async fn both() -> Vec<Self> {
        let (Some(standalones), Some(set)) = (shared_standalones(1).await, shared_replica_set().await) else {
            return Vec::new();
        };
        vec![Self::on(&standalones[0]).await, Self::on(&set).await]
    }

    /// A collection as another client sees it.
    pub(crate) fn collection(&self, name: &str) -> Collection<BsonDocument> {
        self.store.client().database(&self.database).collection(name)
    }

    pub(crate) fn raw_collection(&self, name: &str) -> Collection<RawDocumentBuf> {
        self.store.client().database(&self.database).collection(name)
    }

    pub(crate) async fn apply(&self, batch: &Batch) -> Result<Applied, StoreError> {
        self.store.apply(batch, owner()).await
    }

    pub(crate) async fn checkpoint(&self) -> Option<Checkpoint> {
        self.store.checkpoint().await.expect("the checkpoint is read")
    }

    /// All documents of the collection `items`, as bytes.
    pub(crate) async fn items(&self) -> Vec<Vec<u8>> {
        let limits = Limits { entries_max: 100_000, bytes_max: usize::MAX };
        let found = self.store.scan(&namespace("items"), None, limits).await.expect("the documents are read");
        found.iter().map(|document| document.as_bytes().to_vec()).collect()
    }
}

/// Seals a change of a part of a document of `items`.
pub(crate) fn patch(chain: &mut Chain, id: DocId, diff: RawDocumentBuf) {
    chain.patch(&namespace("items"), id, diff);
}

/// Seals a command, alone in its batch.
pub(crate) fn command(chain: &mut Chain, action: Action) -> Batch {
    chain.command(action).take_batch()
}

/// The batch as a target sees it that replays it: whatever it finds, documents become what they became.
pub(crate) fn replayed(batch: Batch) -> Batch {
    let (until, listed) = (Moment::of_index(u64::MAX), Moment::default());
    let clock = Clock::Index;
    let catch_up = CatchUp { clock, until, listed_at: listed, listed_until: listed, collections: HashMap::new() };
    batch.seen(View::whole().catching_up(Some(catch_up.into())))
}

/// These documents, as bytes.
pub(crate) fn bytes(documents: impl IntoIterator<Item = RawDocumentBuf>) -> Vec<Vec<u8>> {
    documents.into_iter().map(|raw| valid(raw).as_bytes().to_vec()).collect()
}

pub(crate) async fn lease(store: &MongoStore) {
    let lease = Lease { owner: owner(), holder: "a test".to_owned(), beat: 0 };
    let held = store.lease(LeaseName::Documents).await.expect("the lease is read");
    if held.is_none() {
        assert!(store.swap_lease(LeaseName::Documents, None, Some(&lease)).await.expect("the lease is taken"));
    }
}

/// The words of an error and all its causes.
pub(crate) fn words(error: &StoreError) -> String {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}

/// The randomness of a test, and how to get it again.
pub(crate) fn seeded(test: &str) -> Random {
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970").as_secs();
    let seed =
        env::var("OPLOGSYNC_SEED").map_or_else(|_| now(), |seed| seed.parse().expect("OPLOGSYNC_SEED is a number"));
    eprintln!("replay with: OPLOGSYNC_SEED={seed} cargo test -p oplogsync-store-mongo --test main {test}");
    Random::new(seed)
}
