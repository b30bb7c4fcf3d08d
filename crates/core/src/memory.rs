//! [`MemoryStore`]: the reference store, kept as simple as it can be: the executable
//! specification of all traits of stores that the real ones are compared with.

mod catalog;
mod copy;
mod log;
mod spool;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bson::RawDocumentBuf;
use tokio::sync::Notify;

use self::log::MemoryLog;
use crate::{
    apply::Existence,
    batch::{Batch, Change},
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

/// A store that lives as long as its last handle. Clones share it.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    node: Arc<str>,
    state: Arc<Mutex<State>>,
    appended: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    log: Option<MemoryLog>,
    /// What stands beside the log's head if the log is a copy of another one.
    captured: Option<Resume>,
    acknowledgements: BTreeMap<String, Anchor>,
    collections: BTreeMap<Namespace, BTreeMap<DocId, Document>>,
    catalog: BTreeMap<Namespace, Collection>,
    checkpoint: Option<Checkpoint>,
    resume: Resume,
    notes: BTreeMap<String, RawDocumentBuf>,
    stop: Option<Stop>,
    leases: BTreeMap<LeaseName, Lease>,
}

impl MemoryStore {
    /// An empty store; its errors name `node`.
    pub fn new(node: &str) -> Self {
        Self { node: node.into(), state: Arc::default(), appended: Arc::default() }
    }

    /// No method panics while it holds the lock, so that there is nothing to be poisoned.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, doing: impl Into<Box<str>>, fault: Fault) -> StoreError {
        StoreError::new(&self.node, doing, fault)
    }
}

/// What somebody else does to a store beside oplogsync.
#[cfg(feature = "testing")]
impl MemoryStore {
    /// Writes a document that no entry accounts for.
    pub fn put_foreign_document(&self, ns: &Namespace, document: Document) {
        self.state().put(ns, document.id(), Some(document));
    }

    /// Deletes a document although no entry says so.
    pub fn delete_foreign_document(&self, ns: &Namespace, id: &DocId) {
        self.state().put(ns, id.clone(), None);
    }

    /// Replaces what stands at an index of the log, or removes it.
    pub fn tamper_with_entry(&self, index: u64, entry: Option<Entry>) {
        if let Some(log) = &mut self.state().log {
            log.tamper(index, entry);
        }
    }
}

impl Log for MemoryStore {
    async fn create_log(&self, log: LogId) -> Result<LogEnds, StoreError> {
        let mut state = self.state();
        state.refuse_captured().map_err(|fault| self.error(format!("create the log {log}"), fault))?;
        Ok(state.log.get_or_insert_with(|| MemoryLog::new(log, Entry::origin(log))).ends())
    }

    async fn log_ends(&self) -> Result<Option<LogEnds>, StoreError> {
        Ok(self.state().log.as_ref().map(MemoryLog::ends))
    }

    async fn append(&self, entries: &[Entry]) -> Result<Appended, StoreError> {
        let mut state = self.state();
        state.refuse_captured().map_err(|fault| self.error("append to the log", fault))?;
        let appended = match &mut state.log {
            Some(log) => Ok(log.append(entries)),
            None => Err(self.error("append to a log that was not created", Fault::Defect)),
        };
        self.appended.notify_waiters();
        appended
    }

    async fn appended(&self, index: u64) {
        // Listening before looking, so that nothing comes in between.
        let appended = self.appended.notified();
        let head = self.state().log.as_ref().map_or(0, |log| log.ends().head.position.index);
        if head <= index {
            appended.await;
        }
    }

    async fn read(&self, from: u64, limits: Limits) -> Result<Vec<Entry>, StoreError> {
        Ok(self.state().log.as_ref().map(|log| log.read(from, limits)).unwrap_or_default())
    }

    async fn find(&self, op_id: OpId) -> Result<Option<Position>, StoreError> {
        Ok(self.state().log.as_ref().and_then(|log| log.find(op_id)))
    }

    async fn trim(&self, floor: &Anchor) -> Result<(), StoreError> {
        let trimmed = self.state().log.as_mut().is_some_and(|log| log.trim(floor));
        let defect = || self.error(format!("trim the log up to {}", floor.position), Fault::Defect);
        if trimmed { Ok(()) } else { Err(defect()) }
    }

    async fn acknowledge(&self, acknowledgement: &Acknowledgement) -> Result<(), StoreError> {
        let Acknowledgement { replica, at } = acknowledgement.clone();
        self.state().acknowledgements.insert(replica, at);
        Ok(())
    }

    async fn acknowledgements(&self) -> Result<Vec<Acknowledgement>, StoreError> {
        let state = self.state();
        let all = state.acknowledgements.iter();
        Ok(all.map(|(replica, at)| Acknowledgement { replica: replica.clone(), at: *at }).collect())
    }
}

impl Documents for MemoryStore {
    async fn get(&self, ns: &Namespace, ids: &[DocId]) -> Result<Vec<Option<Document>>, StoreError> {
        let state = self.state();
        Ok(ids.iter().map(|id| state.document(ns, id).cloned()).collect())
    }

