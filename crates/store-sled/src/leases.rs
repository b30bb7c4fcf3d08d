//! [`LeaseTable`]: who holds the leases of a store.

use std::sync::PoisonError;

use oplogsync_core::{
    ids::OwnerId,
    lease::{Lease, LeaseName, Leases},
    store_error::{Fault, StoreError},
};

use crate::{store::SledStore, trouble::Trouble};

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

impl Leases for SledStore {
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
        self.blocking(move |keyspace| {
            let mut leases = keyspace.leases().write().unwrap_or_else(PoisonError::into_inner);
            Ok(leases.swap(name, expected.as_ref(), new))
        })
        .await
    }
}
