//! What the benchmarks of a replicator share.

use oplogsync_core::{
    feed::Feed,
    host::SystemHost,
    initial_sync::SyncTarget,
    log::{Appended, Log},
    replicator::{ReplicateError, Replicator, ReplicatorOptions},
    testing::chain::log_id,
};

use crate::{Kind, Workload};

/// Replicates from where the target is until nothing is left: takes the lease, and gives it back.
///
/// # Errors
/// What stops the replicator.
pub async fn follow_to_the_head<F: Feed, T: SyncTarget + Clone>(feed: F, target: T) -> Result<(), ReplicateError> {
    let mut replicator = Replicator::new("replica", feed, target, SystemHost, ReplicatorOptions::default());
    while Box::pin(replicator.step()).await?.progress.behind > 0 {}
    Ok(replicator.close().await?)
}

/// Writes a log of `count` entries into a store that has none.
///
/// # Panics
/// When the store fails.
#[expect(clippy::expect_used, reason = "a benchmark that cannot begin ends")]
pub async fn write_log(store: &impl Log, kind: Kind, count: usize) {
    store.create_log(log_id(1)).await.expect("the store works");
    let mut workload = Workload::new(kind);
    for from in (0..count).step_by(1000) {
        let entries = workload.entries(1000.min(count - from));
        assert_eq!(store.append(&entries).await.expect("the store works"), Appended::All);
    }
}
