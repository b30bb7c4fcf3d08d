//! What the benchmarks share: workloads that are the same in every run, and stores that cost nothing.

#![forbid(unsafe_code)]

mod applying;
mod encoded_log;
mod following;
mod null_store;
mod raw;
mod servers;
mod workload;

use oplogsync_core::{
    documents::Documents,
    ids::OwnerId,
    lease::{Lease, LeaseName, Leases},
    testing::chain::owner_id,
};

pub use self::{
    applying::{SledStores, bench_applies, bytes_of, throughput_of, time_applies, time_applies_after},
    encoded_log::EncodedLog,
    following::{follow_to_the_head, write_log},
    null_store::NullStore,
    raw::{RawBatch, RawOperation, raw_batches},
    servers::{Servers, node},
    workload::{Kind, Workload, document, large_document, mixed_batches, mixed_entries, orders},
};

/// Who applies in a benchmark.
pub fn owner() -> OwnerId {
    owner_id(1)
}

/// Takes the target's lease, so that it accepts batches.
///
/// # Panics
/// When the store fails.
#[expect(clippy::expect_used, reason = "a benchmark that cannot begin ends")]
pub async fn take_lease(store: &(impl Documents + Leases)) {
    let lease = Lease { owner: owner(), holder: "benchmark".to_owned(), beat: 0 };
    let taken = store.swap_lease(LeaseName::Documents, None, Some(&lease)).await.expect("the store works");
    assert!(taken, "the store is new");
}
