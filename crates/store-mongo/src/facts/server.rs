//! [`ServerFacts`]: what a server is, and the identity of its set.

use std::fmt;

use bson::{Bson, Document, oid::ObjectId, rawdoc};
use oplogsync_core::store_error::StoreError;

use super::malformed;
use crate::{
    error::{Access, Failure},
    server,
    store::MongoStore,
};

/// What a server is. Everybody who is logged in may know that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// Which MongoDB it is.
    pub version: ServerVersion,
    /// To what it belongs.
    pub topology: Topology,
}

/// The version of a server; later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerVersion {
    /// 6 in 6.0.5.
    pub major: u32,
    /// 0 in 6.0.5.
    pub minor: u32,
    /// 5 in 6.0.5.
    pub patch: u32,
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// What a server belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topology {
    /// A server on its own: it has no transactions and no change streams.
    Standalone,
    /// A replica set, of one member or more.
    ReplicaSet {
        /// Its name.
        name: String,
        /// `host:port` of its members, arbiters too. Hidden ones are not told.
        members: Vec<String>,
    },
    /// The router of a sharded cluster.
    Mongos,
}

impl MongoStore {
    /// Which version the server has, and to what it belongs.
    ///
    /// # Errors
    /// [`StoreError`] when it does not answer.
    pub async fn server_facts(&self) -> Result<ServerFacts, StoreError> {
        self.read_server_facts().await.map_err(|failure| self.store_error("ask the server what it is", failure))
    }

    /// The identity of the replica set, which its name is not: a set that was made anew has another
    /// one. `None` where there is no set, and behind a mongos.
    ///
    /// # Errors
    /// [`Fault::Denied`](oplogsync_core::store_error::Fault::Denied) without the action
    /// `replSetGetConfig` on the cluster.
    pub async fn set_id(&self) -> Result<Option<ObjectId>, StoreError> {
        self.read_set_id().await.map_err(|failure| self.store_error("read the identity of the replica set", failure))
    }

    async fn read_server_facts(&self) -> Result<ServerFacts, Failure> {
        let build = self.run("admin", rawdoc! { "buildInfo": 1 }, Access::Read, None).await?;
        let hello = self.hello().await?;
        let version = version(&build).ok_or_else(|| malformed("buildInfo has no version"))?;
        Ok(ServerFacts { version, topology: self.topology(&hello) })
    }

    /// The greeting, as in the beginning.
    pub(crate) async fn hello(&self) -> Result<Document, Failure> {
        match self.run("admin", rawdoc! { "hello": 1 }, Access::Read, None).await {
            // Before 4.4.2 a server knows the greeting by its old name only.
            Err(failure) if failure.code == Some(59) => {
                self.run("admin", rawdoc! { "isMaster": 1 }, Access::Read, None).await
            }
            hello => hello,
        }
    }

    fn topology(&self, hello: &Document) -> Topology {
        match self.inner.server.topology {
            server::Topology::Standalone => Topology::Standalone,
            server::Topology::Mongos => Topology::Mongos,
            server::Topology::ReplicaSet => Topology::ReplicaSet {
                name: hello.get_str("setName").unwrap_or_default().to_owned(),
                members: ["hosts", "passives", "arbiters"].iter().flat_map(|kind| names(hello, kind)).collect(),
            },
        }
    }

    pub(crate) async fn read_set_id(&self) -> Result<Option<ObjectId>, Failure> {
        if self.inner.server.topology != server::Topology::ReplicaSet {
            return Ok(None);
        }
        let reply = self.run("admin", rawdoc! { "replSetGetConfig": 1 }, Access::Read, None).await;
        let reply = reply.map_err(|failure| failure.needing("replSetGetConfig on { cluster: true }"))?;
        let settings = reply.get_document("config").and_then(|config| config.get_document("settings"));
        let id = settings.and_then(|settings| settings.get_object_id("replicaSetId"));
        id.map(Some).map_err(|_| malformed("replSetGetConfig has no replicaSetId"))
    }
}

pub(crate) fn version(build: &Document) -> Option<ServerVersion> {
    let parts = build.get_array("versionArray").ok()?;
    let part = |index: usize| match parts.get(index)? {
        Bson::Int32(n) => u32::try_from(*n).ok(),
        _ => None,
    };
    Some(ServerVersion { major: part(0)?, minor: part(1)?, patch: part(2)? })
}

fn names(hello: &Document, kind: &str) -> Vec<String> {
    let names = hello.get_array(kind).map_or(&[][..], Vec::as_slice);
    names.iter().filter_map(Bson::as_str).map(str::to_owned).collect()
}
