//! [`Node`]: a node of the configuration, as the store that its URI chooses.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use oplogsync_core::{
    batch::Batch,
    catalog::Collection,
    checkpoint::{Checkpoint, Resume, Stop},
    command::Action,
    digest::NamespaceDigest,
    doc_id::DocId,
    document::Document,
    documents::{Applied, Documents, Size},
    entry::Entry,
    ids::{LogId, OpId, OwnerId},
    initial_sync::{Note, Piece, SyncTarget},
    lease::{Lease, LeaseName, Leases},
    limits::Limits,
    log::{Acknowledgement, Appended, Log, LogEnds},
    namespace::Namespace,
    position::{Anchor, Position},
    spool::SpoolLog,
    store_error::{Fault, StoreError},
};
use oplogsync_store_fjall::FjallStore;
#[cfg(feature = "mongo")]
use oplogsync_store_mongo::{MongoStore, Scope};
use oplogsync_store_sled::SledStore;
use tokio::sync::OnceCell;

use crate::{
    config::{Address, Durability, Engine, NodeConfig, Role},
    exit::Exit,
    failure::Failure,
};

/// What may be lost with durability `interval`.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// A node, opened when it is first used, and again at the next use if that failed. So a node that is
/// down at start is like one that is down later. Cheap to clone; clones are one node.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    config: Arc<NodeConfig>,
    #[cfg_attr(not(feature = "mongo"), expect(dead_code, reason = "only servers are waited for"))]
    answer_within: Duration,
    store: Arc<OnceCell<Store>>,
}

/// The store, chosen once.
#[derive(Debug)]
enum Store {
    Sled(SledStore),
    Fjall(FjallStore),
    #[cfg(feature = "mongo")]
    Mongo(MongoStore),
}

impl Node {
    /// A node that is not opened yet. A server that does not answer within `answer_within` counts
    /// as unavailable.
    pub(crate) fn new(config: &NodeConfig, answer_within: Duration) -> Self {
        Self { config: Arc::new(config.clone()), answer_within, store: Arc::default() }
    }

    /// Its configuration.
    pub(crate) fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    /// Opens it, unless it is open.
    pub(crate) async fn open(&self) -> Result<(), StoreError> {
        self.store().await.map(drop)
    }

    /// How long it may take to answer.
    #[cfg(feature = "mongo")]
    pub(crate) fn answer_within(&self) -> Duration {
        self.answer_within
    }

    /// Whether it is on a replica set, or behind a mongos.
    pub(crate) async fn is_replicated(&self) -> Result<bool, StoreError> {
        match self.store().await? {
            Store::Sled(_) | Store::Fjall(_) => Ok(false),
            #[cfg(feature = "mongo")]
            Store::Mongo(store) => Ok(store.is_replicated()),
        }
    }

    /// The servers that it is on.
    ///
    /// # Errors
    /// When they cannot be reached, or it is embedded.
    #[cfg(feature = "mongo")]
    pub(crate) async fn mongo(&self) -> Result<MongoStore, StoreError> {
        match self.store().await? {
            Store::Mongo(store) => Ok(store.clone()),
            Store::Sled(_) | Store::Fjall(_) => {
                Err(StoreError::new(self.name(), "open a change stream", Fault::Defect))
            }
        }
    }

    /// Refuses a replica that is the primary. The configuration compares addresses, and a server can have
    /// several.
    ///
    /// # Errors
    /// Also when one of them does not answer.
    pub(crate) async fn must_differ_from(&self, primary: &Self) -> Result<(), Failure> {
        let failed = |error: StoreError| {
            let role = if error.node() == self.name() { Role::Replica } else { Role::Primary };
            Failure::store(error, role)
        };
        if !self.is_same_as(primary).await.map_err(failed)? {
            return Ok(());
        }
        let (name, primary) = (self.name(), primary.name());
        let fix = "a replica needs a database of its own: correct the uri";
        Err(Failure::message(
            Exit::Config,
            format!("{name} is the same database as {primary}, under another address: {fix}"),
        ))
    }

    async fn is_same_as(&self, primary: &Self) -> Result<bool, StoreError> {
        if let (Some(source), Some(own)) = (primary.log_ends().await?, self.log_ends().await?)
            && source.log == own.log
        {
            return Ok(true);
        }
        #[cfg(feature = "mongo")]
        if let (Store::Mongo(source), Store::Mongo(own)) = (primary.store().await?, self.store().await?) {
            return own.is_same_place(source).await;
        }
        Ok(false)
    }

