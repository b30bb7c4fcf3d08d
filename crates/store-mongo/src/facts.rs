//! [`Facts`]: what can be known of a node before it is used. Reads only, and nothing else depends on it.
//!
//! Each fact is asked for on its own, so that one which the user may not know hides no other; the
//! error then names the privilege that he lacks.

mod clock;
mod collections;
mod disk;
mod login;
mod oplog;
mod server;
mod size;

use bson::{Bson, oid::ObjectId};
use oplogsync_core::store_error::{Fault, StoreError};

pub(crate) use self::server::version;
pub use self::{
    clock::ClockSkew,
    collections::{Capped, CollectionFacts, CollectionKind, DatabaseFacts, IndexFacts},
    disk::DiskSpace,
    login::{Login, Resource},
    oplog::OplogWindow,
    server::{ServerFacts, ServerVersion, Topology},
    size::CollectionSize,
};
use crate::{error::Failure, store::MongoStore};

/// All facts of a node, each as far as it could be had.
#[derive(Debug)]
pub struct Facts {
    /// [`MongoStore::server_facts`].
    pub server: Result<ServerFacts, StoreError>,
    /// [`MongoStore::clock_skew`].
    pub clock: Result<ClockSkew, StoreError>,
    /// [`MongoStore::login`].
    pub login: Result<Login, StoreError>,
    /// [`MongoStore::set_id`].
    pub set_id: Result<Option<ObjectId>, StoreError>,
    /// [`MongoStore::oplog_window`].
    pub oplog: Result<Option<OplogWindow>, StoreError>,
    /// [`MongoStore::disk_space`].
    pub disk: Result<Option<DiskSpace>, StoreError>,
    /// [`MongoStore::database_facts`].
    pub databases: Result<Vec<DatabaseFacts>, StoreError>,
}

impl MongoStore {
    /// Asks for everything, one after the other.
    pub async fn facts(&self) -> Facts {
        Facts {
            server: self.server_facts().await,
            clock: self.clock_skew().await,
            login: self.login().await,
            set_id: self.set_id().await,
            oplog: self.oplog_window().await,
            disk: self.disk_space().await,
            databases: self.database_facts().await,
        }
    }
}

/// A reply that lacks something is none that is known.
fn malformed(what: &str) -> Failure {
    Failure::said(Fault::Unexpected, format!("the server's reply has an unknown form: {what}"))
}

/// A size or a count. Servers write them as whatever number they like.
fn whole(value: Option<&Bson>) -> Option<u64> {
    match value? {
        Bson::Int32(n) => u64::try_from(*n).ok(),
        Bson::Int64(n) => u64::try_from(*n).ok(),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes are whole, and fit")]
        Bson::Double(n) if *n >= 0.0 => Some(*n as u64),
        _ => None,
    }
}
