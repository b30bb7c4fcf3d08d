//! Leases: one process writes a log, and one applies to a target, at a time.

use std::{fmt, future::Future};

use crate::{ids::OwnerId, store_error::StoreError};

/// What is leased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeaseName {
    /// Writing the log of a node.
    Log,
    /// Applying to the documents of a node.
    Documents,
}

impl LeaseName {
    /// Its name in a store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Documents => "documents",
        }
    }
}

impl fmt::Display for LeaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The state of a lease: who holds it, and how often it was renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The holder.
    pub owner: OwnerId,
    /// Who that is, for people: host and process.
    pub holder: String,
    /// Counts renewals. A lease whose count stands still for a whole term is abandoned.
    pub beat: u64,
}

/// A compare-and-swap register per lease name: all that a store has to know about leases.
pub trait Leases: Send + Sync {
    /// The present state; `None` when nobody holds the lease.
    fn lease(&self, name: LeaseName) -> impl Future<Output = Result<Option<Lease>, StoreError>> + Send;

    /// Replaces the state `expected` by `new`, durably and atomically; `false` when it is not
    /// (or no longer) `expected`.
    fn swap_lease(
        &self,
        name: LeaseName,
        expected: Option<&Lease>,
        new: Option<&Lease>,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