    async fn scan(&self, ns: &Namespace, after: Option<&DocId>, limits: Limits) -> Result<Vec<Document>, StoreError> {
        let state = self.state();
        let all = state.collections.get(ns).into_iter().flatten();
        let rest = all.filter(|(id, _)| after.is_none_or(|after| *id > after)).map(|(_, document)| document);
        Ok(limited(rest, limits, |document| document.as_bytes().len()))
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, StoreError> {
        Ok(self.state().collections.keys().cloned().collect())
    }

    async fn collections(&self) -> Result<Vec<Collection>, StoreError> {
        Ok(self.state().catalog.values().cloned().collect())
    }

    async fn size(&self, ns: &Namespace) -> Result<Size, StoreError> {
        let mut size = Size::default();
        for document in self.state().collections.get(ns).into_iter().flat_map(BTreeMap::values) {
            size.documents += 1;
            size.bytes += document.as_bytes().len() as u64;
        }
        Ok(size)
    }

    async fn digest(&self, ns: &Namespace) -> Result<NamespaceDigest, StoreError> {
        let mut digest = NamespaceDigest::default();
        for document in self.state().collections.get(ns).into_iter().flat_map(BTreeMap::values) {
            digest.add(document);
        }
        Ok(digest)
    }

    async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        Ok(self.state().checkpoint)
    }

    async fn resume(&self) -> Result<Resume, StoreError> {
        Ok(self.state().resume.clone())
    }

    async fn apply(&self, batch: &Batch, owner: OwnerId) -> Result<Applied, StoreError> {
        let range = format!("apply entries {}..={}", batch.after().next_index(), batch.last().position.index);
        let error = |fault| self.error(range.as_str(), fault);
        let mut changes = batch.fold().map_err(|found| error(Fault::from(&found)).because(found))?;
        let mut state = self.state();
        state.check_checkpoint(batch).map_err(error)?;
        state.check_owner(LeaseName::Documents, owner).map_err(error)?;
        state.check_drift(&changes).map_err(error)?;
        state.check_views(&changes).map_err(error)?;
        for change in &mut changes {
            let current = state.document(&change.ns, &change.id);
            change.resolve(current).map_err(|unfit| error(Fault::from(&unfit)).because(unfit))?;
        }
        let applied = Applied { changed: changes.len() as u64, repeated: 0 };
        for change in changes {
            state.put(&change.ns, change.id, change.after);
        }
        if let Some(action) = batch.command() {
            state.run(&action).map_err(error)?;
        }
        state.checkpoint = Some(Checkpoint { log: batch.log(), anchor: batch.last() });
        state.resume = batch.resume();
        state.stop = None;
        Ok(applied)
    }

    async fn unfinished(&self) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }

    async fn stop(&self) -> Result<Option<Stop>, StoreError> {
        Ok(self.state().stop.clone())
    }

    async fn set_stop(&self, stop: &Stop) -> Result<(), StoreError> {
        self.state().stop = Some(stop.clone());
        Ok(())
    }
}

impl Leases for MemoryStore {
    async fn lease(&self, name: LeaseName) -> Result<Option<Lease>, StoreError> {
        Ok(self.state().leases.get(&name).cloned())
    }

    async fn swap_lease(
        &self,
        name: LeaseName,
        expected: Option<&Lease>,
        new: Option<&Lease>,
    ) -> Result<bool, StoreError> {
        let leases = &mut self.state().leases;
        if leases.get(&name) != expected {
            return Ok(false);
        }
        match new {
            Some(lease) => leases.insert(name, lease.clone()),
            None => leases.remove(&name),
        };
        Ok(true)
    }
}

impl State {
    fn document(&self, ns: &Namespace, id: &DocId) -> Option<&Document> {
        self.collections.get(ns).and_then(|collection| collection.get(id))
    }

    fn put(&mut self, ns: &Namespace, id: DocId, document: Option<Document>) {
        let collection = self.collections.entry(ns.clone()).or_default();
        match document {
            Some(document) => collection.insert(id, document),
            None => collection.remove(&id),
        };
        self.collections.retain(|_, collection| !collection.is_empty());
    }

    fn check_checkpoint(&self, batch: &Batch) -> Result<(), Fault> {
        let found =
            self.checkpoint.unwrap_or_else(|| Checkpoint { log: batch.log(), anchor: Entry::origin(batch.log()) });
        let follows = found == Checkpoint { log: batch.log(), anchor: *batch.after() };
        if follows { Ok(()) } else { Err(Fault::CheckpointMoved { found: found.anchor.position }) }
    }

    fn check_owner(&self, name: LeaseName, owner: OwnerId) -> Result<(), Fault> {
        match self.leases.get(&name) {
            Some(lease) if lease.owner == owner => Ok(()),
            Some(lease) => Err(Fault::Busy { holder: lease.holder.clone() }),
            None => Err(Fault::Busy { holder: "nobody".to_owned() }),
        }
    }

    /// A view has no documents of its own.
    fn check_views(&self, changes: &[Change]) -> Result<(), Fault> {
        let is_refused = |change: &&Change| change.after.is_some() && self.is_view(&change.ns);
        changes.iter().find(is_refused).map_or(Ok(()), |change| {
            Err(Fault::Rejected { ns: change.ns.clone(), id: change.id.clone(), index: change.index })
        })
    }

    fn check_drift(&self, changes: &[Change]) -> Result<(), Fault> {
        let drift = |change: &Change| change.drift(Existence::of(self.document(&change.ns, &change.id)));
        changes.iter().find_map(drift).map_or(Ok(()), Err)
    }
}

/// The longest prefix within `limits`, but at least one.
pub(crate) fn limited<'a, T: Clone + 'a>(
    items: impl Iterator<Item = &'a T>,
    limits: Limits,
    size: impl Fn(&T) -> usize,
) -> Vec<T> {
    let mut bytes = 0;
    let mut taken = Vec::new();
    for item in items {
        bytes += size(item);
        if !taken.is_empty() && (taken.len() >= limits.entries_max || bytes > limits.bytes_max) {
            break;
        }
        taken.push(item.clone());
    }
    taken
}
