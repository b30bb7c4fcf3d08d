//! [`Node`]: a node of the configuration, as the store that its URI chooses.

mod documents;
mod log;
mod opening;
mod spool;
mod sync_target;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use oplogsync_core::{
    log::Log,
    store_error::{Fault, StoreError},
};
use oplogsync_store_fjall::FjallStore;
#[cfg(feature = "mongo")]
use oplogsync_store_mongo::MongoStore;
use oplogsync_store_sled::SledStore;
use tokio::sync::OnceCell;

use crate::{
    config::{NodeConfig, Role},
    exit::Exit,
    failure::Failure,
};

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
use on_store;

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
