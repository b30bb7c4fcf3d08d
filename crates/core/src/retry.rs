//! What to do about a failure: the one place that decides.

use std::time::Duration;

use crate::{
    feed::FeedError,
    initial_sync::SyncError,
    replicator::ReplicateError,
    store_error::{Fault, StoreError},
};

/// The answer to a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It passes by itself: try again after a while.
    Retry,
    /// A person has to look at it: stop, loudly.
    Stop,
    /// The log no longer holds what the replica needs: stop, and only a new sync helps.
    Resync,
}

/// What to do about a failed step of replication.
pub fn decide(error: &ReplicateError) -> Decision {
    match error {
        ReplicateError::Feed(feed) => decide_feed(feed),
        ReplicateError::Target(store) => decide_store(store),
        ReplicateError::TargetNotEmpty { .. }
        | ReplicateError::OtherFilter { .. }
        | ReplicateError::State(_)
        | ReplicateError::Unsynced { .. }
        | ReplicateError::CopyAgain { .. } => Decision::Stop,
    }
}

/// What to do about an initial sync that failed.
pub fn decide_sync(error: &SyncError) -> Decision {
    match error {
        SyncError::Store(store) => decide_store(store),
        SyncError::Feed(feed) => decide_feed(feed),
        SyncError::State(_)
        | SyncError::TargetNotEmpty { .. }
        | SyncError::HasCheckpoint { .. }
        | SyncError::OtherFilter { .. }
        | SyncError::NoCheckpoint { .. } => Decision::Stop,
    }
}

/// What to do about a feed that does not go on.
pub fn decide_feed(error: &FeedError) -> Decision {
    match error {
        FeedError::Store(store) => decide_store(store),
        // The primary writes its log with its first write: it may be yet to come.
        FeedError::NoLog { .. } | FeedError::NotFilled { .. } => Decision::Retry,
        FeedError::TooStale { .. } | FeedError::HistoryLost { .. } => Decision::Resync,
        FeedError::ForeignLog { .. }
        | FeedError::OtherSource { .. }
        | FeedError::NoToken { .. }
        | FeedError::Diverged { .. }
        | FeedError::WentBack { .. }
        | FeedError::Rewound { .. }
        | FeedError::NoBeginning { .. }
        | FeedError::Broken { .. } => Decision::Stop,
    }
}

/// What to do about a failed request to a store.
pub fn decide_store(error: &StoreError) -> Decision {
    match error.fault() {
        // Only the holder of the lease gets as far as the checkpoint: if it has moved, an apply of
        // our own whose reply was lost has arrived late, and reading it again helps.
        Fault::Unavailable | Fault::Unknown | Fault::CheckpointMoved { .. } => Decision::Retry,
        Fault::Denied
        | Fault::Busy { .. }
        | Fault::Full
        | Fault::Corrupt
        | Fault::Incompatible
        | Fault::Unreplicable { .. }
        | Fault::Unexpected
        | Fault::Drift { .. }
        | Fault::Rejected { .. }
        | Fault::Misfit { .. }
        | Fault::Occupied { .. }
        | Fault::Outside { .. }
        | Fault::Poisoned
        | Fault::Defect => Decision::Stop,
    }
}

/// The shortest upper bound of a wait.
const WAIT_MIN: Duration = Duration::from_millis(100);
/// The longest wait.
pub const WAIT_MAX: Duration = Duration::from_secs(30);

/// How long to wait before attempt number `attempt` (the first retry is 1): between nothing and a
/// bound that doubles with each attempt, at most [`WAIT_MAX`]. "Full jitter", after Brooker,
/// "Exponential Backoff and Jitter" (AWS, 2015): it spreads those that failed together.
pub fn backoff(attempt: u32, random: [u8; 16]) -> Duration {
    let doublings = attempt.saturating_sub(1).min(20);
    let bound = WAIT_MIN.saturating_mul(1 << doublings).min(WAIT_MAX);
    let [a, b, ..] = random;
    let part = u32::from(u16::from_be_bytes([a, b]));
    bound.mul_f64(f64::from(part) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_and_is_capped() {
        let longest = |attempt| backoff(attempt, [0xFF; 16]);
        assert_eq!([1, 2, 3].map(longest), [100, 200, 400].map(Duration::from_millis));
        assert_eq!([12, 1_000, u32::MAX].map(longest), [WAIT_MAX; 3]);
    }

    #[test]
    fn the_wait_is_anywhere_below_its_bound() {
        assert_eq!(backoff(5, [0; 16]), Duration::ZERO);
        let half = backoff(5, [0x80; 16]);
        assert!(half > Duration::from_millis(700) && half < Duration::from_millis(900), "{half:?}");
    }
}
