//! Leases: one process writes a log, and one applies to a target, at a time.

use std::{
    fmt,
    future::Future,
    time::{Duration, SystemTime},
};

use tokio::sync::Mutex;

use crate::{
    host::Host,
    ids::OwnerId,
    planted::{Bug, is_planted},
    store_error::{Fault, StoreError},
};

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

/// A lease that this process holds. Dropping it leaves the lease to lapse; [`HeldLease::release`]
/// gives it back at once.
#[derive(Debug)]
pub struct HeldLease<S> {
    store: S,
    name: LeaseName,
    node: String,
    state: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    lease: Lease,
    renewed_at: SystemTime,
}

/// How long a lease lives without a renewal, unless told otherwise.
pub const LEASE_TERM: Duration = Duration::from_secs(5);

/// How often a waiting process looks at a lease within its term, and a holder renews it.
const LOOKS: u32 = 4;

impl<S: Leases> HeldLease<S> {
    /// Takes the lease: at once when it is free or already ours, and after a whole `term` without a
    /// renewal when its holder has died. No clocks are compared: what counts is that the beat
    /// stands still while this process waits for one term.
    ///
    /// # Errors
    /// [`Fault::Busy`] when the holder is alive, or another process was faster.
    pub async fn acquire(
        store: S,
        node: &str,
        name: LeaseName,
        mine: Lease,
        host: &impl Host,
        term: Duration,
    ) -> Result<Self, StoreError> {
        let busy =
            |holder: String| StoreError::new(node, format!("take the lease on its {name}"), Fault::Busy { holder });
        let mut seen = store.lease(name).await?;
        // How often the lease was seen to stand still since it was seen to move.
        let mut still = 0;
        for _ in 0..=2 * LOOKS {
            let free = seen.as_ref().is_none_or(|lease| lease.owner == mine.owner) || is_planted(Bug::OverlappingSyncs);
            if free || still >= LOOKS {
                // The beat goes on, so that whoever waits never sees the same state twice.
                let beat = seen.as_ref().map_or(0, |lease| lease.beat.wrapping_add(1));
                let (lease, renewed_at) = (Lease { beat, ..mine.clone() }, host.now());
                if store.swap_lease(name, seen.as_ref(), Some(&lease)).await? {
                    let state = Mutex::new(Held { lease, renewed_at });
                    return Ok(Self { store, name, node: node.to_owned(), state });
                }
            }
            host.sleep(term / LOOKS).await;
            let now = store.lease(name).await?;
            still = match (&seen, &now) {
                (Some(before), Some(after)) if before == after => still + 1,
                // A renewal of our own may arrive late: that is no rival.
                (Some(_), Some(after)) if after.owner != mine.owner => return Err(busy(after.holder.clone())),
                _ => 0,
            };
            seen = now;
        }
        Err(busy(seen.map_or_else(|| "another process".to_owned(), |lease| lease.holder)))
    }

    /// Renews it when a quarter of its `term` has passed since the last time. To be called before
    /// every piece of work.
    ///
    /// # Errors
    /// [`Fault::Busy`] when another process has taken it over.
    pub async fn renew_when_due(&self, host: &impl Host, term: Duration) -> Result<(), StoreError> {
        let mut state = self.state.lock().await;
        let now = host.now();
        // A wall clock that stepped back tells nothing, so it counts as due.
        let due = now.duration_since(state.renewed_at).map_or(true, |since| since >= term / LOOKS);
        if !due {
            return Ok(());
        }
        let next = Lease { beat: state.lease.beat.wrapping_add(1), ..state.lease.clone() };
        if !self.store.swap_lease(self.name, Some(&state.lease), Some(&next)).await? {
            // A renewal whose reply was lost has moved the beat already.
            let found = self.store.lease(self.name).await?;
            if found.as_ref() != Some(&next) {
                let holder = found.map_or_else(|| "nobody any more".to_owned(), |lease| lease.holder);
                let doing = format!("renew the lease on its {}", self.name);
                return Err(StoreError::new(&self.node, doing, Fault::Busy { holder }));
            }
        }
        *state = Held { lease: next, renewed_at: now };
        Ok(())
    }

    /// Renews it as often as is due, beside a long piece of work, until it is lost. A renewal that
    /// fails in passing is tried again at the next beat; if the lease lapses meanwhile, the one
    /// that succeeds finds out.
    pub async fn keep(&self, host: &impl Host, term: Duration) -> StoreError {
        loop {
            host.sleep(term / LOOKS).await;
            if let Err(error) = self.renew_when_due(host, term).await
                && matches!(error.fault(), Fault::Busy { .. })
            {
                return error;
            }
        }
    }

    /// Gives it back.
    ///
    /// # Errors
    /// When the store cannot be written; the lease then lapses by itself.
    pub async fn release(&self) -> Result<(), StoreError> {
        let state = self.state.lock().await;
        self.store.swap_lease(self.name, Some(&state.lease), None).await.map(drop)
    }
}

#[cfg(test)]
mod tests;
