//! [`Faulty`]: any store, made to fail on demand.

mod copy;
mod plan;
mod spool;
mod tally;

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use self::plan::{Order, Plan};
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
    initial_sync::SyncTarget,
    lease::{Lease, LeaseName, Leases},
    limits::Limits,
    log::{Acknowledgement, Appended, Log, LogEnds},
    namespace::Namespace,
    position::{Anchor, Position},
    store_error::{Fault, StoreError},
    testing::manual_host::let_others_run,
};

pub use self::{
    plan::{Action, Call, Hold},
    tally::Tally,
};

/// A store between whose callers and whose data faults happen: planned ones, first in first out
/// per [`Call`]; random ones from a seed; or its death. Without any it is the store inside.
///
/// Clones share the plan and the store inside.
#[derive(Debug, Clone)]
pub struct Faulty<S> {
    inner: S,
    node: Arc<str>,
    plan: Arc<Mutex<Plan>>,
    tally: Arc<Mutex<Tally>>,
    batch_max: Limits,
}

impl<S> Faulty<S> {
    /// Wraps a store; the faults name `node`.
    pub fn new(inner: S, node: &str) -> Self {
        Self { inner, node: node.into(), plan: Arc::default(), tally: Arc::default(), batch_max: Limits::NONE }
    }

    /// The same, which should not be given more at once.
    #[must_use]
    pub fn taking(self, batch_max: Limits) -> Self {
        Self { batch_max, ..self }
    }

    /// The store inside, to look at it without faults.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The next call of this kind for which nothing is planned yet meets with `action`.
    pub fn plan(&self, call: Call, action: Action) {
        self.state().add(call, action);
    }

    /// The next call of this kind for which nothing is planned yet waits, before anything is
    /// done, until the hold is released.
    pub fn hold(&self, call: Call) -> Hold {
        let hold = Hold::new();
        self.plan(call, Action::Hold(hold.clone()));
        hold
    }

    /// From now on one call in `one_in` fails: before anything is done, after it, or, where a store may
    /// be cut off there, in the middle; and each call lets others run before it is done and after. The same
    /// seed and the same calls make the same faults. Zero ends it.
    pub fn storm(&self, seed: u64, one_in: u64) {
        self.state().storm(seed, one_in);
    }

    /// The store dies after that many more calls: the next one is done, or not or only in part, as `done`
    /// says, its reply is lost, and all later ones find nobody, until [`Faulty::revive`].
    pub fn die_after(&self, calls: u64, done: bool) {
        self.state().die_after(calls, done);
    }

    /// Whether it is dead.
    pub fn is_dead(&self) -> bool {
        self.state().is_dead()
    }

    /// Ends death and storm, and forgets what was planned.
    pub fn revive(&self) {
        self.state().revive();
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.state().calls()
    }

    /// How many faults there were: a test whose faults never happen proves nothing.
    pub fn faults(&self) -> u64 {
        self.state().faults()
    }

    /// What its callers have made it do: a test in which that never happens proves nothing about it.
    pub fn tally(&self) -> Tally {
        *self.counts()
    }

    fn counts(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, call: Call, fault: Fault) -> StoreError {
        StoreError::new(&self.node, format!("{call:?}, by plan"), fault)
    }

    /// One call, with the fault that is its turn.
    async fn call<T>(&self, call: Call, done: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.call_or_tear(call, done, std::future::ready(Ok(()))).await
    }

    /// The same for a call that may be done in part: as `torn` does it.
    async fn call_or_tear<T>(
        &self,
        call: Call,
        done: impl Future<Output = Result<T, StoreError>>,
        torn: impl Future<Output = Result<(), StoreError>>,
    ) -> Result<T, StoreError> {
        let (order, stormy) = {
            let mut plan = self.state();
            (plan.next(call), plan.is_stormy())
        };
        if !stormy {
            return self.meet(order, call, done, torn).await;
        }
        let_others_run().await;
        let result = self.meet(order, call, done, torn).await;
        let_others_run().await;
        result
    }

    async fn meet<T>(
        &self,
        order: Order,
        call: Call,
        done: impl Future<Output = Result<T, StoreError>>,
        torn: impl Future<Output = Result<(), StoreError>>,
    ) -> Result<T, StoreError> {
        match order {
            Order::Pass => done.await,
            Order::Refuse(fault) => Err(self.error(call, fault)),
            Order::LoseReply => {
                done.await?;
                Err(self.error(call, Fault::Unknown))
            }
            Order::Tear => {
                torn.await?;
                Err(self.error(call, Fault::Unknown))
            }
            Order::Hold(hold) => {
                hold.pause().await;
                done.await
            }
        }
    }
}