    async fn store(&self) -> Result<&Store, StoreError> {
        // Without its type: whoever awaits it has deep ones of his own, and compilers give up at some depth.
        let open =
            || -> Pin<Box<dyn Future<Output = Result<Store, StoreError>> + Send + '_>> { Box::pin(self.open_store()) };
        self.store.get_or_try_init(open).await
    }

    async fn open_store(&self) -> Result<Store, StoreError> {
        let name = self.config.name.clone();
        match self.config.address.clone() {
            Address::Memory => blocking(&name.clone(), move || SledStore::memory(&name)).await.map(Store::Sled),
            Address::Folder { engine, path, durability } => {
                let options = oplogsync_store_embedded::Options { durability: level(durability) };
                blocking(&name.clone(), move || match engine {
                    Engine::Sled => SledStore::open(path, &name, options).map(Store::Sled),
                    Engine::Fjall => FjallStore::open(path, &name, options).map(Store::Fjall),
                })
                .await
            }
            #[cfg(feature = "mongo")]
            Address::Mongo { uri, scope } => {
                let scope = scope.map_or(Scope::Server, |scope| Scope::Database {
                    logical: scope.logical,
                    physical: scope.physical,
                });
                let options = oplogsync_store_mongo::Options {
                    selection_timeout: self.answer_within,
                    request_timeout: REQUEST_TIMEOUT,
                    ..Default::default()
                };
                MongoStore::connect(uri.expose(), &name, scope, options).await.map(Store::Mongo)
            }
            #[cfg(not(feature = "mongo"))]
            Address::Mongo { .. } => {
                let without = "this build has no MongoDB support: build it with the feature `mongo`";
                Err(StoreError::new(&name, "connect", Fault::Defect).because(without))
            }
        }
    }
}

/// How long one request to a server may take: less than a lease lives without a renewal.
#[cfg(feature = "mongo")]
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

fn level(durability: Durability) -> oplogsync_store_embedded::Durability {
    match durability {
        Durability::Fsync => oplogsync_store_embedded::Durability::Fsync,
        Durability::Interval => oplogsync_store_embedded::Durability::Interval(FLUSH_EVERY),
        Durability::None => oplogsync_store_embedded::Durability::None,
    }
}

/// Recovery after a crash may take a while, so it does not run on a thread that others need.
async fn blocking<T: Send + 'static>(
    node: &str,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|cut_off| Err(StoreError::new(node, "open the store", Fault::Defect).because(cut_off)))
}

/// Calls the chosen store.
macro_rules! on_store {
    ($node:ident, $store:ident => $call:expr) => {
        match $node.store().await? {
            Store::Sled($store) => $call.await,
            Store::Fjall($store) => $call.await,
            #[cfg(feature = "mongo")]
            Store::Mongo($store) => $call.await,
        }
    };
}

/// Calls the chosen store, which is that of a spool.
macro_rules! on_spool {
    ($node:ident, $store:ident => $call:expr) => {
        match $node.store().await? {
            Store::Sled($store) => $call.await,
            Store::Fjall($store) => $call.await,
            #[cfg(feature = "mongo")]
            Store::Mongo(_) => Err(StoreError::new($node.name(), "be a spool", Fault::Defect)),
        }
    };
}

impl Log for Node {
    async fn create_log(&self, log: LogId) -> Result<LogEnds, StoreError> {
        on_store!(self, store => store.create_log(log))
    }

    async fn log_ends(&self) -> Result<Option<LogEnds>, StoreError> {
        on_store!(self, store => store.log_ends())
    }

    async fn append(&self, entries: &[Entry]) -> Result<Appended, StoreError> {
        on_store!(self, store => store.append(entries))
    }

    async fn read(&self, from: u64, limits: Limits) -> Result<Vec<Entry>, StoreError> {
        on_store!(self, store => store.read(from, limits))
    }

    async fn find(&self, op_id: OpId) -> Result<Option<Position>, StoreError> {
        on_store!(self, store => store.find(op_id))
    }

    async fn trim(&self, floor: &Anchor) -> Result<(), StoreError> {
        on_store!(self, store => store.trim(floor))
    }

    async fn acknowledge(&self, acknowledgement: &Acknowledgement) -> Result<(), StoreError> {
        on_store!(self, store => store.acknowledge(acknowledgement))
    }

    async fn appended(&self, index: u64) {
        // Whoever waits has read before, so the node is open.
        match self.store.get() {
            Some(Store::Sled(store)) => store.appended(index).await,
            Some(Store::Fjall(store)) => store.appended(index).await,
            #[cfg(feature = "mongo")]
            Some(Store::Mongo(store)) => store.appended(index).await,
            None => std::future::pending().await,
        }
    }

