//! [`NullStore`]: a target that does all of our own work and writes nothing.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
    ids::OwnerId,
    initial_sync::{Note, Piece, SyncTarget},
    lease::{Lease, LeaseName, Leases},
    limits::Limits,
    namespace::Namespace,
    store_error::{Fault, StoreError},
};

/// Folds each batch, checks checkpoint and lease, and forgets the documents: what is left of an apply without a
/// store. Clones share one checkpoint.
#[derive(Debug, Clone, Default)]
pub struct NullStore {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    checkpoint: Option<Checkpoint>,
    resume: Resume,
    leases: BTreeMap<LeaseName, Lease>,
    changed: u64,
}

impl NullStore {
    /// How many changes it was given, after folding.
    pub fn changed(&self) -> u64 {
        self.state().changed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply_now(&self, batch: &Batch, owner: OwnerId) -> Result<Applied, StoreError> {
        let failed = |fault| StoreError::new("null", "apply a batch", fault);
        let folded = batch.fold().map_err(|contradiction| failed(Fault::Corrupt).because(contradiction))?;
        let mut state = self.state();
        match state.leases.get(&LeaseName::Documents) {
            Some(lease) if lease.owner == owner => {}
            lease => {
                let holder = lease.map_or_else(|| "nobody".to_owned(), |lease| lease.holder.clone());
                return Err(failed(Fault::Busy { holder }));
            }
        }
        let at = state.checkpoint.unwrap_or(Checkpoint { log: batch.log(), anchor: Entry::origin(batch.log()) });
        if at != (Checkpoint { log: batch.log(), anchor: *batch.after() }) {
            return Err(failed(Fault::CheckpointMoved { found: at.anchor.position }));
        }
        let changed = std::hint::black_box(folded).len() as u64;
        state.changed += changed;
        state.checkpoint = Some(Checkpoint { log: batch.log(), anchor: batch.last() });
        state.resume = batch.resume();
        Ok(Applied { changed, repeated: 0 })
    }
}

/// What a call comes to that has nothing to wait for.
async fn at_once<T>(value: T) -> Result<T, StoreError> {
    std::future::ready(Ok(value)).await
}

impl Leases for NullStore {
    async fn lease(&self, name: LeaseName) -> Result<Option<Lease>, StoreError> {
        let found = self.state().leases.get(&name).cloned();
        at_once(found).await
    }

    async fn swap_lease(
        &self,
        name: LeaseName,
        expected: Option<&Lease>,
        new: Option<&Lease>,
    ) -> Result<bool, StoreError> {
        let swapped = {
            let mut state = self.state();
            let as_expected = state.leases.get(&name) == expected;
            if as_expected {
                match new {
                    Some(lease) => drop(state.leases.insert(name, lease.clone())),
                    None => drop(state.leases.remove(&name)),
                }
            }
            as_expected
        };
        at_once(swapped).await
    }
}

impl Documents for NullStore {
    async fn get(&self, _ns: &Namespace, ids: &[DocId]) -> Result<Vec<Option<Document>>, StoreError> {
        at_once(vec![None; ids.len()]).await
    }

    async fn scan(&self, _: &Namespace, _: Option<&DocId>, _: Limits) -> Result<Vec<Document>, StoreError> {
        at_once(Vec::new()).await
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, StoreError> {
        at_once(Vec::new()).await
    }

    async fn collections(&self) -> Result<Vec<Collection>, StoreError> {
        at_once(Vec::new()).await
    }

    async fn size(&self, _ns: &Namespace) -> Result<Size, StoreError> {
        at_once(Size::default()).await
    }

    async fn digest(&self, _ns: &Namespace) -> Result<NamespaceDigest, StoreError> {
        at_once(NamespaceDigest::default()).await
    }

    async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        let checkpoint = self.state().checkpoint;
        at_once(checkpoint).await
    }

    async fn resume(&self) -> Result<Resume, StoreError> {
        let resume = self.state().resume.clone();
        at_once(resume).await
    }

    async fn apply(&self, batch: &Batch, owner: OwnerId) -> Result<Applied, StoreError> {
        let applied = self.apply_now(batch, owner);
        std::future::ready(applied).await
    }

    async fn unfinished(&self) -> Result<Option<u64>, StoreError> {
        at_once(None).await
    }

    async fn stop(&self) -> Result<Option<Stop>, StoreError> {
        at_once(None).await
    }

    async fn set_stop(&self, _stop: &Stop) -> Result<(), StoreError> {
        at_once(()).await
    }
}

impl SyncTarget for NullStore {
    async fn notes(&self) -> Result<Vec<Note>, StoreError> {
        at_once(Vec::new()).await
    }

    async fn put_notes(&self, _notes: &[Note], _owner: OwnerId) -> Result<(), StoreError> {
        at_once(()).await
    }

    async fn wipe(&self, _owner: OwnerId) -> Result<(), StoreError> {
        at_once(()).await
    }

    async fn run(&self, _action: &Action, _owner: OwnerId) -> Result<(), StoreError> {
        at_once(()).await
    }

    async fn copy(&self, _piece: &Piece, _note: &Note, _owner: OwnerId) -> Result<(), StoreError> {
        at_once(()).await
    }

    async fn mend(&self, _: &Namespace, _: &DocId, _: Option<&Document>, _: OwnerId) -> Result<(), StoreError> {
        at_once(()).await
    }

    async fn begin_at(
        &self,
        checkpoint: Checkpoint,
        resume: &Resume,
        _notes: &[Note],
        _owner: OwnerId,
    ) -> Result<(), StoreError> {
        {
            let mut state = self.state();
            state.checkpoint = Some(checkpoint);
            state.resume = resume.clone();
        }
        at_once(()).await
    }
}
