//! [`LeaseTable`]: who holds the leases of a store.

use std::sync::{Arc, Mutex, PoisonError};

use oplogsync_core::{
    ids::OwnerId,
    lease::{Lease, LeaseName, Leases},
    store_error::{Fault, StoreError},
};

use crate::{engine::Engine, store::EmbeddedStore, trouble::Trouble};

/// The leases. They live in memory: the folder's lock is theirs too, so whoever opens the folder
/// knows that all former holders are gone.
#[derive(Debug, Default)]
pub(crate) struct LeaseTable {
    log: Option<Lease>,
    documents: Option<Lease>,
}

impl LeaseTable {
    fn get(&self, name: LeaseName) -> Option<&Lease> {
        match name {
            LeaseName::Log => self.log.as_ref(),
            LeaseName::Documents => self.documents.as_ref(),
        }
    }

    pub(crate) fn swap(&mut self, name: LeaseName, expected: Option<&Lease>, new: Option<Lease>) -> bool {
        let slot = match name {
            LeaseName::Log => &mut self.log,
            LeaseName::Documents => &mut self.documents,
        };
        let swaps = slot.as_ref() == expected;
        if swaps {
            *slot = new;
        }
        swaps
    }

    /// Whether `owner` holds the lease.
    pub(crate) fn check(&self, name: LeaseName, owner: OwnerId) -> Result<(), Trouble> {
        let holder = match self.get(name) {
            Some(lease) if lease.owner == owner => return Ok(()),
            Some(lease) => lease.holder.clone(),
            None => "nobody any more".to_owned(),
        };
        Err(Trouble::new(Fault::Busy { holder }))
    }
}

impl<E: Engine> Leases for EmbeddedStore<E> {
    async fn lease(&self, name: LeaseName) -> Result<Option<Lease>, StoreError> {
        self.blocking(move |keyspace| {
            let leases = keyspace.leases().read().unwrap_or_else(PoisonError::into_inner);
            Ok(leases.get(name).cloned())
        })
        .await
    }

    async fn swap_lease(
        &self,
        name: LeaseName,
        expected: Option<&Lease>,
        new: Option<&Lease>,
    ) -> Result<bool, StoreError> {
        let (expected, new) = (expected.cloned(), new.cloned());
        let caller = Caller::default();
        let is_gone = Arc::clone(&caller.is_gone);
        self.blocking(move |keyspace| {
            let is_gone = is_gone.lock().unwrap_or_else(PoisonError::into_inner);
            let mut leases = keyspace.leases().write().unwrap_or_else(PoisonError::into_inner);
            Ok(!*is_gone && leases.swap(name, expected.as_ref(), new))
        })
        .await
    }
}

/// Whoever waits for a swap: it is done before he goes away, or never. Otherwise the last renewal of a
/// holder that is gone could come late, and whoever waits for the lease would take him for alive.
#[derive(Debug, Default)]
struct Caller {
    is_gone: Arc<Mutex<bool>>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        // A swap that is under way is waited for: no longer than the engine takes for a batch.
        *self.is_gone.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        sync::mpsc,
        task::{Context, Waker},
    };

    use super::*;
    use crate::toy::Toy;

    /// Without the check the swap would be done as soon as its thread gets to it.
    #[test]
    fn a_swap_whose_caller_has_gone_away_is_never_done() {
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let store = EmbeddedStore::<Toy>::memory("a").unwrap();
            let mine = Lease { owner: OwnerId::from_bytes([1; 16]), holder: "me".to_owned(), beat: 0 };
            // The only thread is busy while the caller asks and goes away.
            let (release, released) = mpsc::channel::<()>();
            let busy = tokio::task::spawn_blocking(move || released.recv());
            {
                let swap = pin!(store.swap_lease(LeaseName::Log, None, Some(&mine)));
                assert!(swap.poll(&mut Context::from_waker(Waker::noop())).is_pending());
            }
            release.send(()).unwrap();
            busy.await.unwrap().unwrap();

            // Calls are done in their order, so this one comes behind the swap.
            assert_eq!(store.lease(LeaseName::Log).await.unwrap(), None);
            assert!(store.swap_lease(LeaseName::Log, None, Some(&mine)).await.unwrap());
            assert_eq!(store.lease(LeaseName::Log).await.unwrap(), Some(mine));
        });
    }
}
