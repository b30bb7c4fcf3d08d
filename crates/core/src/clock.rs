//! [`OpTime`] and the hybrid logical clock that issues it.
//!
//! After Kulkarni et al., "Logical Physical Clocks" (2014), in the 64 bits of a BSON timestamp.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

const COUNTER_BITS: u32 = 22;

/// A hybrid logical clock stamp: for lag, for people, and to order concurrent writes.
/// Never used as a cursor.
///
/// The 64 bits order like a BSON `Timestamp`: the seconds since 1970 in the high half; in the
/// low half (the timestamp's increment) the milliseconds within the second in the 10 high bits,
/// and a counter in the 22 low bits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpTime(u64);

impl OpTime {
    /// The stamp from the two halves of a BSON timestamp.
    pub fn from_timestamp(seconds: u32, increment: u32) -> Self {
        Self(u64::from(seconds) << 32 | u64::from(increment))
    }

    /// The two halves of a BSON timestamp: seconds and increment.
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of 64 bits")]
    pub fn to_timestamp(self) -> (u32, u32) {
        ((self.0 >> 32) as u32, self.0 as u32)
    }

    /// The eight bytes of a BSON timestamp.
    pub(crate) fn to_bson_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    /// The first stamp of the millisecond in which `wall` lies.
    ///
    /// Times before 1970 and after 2106 count as the nearest that can be told.
    pub fn from_wall(wall: SystemTime) -> Self {
        let since = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds = u32::try_from(since.as_secs()).unwrap_or(u32::MAX);
        Self::from_timestamp(seconds, since.subsec_millis() << COUNTER_BITS)
    }

    /// Milliseconds since 1970.
    pub fn unix_millis(self) -> u64 {
        let (seconds, increment) = self.to_timestamp();
        // An increment that another tool wrote may name more than 999 milliseconds.
        u64::from(seconds) * 1000 + u64::from(increment >> COUNTER_BITS).min(999)
    }

    /// The time from `earlier` to this stamp; zero when it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.unix_millis().saturating_sub(earlier.unix_millis()))
    }
}

impl fmt::Display for OpTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, increment) = self.to_timestamp();
        write!(f, "{seconds}.{increment}")
    }
}

impl fmt::Debug for OpTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A hybrid logical clock: every stamp is greater than all stamps issued or seen before, and
/// as close to the wall clock as that allows.
#[derive(Debug, Clone, Default)]
pub struct HybridClock {
    last: OpTime,
}

impl HybridClock {
    /// A clock that has seen `last`, for example the optime of the newest entry of a log.
    pub fn after(last: OpTime) -> Self {
        Self { last }
    }

    /// The next stamp, at wall time `wall`.
    ///
    /// When the wall clock stands still or steps back, the counter counts on; when the counter
    /// is used up (4,194,304 stamps in a millisecond) it runs over into the next millisecond.
    pub fn tick(&mut self, wall: SystemTime) -> OpTime {
        let now = OpTime::from_wall(wall);
        self.last = if now > self.last { now } else { OpTime(self.last.0.saturating_add(1)) };
        self.last
    }

    /// Takes note of a stamp of another node.
    pub fn observe(&mut self, seen: OpTime) {
        self.last = self.last.max(seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }

    #[test]
    fn a_stamp_tells_its_millisecond() {
        assert_eq!(OpTime::from_wall(at(1_761_148_912_513)).unix_millis(), 1_761_148_912_513);
    }

    #[test]
    fn stamps_rise_though_the_wall_clock_stands_still_or_steps_back() {
        let mut clock = HybridClock::default();
        let stamps = [at(5_000), at(5_000), at(4_000), at(1), at(5_001)].map(|wall| clock.tick(wall));
        assert!(stamps.is_sorted_by(|a, b| a < b), "{stamps:?}");
        assert_eq!(stamps.last().map(|stamp| stamp.unix_millis()), Some(5_001));
    }

    #[test]
    fn a_stamp_is_later_than_any_that_was_observed() {
        let mut clock = HybridClock::default();
        let far = OpTime::from_timestamp(9_000, 7);
        clock.observe(far);
        assert!(clock.tick(at(1_000)) > far);
    }

    #[test]
    fn lag_is_never_negative() {
        let (early, late) = (OpTime::from_wall(at(1_000)), OpTime::from_wall(at(3_500)));
        assert_eq!(late.since(early), Duration::from_millis(2_500));
        assert_eq!(early.since(late), Duration::ZERO);
    }
}
