//! [`Hold`]: the right to write documents, looked at again after every pause.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use oplogsync_core::{batch::Batch, ids::OwnerId};

use crate::{error::Failure, store::MongoStore};

/// For how long what was seen of the lease is relied on. A lease lapses after ten times as long.
const FRESH: Duration = Duration::from_millis(500);

/// Who writes, which batch if it is one, and when it was last seen that he may.
#[derive(Debug)]
pub(crate) struct Hold<'b> {
    batch: Option<&'b Batch>,
    owner: OwnerId,
    start: Instant,
    /// Milliseconds from `start` on.
    seen: AtomicU64,
}

impl<'b> Hold<'b> {
    /// To be made before the request that notes the batch as begun goes out.
    pub(crate) fn new(batch: &'b Batch, owner: OwnerId) -> Self {
        Self { batch: Some(batch), owner, start: Instant::now(), seen: AtomicU64::new(0) }
    }

    /// Who writes.
    pub(crate) fn owner(&self) -> OwnerId {
        self.owner
    }
}

impl MongoStore {
    /// Holds the documents outside of any batch, if `owner` has the lease.
    pub(crate) async fn hold(&self, owner: OwnerId) -> Result<Hold<'static>, Failure> {
        let hold = Hold { batch: None, owner, start: Instant::now(), seen: AtomicU64::new(0) };
        self.check_owner(owner).await?;
        Ok(hold)
    }

    /// Fails when another process has taken over while this one was paused: what was about to go
    /// out is old by now. A pause between this and the request stays a risk, but a short one.
    pub(crate) async fn still_holds(&self, hold: &Hold<'_>) -> Result<(), Failure> {
        let seen = Duration::from_millis(hold.seen.load(Ordering::Relaxed));
        let now = hold.start.elapsed();
        if now.saturating_sub(seen) < FRESH {
            return Ok(());
        }
        match hold.batch {
            Some(batch) => drop(self.check_target(batch, hold.owner).await?),
            None => self.check_owner(hold.owner).await?,
        }
        hold.seen.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(())
    }
}
