//! [`ReplicatorOptions`]: how a replicator works.

use std::time::Duration;

use crate::{filter::Filter, lease::LEASE_TERM, limits::Limits};

/// How a [`Replicator`](super::Replicator) works.
#[derive(Debug, Clone)]
pub struct ReplicatorOptions {
    /// Who this process is, for people who meet its lease: host and process id.
    pub holder: String,
    /// The bounds of a batch; a target may have [narrower ones](crate::documents::Documents::batch_max). It
    /// begins with at most a thousand entries, and grows as long as that makes a replica faster that is behind. Memory
    /// is bounded by two batches.
    pub limits: Limits,
    /// How long to wait at the head of the log before looking again.
    pub poll_interval: Duration,
    /// How long the target's lease lives without a renewal.
    pub lease_term: Duration,
    /// What is replicated.
    pub filter: Filter,
}

impl Default for ReplicatorOptions {
    /// Ten thousand entries a batch at most, a poll every second, everything.
    fn default() -> Self {
        Self {
            holder: "oplogsync".to_owned(),
            limits: Limits { entries_max: 10_000, ..Limits::default() },
            poll_interval: Duration::from_secs(1),
            lease_term: LEASE_TERM,
            filter: Filter::everything(),
        }
    }
}
