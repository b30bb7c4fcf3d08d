//! [`SyncOptions`]: how an initial sync works.

use std::time::Duration;

use crate::{filter::Filter, lease::LEASE_TERM, limits::Limits};

/// How an [`InitialSync`](super::InitialSync) works.
#[derive(Debug, Clone)]
pub struct SyncOptions {
    /// Who this process is, for people who meet its lease: host and process id.
    pub holder: String,
    /// What is replicated.
    pub filter: Filter,
    /// How many parts are copied at once. Memory is bounded by two pieces for each.
    pub lanes: usize,
    /// The bounds of a piece; a target may have [narrower ones](crate::documents::Documents::batch_max).
    pub limits: Limits,
    /// A collection gets one part for so many documents, at most [`SyncOptions::parts_max`].
    pub part_documents: u64,
    /// Most parts of one collection.
    pub parts_max: usize,
    /// How long a part is read from one snapshot. A server keeps its past for five minutes.
    pub snapshot_age: Duration,
    /// How long the target's lease lives without a renewal.
    pub lease_term: Duration,
}

impl Default for SyncOptions {
    /// Everything, four parts at once, pieces of 4,000 documents and 8 MiB.
    fn default() -> Self {
        Self {
            holder: "oplogsync".to_owned(),
            filter: Filter::everything(),
            lanes: 4,
            limits: Limits { entries_max: 4_000, bytes_max: 8 * 1024 * 1024 },
            part_documents: 50_000,
            parts_max: 64,
            snapshot_age: Duration::from_secs(60),
            lease_term: LEASE_TERM,
        }
    }
}
