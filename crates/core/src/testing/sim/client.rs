//! [`SimStore`]: a node as one process sees it, through the network.

use std::{future::Future, sync::Arc};

use super::{
    network::{Access, Message},
    node::{Change, Place},
    process::{Node, Process},
    server::{Server, documents_at},
    world::Sim,
};
use crate::{
    batch::Batch,
    catalog::Collection,
    checkpoint::{Checkpoint, Resume, Stop},
    digest::NamespaceDigest,
    doc_id::DocId,
    document::Document,
    documents::{Applied, Documents, Size},
    entry::Entry,
    ids::{LogId, OpId, OwnerId},
    lease::{Lease, LeaseName, Leases},
    limits::Limits,
    log::{Acknowledgement, Appended, Log, LogEnds},
    namespace::Namespace,
    position::{Anchor, Position},
    store_error::{Fault, StoreError},
};

/// A node as one process sees it.
#[derive(Debug, Clone)]
pub(super) struct SimStore {
    sim: Sim,
    process: Process,
    node: Node,
}

impl SimStore {
    pub(super) fn new(sim: &Sim, process: Process, node: Node) -> Self {
        Self { sim: sim.clone(), process, node }
    }

    pub(super) fn sim(&self) -> &Sim {
        &self.sim
    }

    pub(super) fn is_atomic(&self) -> bool {
        self.sim.world().node(self.node).is_atomic
    }

    /// Sends a request.
    pub(super) async fn request<T, F>(
        &self,
        access: Access,
        doing: &'static str,
        serve: impl Fn(Server) -> F + Send + Sync + 'static,
    ) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let message = Message { process: self.process, node: self.node, access, doing };
        self.sim.request(message, serve).await
    }

    async fn call<T, F>(
        &self,
        access: Access,
        doing: &'static str,
        serve: impl Fn(Server) -> F + Send + Sync + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        self.request(access, doing, serve).await.map_err(|fault| self.error(doing, fault))
    }

    pub(super) fn error(&self, doing: &'static str, fault: Fault) -> StoreError {
        StoreError::new(self.node.name(), doing, fault)
    }
}

impl Log for SimStore {
    async fn create_log(&self, log: LogId) -> Result<LogEnds, StoreError> {
        self.call(Access::Write, "create the log", move |server| server.create_log(log)).await
    }

    async fn log_ends(&self) -> Result<Option<LogEnds>, StoreError> {
        self.call(Access::Read, "read the ends of the log", Server::log_ends).await
    }

    async fn append(&self, entries: &[Entry]) -> Result<Appended, StoreError> {
        let entries: Arc<[Entry]> = entries.into();
        self.call(Access::Write, "append", move |server| server.append(Arc::clone(&entries))).await
    }

    async fn read(&self, from: u64, limits: Limits) -> Result<Vec<Entry>, StoreError> {
        self.call(Access::Read, "read the log", move |server| server.read(from, limits)).await
    }

    async fn find(&self, op_id: OpId) -> Result<Option<Position>, StoreError> {
        self.call(Access::Read, "look for an operation", move |server| server.find(op_id)).await
    }

    async fn trim(&self, floor: &Anchor) -> Result<(), StoreError> {
        let floor = *floor;
        self.sim.world().note_floor(floor.position.index);
        self.call(Access::Write, "trim the log", move |server| server.trim(floor)).await
    }

    async fn acknowledge(&self, acknowledgement: &Acknowledgement) -> Result<(), StoreError> {
        let Acknowledgement { replica, at } = acknowledgement.clone();
        let serve = move |server: Server| server.put(Change::Acknowledge(replica.clone(), at));
        self.call(Access::Write, "remember progress", serve).await
    }

    async fn appended(&self, _index: u64) {
        std::future::pending::<()>().await;
    }

    async fn acknowledgements(&self) -> Result<Vec<Acknowledgement>, StoreError> {
        let serve = |server: Server| {
            server.view(|state| {
                let all = state.acknowledgements.iter();
                all.map(|(replica, at)| Acknowledgement { replica: replica.clone(), at: *at }).collect()
            })
        };
        self.call(Access::Read, "read progress", serve).await
    }
}