    async fn acknowledgements(&self) -> Result<Vec<Acknowledgement>, StoreError> {
        on_store!(self, store => store.acknowledgements())
    }
}

impl Documents for Node {
    async fn get(&self, ns: &Namespace, ids: &[DocId]) -> Result<Vec<Option<Document>>, StoreError> {
        on_store!(self, store => store.get(ns, ids))
    }

    async fn scan(&self, ns: &Namespace, after: Option<&DocId>, limits: Limits) -> Result<Vec<Document>, StoreError> {
        on_store!(self, store => store.scan(ns, after, limits))
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, StoreError> {
        on_store!(self, store => store.namespaces())
    }

    async fn collections(&self) -> Result<Vec<Collection>, StoreError> {
        on_store!(self, store => store.collections())
    }

    async fn size(&self, ns: &Namespace) -> Result<Size, StoreError> {
        on_store!(self, store => store.size(ns))
    }

    async fn digest(&self, ns: &Namespace) -> Result<NamespaceDigest, StoreError> {
        on_store!(self, store => store.digest(ns))
    }

    async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        on_store!(self, store => store.checkpoint())
    }

    async fn resume(&self) -> Result<Resume, StoreError> {
        on_store!(self, store => store.resume())
    }

    async fn apply(&self, batch: &Batch, owner: OwnerId) -> Result<Applied, StoreError> {
        on_store!(self, store => store.apply(batch, owner))
    }

    async fn unfinished(&self) -> Result<Option<u64>, StoreError> {
        on_store!(self, store => store.unfinished())
    }

    async fn stop(&self) -> Result<Option<Stop>, StoreError> {
        on_store!(self, store => store.stop())
    }

    async fn set_stop(&self, stop: &Stop) -> Result<(), StoreError> {
        on_store!(self, store => store.set_stop(stop))
    }
}

impl Leases for Node {
    async fn lease(&self, name: LeaseName) -> Result<Option<Lease>, StoreError> {
        on_store!(self, store => store.lease(name))
    }

    async fn swap_lease(
        &self,
        name: LeaseName,
        expected: Option<&Lease>,
        new: Option<&Lease>,
    ) -> Result<bool, StoreError> {
        on_store!(self, store => store.swap_lease(name, expected, new))
    }
}

impl SyncTarget for Node {
    async fn notes(&self) -> Result<Vec<Note>, StoreError> {
        on_store!(self, store => store.notes())
    }

    async fn put_notes(&self, notes: &[Note], owner: OwnerId) -> Result<(), StoreError> {
        on_store!(self, store => store.put_notes(notes, owner))
    }

    async fn wipe(&self, owner: OwnerId) -> Result<(), StoreError> {
        on_store!(self, store => store.wipe(owner))
    }

    async fn run(&self, action: &Action, owner: OwnerId) -> Result<(), StoreError> {
        on_store!(self, store => store.run(action, owner))
    }

    async fn copy(&self, piece: &Piece, note: &Note, owner: OwnerId) -> Result<(), StoreError> {
        on_store!(self, store => store.copy(piece, note, owner))
    }

    async fn mend(
        &self,
        ns: &Namespace,
        id: &DocId,
        document: Option<&Document>,
        owner: OwnerId,
    ) -> Result<(), StoreError> {
        on_store!(self, store => store.mend(ns, id, document, owner))
    }

    async fn begin_at(
        &self,
        checkpoint: Checkpoint,
        resume: &Resume,
        notes: &[Note],
        owner: OwnerId,
    ) -> Result<(), StoreError> {
        on_store!(self, store => store.begin_at(checkpoint, resume, notes, owner))
    }
}

impl SpoolLog for Node {
    async fn captured(&self) -> Result<Option<(Checkpoint, Resume)>, StoreError> {
        on_spool!(self, store => store.captured())
    }

    async fn begin_capture(&self, checkpoint: Checkpoint, resume: &Resume, owner: OwnerId) -> Result<(), StoreError> {
        on_spool!(self, store => store.begin_capture(checkpoint, resume, owner))
    }

    async fn capture(&self, batch: &Batch, owner: OwnerId) -> Result<(), StoreError> {
        on_spool!(self, store => store.capture(batch, owner))
    }
}

/// Waits for `work` no longer than `limit`; a node that takes longer is unavailable.
pub(crate) async fn within<T>(
    node: &Node,
    limit: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let Ok(done) = tokio::time::timeout(limit, work).await else {
        let doing = format!("answer within {}", humantime::format_duration(limit));
        return Err(StoreError::new(node.name(), doing, Fault::Unavailable));
    };
    done
}
