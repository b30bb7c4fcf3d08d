//! [`MongoStore`]: the store on one deployment of MongoDB servers.

use std::sync::{Arc, atomic::AtomicU64};

use bson::{RawDocumentBuf, oid::ObjectId, rawdoc};
use mongodb::{Client, ClientSession, options::SelectionCriteria};
use oplogsync_core::{
    namespace::Namespace,
    store_error::{Fault, StoreError},
};

use tokio::sync::Mutex;

use crate::{
    error::{Access, Failure},
    log::appended::News,
    options::Options,
    scope::{Place, Scope},
    server::Server,
};

/// A node on MongoDB: its log, its documents and its leases. Cheap to clone.
#[derive(Clone)]
pub struct MongoStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) client: Client,
    pub(crate) copy_selection: Option<SelectionCriteria>,
    pub(crate) node: Box<str>,
    pub(crate) scope: Scope,
    pub(crate) options: Options,
    pub(crate) server: Server,
    /// Up to which index entries of the log are known to be in the server's journal.
    pub(crate) journaled: AtomicU64,
    pub(crate) news: News,
    /// The session of the transactions, while none is under way.
    pub(crate) session: Mutex<Option<ClientSession>>,
}

impl MongoStore {
    /// The node's name.
    pub fn node(&self) -> &str {
        &self.inner.node
    }

    /// The driver's client, for what this store does not offer.
    pub fn client(&self) -> &Client {
        &self.inner.client
    }

    /// The read preference of the URI, if it has one: for the reads of an initial copy, and for nothing
    /// else. All other requests go to the primary.
    pub fn copy_selection(&self) -> Option<SelectionCriteria> {
        self.inner.copy_selection.clone()
    }

    /// Whether it is a replica set, or behind a mongos: it has transactions and change streams.
    pub fn is_replicated(&self) -> bool {
        self.inner.server.is_replicated()
    }

    /// Whether the documents of a batch and the checkpoint are written as one transaction.
    pub fn is_transactional(&self) -> bool {
        self.inner.options.transactions && self.inner.server.is_replicated()
    }

    /// Whether what one of the two writes the other shows: they are the same database, or the same whole server,
    /// perhaps under different addresses. Compares the running processes that answer, for which no privilege is
    /// needed; behind two routers of one cluster it cannot tell.
    ///
    /// # Errors
    /// When one of them does not answer.
    pub async fn is_same_place(&self, other: &Self) -> Result<bool, StoreError> {
        // Database names that differ only in case are one database to MongoDB.
        let database = |store: &Self| store.inner.scope.only_database().map(str::to_ascii_lowercase);
        if database(self) != database(other) {
            return Ok(false);
        }
        Ok(self.process_id().await? == other.process_id().await?)
    }

    /// Of the server that takes the writes.
    async fn process_id(&self) -> Result<ObjectId, StoreError> {
        let hello = self.run("admin", rawdoc! { "hello": 1 }, Access::Read, None).await;
        let id = hello.and_then(|hello| {
            let version = hello.get_document("topologyVersion");
            let id = version.and_then(|version| version.get_object_id("processId"));
            id.map_err(|error| Failure::new(Fault::Unexpected).because(error))
        });
        id.map_err(|failure| self.store_error("read which process it is", failure))
    }

    pub(crate) fn store_error(&self, doing: impl Into<Box<str>>, failure: Failure) -> StoreError {
        failure.into_store_error(&self.inner.node, doing)
    }

    /// Our own collection with this name.
    pub(crate) fn own(&self, name: &str) -> Place {
        self.inner.scope.own(name)
    }

    /// Where a namespace of the log is stored.
    pub(crate) fn place(&self, ns: &Namespace) -> Result<Place, Failure> {
        self.inner.scope.place(ns).ok_or_else(|| Failure::new(Fault::Outside { ns: ns.clone() }))
    }

    /// What a write waits for: the journal, and on a replica set a majority.
    pub(crate) fn write_concern(&self) -> RawDocumentBuf {
        let journal = self.inner.options.journal;
        if self.inner.server.is_replicated() {
            rawdoc! { "w": "majority", "j": journal }
        } else {
            rawdoc! { "w": 1, "j": journal }
        }
    }

    /// What a read may see: on a replica set only what no fail-over can take back.
    pub(crate) fn read_concern(&self) -> RawDocumentBuf {
        if self.inner.server.is_replicated() {
            rawdoc! { "level": "majority" }
        } else {
            rawdoc! { "level": "local" }
        }
    }
}

impl std::fmt::Debug for MongoStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MongoStore")
            .field("node", &self.inner.node)
            .field("scope", &self.inner.scope)
            .finish_non_exhaustive()
    }
}