impl Documents for SimStore {
    async fn get(&self, ns: &Namespace, ids: &[DocId]) -> Result<Vec<Option<Document>>, StoreError> {
        let places: Arc<[Place]> = ids.iter().map(|id| (ns.clone(), id.clone())).collect();
        let serve = move |server: Server| {
            let places = Arc::clone(&places);
            server.view(move |state| documents_at(state, &places).map(Option::<&Document>::cloned).collect())
        };
        self.call(Access::Read, "read documents", serve).await
    }

    async fn scan(&self, ns: &Namespace, after: Option<&DocId>, limits: Limits) -> Result<Vec<Document>, StoreError> {
        let (ns, after) = (ns.clone(), after.cloned());
        let serve = move |server: Server| {
            let (ns, after) = (ns.clone(), after.clone());
            server.view(move |state| {
                let all = state.documents.iter().filter(|((at, _), _)| *at == ns);
                let rest = all.filter(|((_, id), _)| after.as_ref().is_none_or(|after| id > after));
                rest.map(|(_, document)| document.clone()).take(limits.entries_max.max(1)).collect()
            })
        };
        self.call(Access::Read, "scan", serve).await
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, StoreError> {
        let serve = |server: Server| {
            server.view(|state| {
                let mut all: Vec<Namespace> = state.documents.keys().map(|(ns, _)| ns.clone()).collect();
                all.dedup();
                all
            })
        };
        self.call(Access::Read, "list namespaces", serve).await
    }

    async fn collections(&self) -> Result<Vec<Collection>, StoreError> {
        Ok(self.namespaces().await?.into_iter().map(Collection::plain).collect())
    }

    async fn size(&self, ns: &Namespace) -> Result<Size, StoreError> {
        Ok(Size { documents: self.digest(ns).await?.count, bytes: 0 })
    }

    async fn digest(&self, ns: &Namespace) -> Result<NamespaceDigest, StoreError> {
        let mut digest = NamespaceDigest::default();
        for document in self.scan(ns, None, Limits { entries_max: usize::MAX, bytes_max: usize::MAX }).await? {
            digest.add(&document);
        }
        Ok(digest)
    }

    async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        self.call(Access::Read, "read its checkpoint", |server| server.view(|state| state.checkpoint)).await
    }

    async fn resume(&self) -> Result<Resume, StoreError> {
        Ok(Resume::default())
    }

    async fn apply(&self, batch: &Batch, owner: OwnerId) -> Result<Applied, StoreError> {
        self.apply_batch(batch, owner).await.map_err(|fault| self.error("apply", fault))
    }

    async fn unfinished(&self) -> Result<Option<u64>, StoreError> {
        self.call(Access::Read, "read what is unfinished", |server| server.view(|state| state.window)).await
    }

    async fn stop(&self) -> Result<Option<Stop>, StoreError> {
        self.call(Access::Read, "read why it has stopped", |server| server.view(|state| state.stop.clone())).await
    }

    async fn set_stop(&self, stop: &Stop) -> Result<(), StoreError> {
        let stop = stop.clone();
        let serve = move |server: Server| server.put(Change::Stop(Some(stop.clone())));
        self.call(Access::Write, "note why it has stopped", serve).await
    }
}

impl Leases for SimStore {
    async fn lease(&self, name: LeaseName) -> Result<Option<Lease>, StoreError> {
        let serve = move |server: Server| server.view(move |state| state.leases.get(&name).cloned());
        self.call(Access::Read, "read a lease", serve).await
    }

    async fn swap_lease(
        &self,
        name: LeaseName,
        expected: Option<&Lease>,
        new: Option<&Lease>,
    ) -> Result<bool, StoreError> {
        let (expected, new) = (expected.cloned(), new.cloned());
        let serve = move |server: Server| server.swap_lease(name, expected.clone(), new.clone());
        self.call(Access::Write, "change a lease", serve).await
    }
}
