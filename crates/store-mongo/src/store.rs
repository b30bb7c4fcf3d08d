//! [`MongoStore`]: the store on one deployment of MongoDB servers.

use std::sync::{Arc, atomic::AtomicU64};

use bson::{RawDocumentBuf, rawdoc};
use mongodb::Client;
use oplogsync_core::{
    namespace::Namespace,
    store_error::{Fault, StoreError},
};

use crate::{
    error::Failure,
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
    pub(crate) node: Box<str>,
    pub(crate) scope: Scope,
    pub(crate) options: Options,
    pub(crate) server: Server,
    /// Up to which index entries of the log are known to be in the server's journal.
    pub(crate) journaled: AtomicU64,
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

    /// Whether the documents of a batch and the checkpoint are written as one transaction.
    pub fn is_transactional(&self) -> bool {
        self.inner.options.transactions && self.inner.server.is_replicated()
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
