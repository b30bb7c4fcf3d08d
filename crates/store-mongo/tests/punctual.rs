//! [`Punctual`]: a store whose calls are timed: none may wait beyond its deadlines.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

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
    store_error::StoreError,
};

/// Times all calls to the store inside. Clones share what they have seen.
#[derive(Debug, Clone)]
pub(crate) struct Punctual<S> {
    inner: S,
    longest: Arc<Mutex<BTreeMap<&'static str, Duration>>>,
}

impl<S> Punctual<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner, longest: Arc::default() }
    }

    /// The longest call of each kind.
    pub(crate) fn longest(&self) -> BTreeMap<&'static str, Duration> {
        self.longest.lock().unwrap().clone()
    }

    /// Fails if a call has taken longer than `limit`.
    pub(crate) fn expect_within(&self, limit: Duration) {
        let late: Vec<_> = self.longest().into_iter().filter(|(_, took)| *took > limit).collect();
        assert!(late.is_empty(), "calls took longer than {limit:?}: {late:?}");
    }

    async fn time<T>(&self, call: &'static str, work: impl Future<Output = T>) -> T {
        // A call that is given up counts, too.
        let _clock = Clock { longest: &self.longest, call, started: Instant::now() };
        work.await
    }
}

/// Notes the time when it is dropped.
struct Clock<'a> {
    longest: &'a Mutex<BTreeMap<&'static str, Duration>>,
    call: &'static str,
    started: Instant,
}

impl Drop for Clock<'_> {
    fn drop(&mut self) {
        let mut longest = self.longest.lock().unwrap();
        let known = longest.entry(self.call).or_default();
        *known = self.started.elapsed().max(*known);
    }
}

impl<S: Log> Log for Punctual<S> {
    async fn create_log(&self, log: LogId) -> Result<LogEnds, StoreError> {
        self.time("create_log", self.inner.create_log(log)).await
    }

    async fn log_ends(&self) -> Result<Option<LogEnds>, StoreError> {
        self.time("log_ends", self.inner.log_ends()).await
    }

    async fn append(&self, entries: &[Entry]) -> Result<Appended, StoreError> {
        self.time("append", self.inner.append(entries)).await
    }

    async fn read(&self, from: u64, limits: Limits) -> Result<Vec<Entry>, StoreError> {
        self.time("read", self.inner.read(from, limits)).await
    }

    async fn find(&self, op_id: OpId) -> Result<Option<Position>, StoreError> {
        self.time("find", self.inner.find(op_id)).await
    }

    async fn trim(&self, floor: &Anchor) -> Result<(), StoreError> {
        self.time("trim", self.inner.trim(floor)).await
    }

    async fn acknowledge(&self, acknowledgement: &Acknowledgement) -> Result<(), StoreError> {
        self.time("acknowledge", self.inner.acknowledge(acknowledgement)).await
    }

    /// It waits as long as nothing comes.
    async fn appended(&self, index: u64) {
        self.inner.appended(index).await;
    }

    async fn acknowledgements(&self) -> Result<Vec<Acknowledgement>, StoreError> {
        self.time("acknowledgements", self.inner.acknowledgements()).await
    }
}

impl<S: Documents> Documents for Punctual<S> {
    fn batch_max(&self) -> Limits {
        self.inner.batch_max()
    }

    async fn get(&self, ns: &Namespace, ids: &[DocId]) -> Result<Vec<Option<Document>>, StoreError> {
        self.time("get", self.inner.get(ns, ids)).await
    }

    async fn scan(&self, ns: &Namespace, after: Option<&DocId>, limits: Limits) -> Result<Vec<Document>, StoreError> {
        self.time("scan", self.inner.scan(ns, after, limits)).await
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, StoreError> {
        self.time("namespaces", self.inner.namespaces()).await
    }

    async fn collections(&self) -> Result<Vec<Collection>, StoreError> {
        self.time("collections", self.inner.collections()).await
    }

    async fn size(&self, ns: &Namespace) -> Result<Size, StoreError> {
        self.time("size", self.inner.size(ns)).await
    }

    async fn digest(&self, ns: &Namespace) -> Result<NamespaceDigest, StoreError> {
        self.time("digest", self.inner.digest(ns)).await
    }

    async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        self.time("checkpoint", self.inner.checkpoint()).await
    }

    async fn resume(&self) -> Result<Resume, StoreError> {
        self.time("resume", self.inner.resume()).await
    }

    async fn apply(&self, batch: &Batch, owner: OwnerId) -> Result<Applied, StoreError> {
        self.time("apply", self.inner.apply(batch, owner)).await
    }

    async fn unfinished(&self) -> Result<Option<u64>, StoreError> {
        self.time("unfinished", self.inner.unfinished()).await
    }

    async fn stop(&self) -> Result<Option<Stop>, StoreError> {
        self.time("stop", self.inner.stop()).await
    }

    async fn set_stop(&self, stop: &Stop) -> Result<(), StoreError> {
        self.time("set_stop", self.inner.set_stop(stop)).await
    }
}

impl<S: Leases> Leases for Punctual<S> {
    async fn lease(&self, name: LeaseName) -> Result<Option<Lease>, StoreError> {
        self.time("lease", self.inner.lease(name)).await
    }

    async fn swap_lease(
        &self,
        name: LeaseName,
        expected: Option<&Lease>,
        new: Option<&Lease>,
    ) -> Result<bool, StoreError> {
        self.time("swap_lease", self.inner.swap_lease(name, expected, new)).await
    }
}

impl<S: SyncTarget> SyncTarget for Punctual<S> {
    async fn notes(&self) -> Result<Vec<Note>, StoreError> {
        self.time("notes", self.inner.notes()).await
    }

    async fn put_notes(&self, notes: &[Note], owner: OwnerId) -> Result<(), StoreError> {
        self.time("put_notes", self.inner.put_notes(notes, owner)).await
    }

    async fn wipe(&self, owner: OwnerId) -> Result<(), StoreError> {
        self.time("wipe", self.inner.wipe(owner)).await
    }

    /// It takes as long as it takes.
    async fn run(&self, action: &Action, owner: OwnerId) -> Result<(), StoreError> {
        self.inner.run(action, owner).await
    }

    async fn copy(&self, piece: &Piece, note: &Note, owner: OwnerId) -> Result<(), StoreError> {
        self.time("copy", self.inner.copy(piece, note, owner)).await
    }

    async fn mend(
        &self,
        ns: &Namespace,
        id: &DocId,
        document: Option<&Document>,
        owner: OwnerId,
    ) -> Result<(), StoreError> {
        self.time("mend", self.inner.mend(ns, id, document, owner)).await
    }

    async fn begin_at(
        &self,
        checkpoint: Checkpoint,
        resume: &Resume,
        notes: &[Note],
        owner: OwnerId,
    ) -> Result<(), StoreError> {
        self.time("begin_at", self.inner.begin_at(checkpoint, resume, notes, owner)).await
    }
}
