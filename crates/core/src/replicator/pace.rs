//! [`Pace`]: how many entries a batch may have.

use std::time::Duration;

use crate::limits::Limits;

/// What a replicator begins with.
const FIRST: usize = 1000;
/// A batch that takes less is mostly round trips and syncs, which a larger one shares among more entries.
const SHORT: Duration = Duration::from_millis(250);
/// A batch that takes more is a long time without a checkpoint.
const LONG: Duration = Duration::from_secs(1);

/// Batches grow, up to the limits, while full ones are applied quickly, and shrink again when they are not. A
/// replica at the head has small ones anyway.
#[derive(Debug)]
pub(super) struct Pace {
    limits: Limits,
    entries: usize,
}

impl Pace {
    pub(super) fn within(limits: Limits) -> Self {
        Self { limits, entries: FIRST.min(limits.entries_max) }
    }

    /// The bounds of the next batch.
    pub(super) fn limits(&self) -> Limits {
        Limits { entries_max: self.entries, ..self.limits }
    }

    /// So many entries took so long to apply.
    pub(super) fn learn(&mut self, entries: usize, took: Duration) {
        if took > LONG {
            self.entries = (self.entries / 2).max(FIRST.min(self.limits.entries_max));
        } else if took < SHORT && entries > self.entries / 2 {
            self.entries = self.entries.saturating_mul(2).min(self.limits.entries_max);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(entries_max: usize) -> Pace {
        Pace::within(Limits { entries_max, bytes_max: 1 })
    }

    #[test]
    fn full_batches_that_are_short_grow_up_to_the_limit() {
        let mut pace = pace(10_000);
        let mut seen = Vec::new();
        for _ in 0..6 {
            let entries = pace.limits().entries_max;
            seen.push(entries);
            pace.learn(entries, Duration::from_millis(10));
        }
        assert_eq!(seen, [1000, 2000, 4000, 8000, 10_000, 10_000]);
        assert_eq!(pace.limits().bytes_max, 1);
    }

    #[test]
    fn batches_that_are_not_full_do_not_grow() {
        let mut pace = pace(10_000);
        pace.learn(500, Duration::ZERO);
        assert_eq!(pace.limits().entries_max, 1000);
    }

    #[test]
    fn batches_that_take_long_shrink_to_what_was_first_and_no_further() {
        let mut pace = pace(4000);
        pace.learn(1000, Duration::ZERO);
        pace.learn(2000, Duration::from_millis(500));
        assert_eq!(pace.limits().entries_max, 2000, "neither short nor long");
        for expected in [1000, 1000] {
            pace.learn(2000, Duration::from_secs(2));
            assert_eq!(pace.limits().entries_max, expected);
        }
    }

    #[test]
    fn a_limit_below_the_first_holds() {
        let mut pace = pace(7);
        pace.learn(7, Duration::ZERO);
        pace.learn(7, Duration::from_secs(9));
        assert_eq!(pace.limits().entries_max, 7);
    }
}
