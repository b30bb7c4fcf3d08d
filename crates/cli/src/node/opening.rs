//! How a node is opened.

use std::time::Duration;

use oplogsync_core::store_error::{Fault, StoreError};
use oplogsync_store_fjall::FjallStore;
#[cfg(feature = "mongo")]
use oplogsync_store_mongo::{MongoStore, Scope};
use oplogsync_store_sled::SledStore;

use super::{Node, Store};
use crate::config::{Address, Durability, Engine};

/// What may be lost with durability `interval`.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// How long one request to a server may take: less than a lease lives without a renewal.
#[cfg(feature = "mongo")]
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

impl Node {
    /// The store that its address chooses.
    pub(super) async fn open_store(&self) -> Result<Store, StoreError> {
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