impl<S: Log> Log for Faulty<S> {
    async fn create_log(&self, log: LogId) -> Result<LogEnds, StoreError> {
        self.call(Call::CreateLog, self.inner.create_log(log)).await
    }

    async fn log_ends(&self) -> Result<Option<LogEnds>, StoreError> {
        self.call(Call::LogEnds, self.inner.log_ends()).await
    }

    async fn append(&self, entries: &[Entry]) -> Result<Appended, StoreError> {
        let cut = self.state().take_cut();
        if let Some((prefix, _)) = cut.and_then(|count| entries.split_at_checked(count)) {
            self.inner.append(prefix).await?;
            return Err(self.error(Call::Append, Fault::Unknown));
        }
        self.call(Call::Append, self.inner.append(entries)).await
    }

    async fn read(&self, from: u64, limits: Limits) -> Result<Vec<Entry>, StoreError> {
        self.call(Call::Read, self.inner.read(from, limits)).await
    }

    async fn find(&self, op_id: OpId) -> Result<Option<Position>, StoreError> {
        self.call(Call::Find, self.inner.find(op_id)).await
    }

    async fn trim(&self, floor: &Anchor) -> Result<(), StoreError> {
        self.call(Call::Trim, self.inner.trim(floor)).await
    }

    async fn acknowledge(&self, acknowledgement: &Acknowledgement) -> Result<(), StoreError> {
        self.call(Call::Acknowledge, self.inner.acknowledge(acknowledgement)).await
    }

    async fn appended(&self, index: u64) {
        self.inner.appended(index).await;
    }

    async fn acknowledgements(&self) -> Result<Vec<Acknowledgement>, StoreError> {
        self.call(Call::Acknowledgements, self.inner.acknowledgements()).await
    }
}

impl<S: SyncTarget> Documents for Faulty<S> {
    fn batch_max(&self) -> Limits {
        self.inner.batch_max().at_most(self.batch_max)
    }

    async fn get(&self, ns: &Namespace, ids: &[DocId]) -> Result<Vec<Option<Document>>, StoreError> {
        self.call(Call::Get, self.inner.get(ns, ids)).await
    }

    async fn scan(&self, ns: &Namespace, after: Option<&DocId>, limits: Limits) -> Result<Vec<Document>, StoreError> {
        self.call(Call::Scan, self.inner.scan(ns, after, limits)).await
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, StoreError> {
        self.call(Call::Namespaces, self.inner.namespaces()).await
    }

    async fn collections(&self) -> Result<Vec<Collection>, StoreError> {
        self.call(Call::Collections, self.inner.collections()).await
    }

    async fn size(&self, ns: &Namespace) -> Result<Size, StoreError> {
        self.call(Call::Size, self.inner.size(ns)).await
    }

    async fn digest(&self, ns: &Namespace) -> Result<NamespaceDigest, StoreError> {
        self.call(Call::Digest, self.inner.digest(ns)).await
    }

    async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        self.call(Call::Checkpoint, self.inner.checkpoint()).await
    }

    async fn resume(&self) -> Result<Resume, StoreError> {
        self.call(Call::Resume, self.inner.resume()).await
    }

    async fn apply(&self, batch: &Batch, owner: OwnerId) -> Result<Applied, StoreError> {
        self.counts().count_batch(batch);
        self.call_or_tear(Call::Apply, self.inner.apply(batch, owner), self.run_only(batch, owner)).await
    }

    async fn unfinished(&self) -> Result<Option<u64>, StoreError> {
        self.call(Call::Unfinished, self.inner.unfinished()).await
    }

    async fn stop(&self) -> Result<Option<Stop>, StoreError> {
        self.call(Call::Stop, self.inner.stop()).await
    }

    async fn set_stop(&self, stop: &Stop) -> Result<(), StoreError> {
        self.call(Call::SetStop, self.inner.set_stop(stop)).await
    }
}

impl<S: Leases> Leases for Faulty<S> {
    async fn lease(&self, name: LeaseName) -> Result<Option<Lease>, StoreError> {
        self.call(Call::Lease, self.inner.lease(name)).await
    }

    async fn swap_lease(
        &self,
        name: LeaseName,
        expected: Option<&Lease>,
        new: Option<&Lease>,
    ) -> Result<bool, StoreError> {
        self.call(Call::SwapLease, self.inner.swap_lease(name, expected, new)).await
    }
}
