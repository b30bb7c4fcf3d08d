//! [`ClockSkew`]: how far a server's clock is from ours.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use oplogsync_core::store_error::StoreError;

use super::malformed;
use crate::{error::Failure, store::MongoStore};

/// How often the server is asked: the quickest answer is the best.
const SAMPLES: u32 = 5;

/// How far a server's clock is from ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockSkew {
    /// How many milliseconds the server's clock is ahead of ours; negative when it is behind.
    pub ahead_ms: i64,
    /// By how much that may be wrong: half of the way to the server and back, and the millisecond
    /// to which its clock is told.
    pub uncertainty: Duration,
}

impl ClockSkew {
    /// Whether the clocks differ by more than `tolerance` for certain.
    pub fn exceeds(&self, tolerance: Duration) -> bool {
        Duration::from_millis(self.ahead_ms.unsigned_abs()) > tolerance + self.uncertainty
    }
}

impl MongoStore {
    /// Compares the server's clock with ours.
    ///
    /// # Errors
    /// [`StoreError`] when it does not answer.
    pub async fn clock_skew(&self) -> Result<ClockSkew, StoreError> {
        self.measure_clock_skew().await.map_err(|failure| self.store_error("read the server's clock", failure))
    }

    async fn measure_clock_skew(&self) -> Result<ClockSkew, Failure> {
        let mut best: Option<ClockSkew> = None;
        for _ in 0..SAMPLES {
            let (started, start) = (Instant::now(), SystemTime::now());
            let hello = self.hello().await?;
            let took = started.elapsed();
            let theirs = hello.get_datetime("localTime").map_err(|_| malformed("the greeting has no localTime"))?;
            let skew = skew(start, took, theirs.timestamp_millis());
            if best.is_none_or(|best| skew.uncertainty < best.uncertainty) {
                best = Some(skew);
            }
        }
        best.ok_or_else(|| malformed("the greeting has no localTime"))
    }
}

/// What the answer `theirs`, in milliseconds since 1970, to a question asked at `start` says when it
/// took so long: it was written somewhere between, at best in the middle.
fn skew(start: SystemTime, took: Duration, theirs: i64) -> ClockSkew {
    let middle = start + took / 2;
    let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let ours = match middle.duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since),
        Err(before) => -millis(before.duration()),
    };
    ClockSkew { ahead_ms: theirs.saturating_sub(ours), uncertainty: took / 2 + Duration::from_millis(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_way_is_ours_and_all_of_it_is_doubt() {
        let start = UNIX_EPOCH + Duration::from_secs(1_000);
        let found = skew(start, Duration::from_millis(200), 1_000_100);
        assert_eq!(found, ClockSkew { ahead_ms: 0, uncertainty: Duration::from_millis(101) });
        assert_eq!(skew(start, Duration::from_millis(200), 1_005_100).ahead_ms, 5_000);
        assert_eq!(skew(start, Duration::ZERO, 990_000).ahead_ms, -10_000);
    }

    #[test]
    fn a_difference_within_the_doubt_does_not_count() {
        let skew = ClockSkew { ahead_ms: -1_050, uncertainty: Duration::from_millis(100) };
        assert!(!skew.exceeds(Duration::from_secs(1)));
        assert!(skew.exceeds(Duration::from_millis(900)));
    }
}
