//! [`Pace`]: how many entries a batch may have.

use std::time::Duration;

use crate::limits::Limits;

/// What a replicator begins with.
const FIRST: usize = 1000;
/// Nothing larger is tried behind a batch that took more: it is a long time without a checkpoint.
const SHORT: Duration = Duration::from_millis(250);
/// A batch that takes more is too large.
const LONG: Duration = Duration::from_secs(1);
/// How many batches of a size are looked at before it is judged, by the fastest.
const LOOKS: u32 = 2;
/// A size that is twice as large has to be so much faster, or the smaller one is kept.
const GAIN: f64 = 1.05;
/// After so many full batches the next larger size is tried again.
const REST: u32 = 200;

/// The size of batches, which adapts: full ones become larger, up to the limits, as long as that makes them
/// faster. It does where round trips and syncs are most of the work, and does not in every engine. A replica at the
/// head has small ones anyway.
#[derive(Debug)]
pub(super) struct Pace {
    limits: Limits,
    entries: usize,
    /// Entries a second, at most, with batches of this size, and how many of them were looked at.
    rate: f64,
    looks: u32,
    /// Entries a second with batches of half this size, if this one is on trial.
    smaller: Option<f64>,
    rest: u32,
}

impl Pace {
    pub(super) fn within(limits: Limits) -> Self {
        Self { limits, entries: FIRST.min(limits.entries_max), rate: 0.0, looks: 0, smaller: None, rest: 0 }
    }

    /// The bounds of the next batch.
    pub(super) fn limits(&self) -> Limits {
        Limits { entries_max: self.entries, ..self.limits }
    }

    /// Something has failed: perhaps the batch was too large.
    pub(super) fn restart(&mut self) {
        *self = Self::within(self.limits);
    }

    /// So many entries took so long to apply.
    pub(super) fn learn(&mut self, entries: usize, took: Duration) {
        if took > LONG {
            self.shrink();
            return;
        }
        // One that is not full says nothing, nor one that was asked for before the size has changed.
        if entries <= self.entries / 2 || entries > self.entries {
            return;
        }
        if self.rest > 0 {
            self.rest -= 1;
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "no batch has so many entries")]
        let rate = entries as f64 / took.as_secs_f64();
        self.rate = self.rate.max(rate);
        self.looks += 1;
        if self.looks < LOOKS {
            return;
        }
        if self.smaller.is_some_and(|smaller| self.rate < smaller * GAIN) {
            self.shrink();
        } else if took < SHORT && self.entries < self.limits.entries_max {
            let (entries, smaller) = (self.entries.saturating_mul(2).min(self.limits.entries_max), Some(self.rate));
            *self = Self { entries, smaller, ..Self::within(self.limits) };
        } else {
            (self.rate, self.looks) = (0.0, 0);
        }
    }

    fn shrink(&mut self) {
        let first = Self::within(self.limits);
        *self = Self { entries: (self.entries / 2).max(first.entries), rest: REST, ..first };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(entries_max: usize) -> Pace {
        Pace::within(Limits { entries_max, bytes_max: 1 })
    }

    /// The sizes of the next full batches, of which each takes what `took` says.
    fn sizes(pace: &mut Pace, batches: usize, took: impl Fn(usize) -> Duration) -> Vec<usize> {
        let mut seen = Vec::new();
        for _ in 0..batches {
            let entries = pace.limits().entries_max;
            seen.push(entries);
            pace.learn(entries, took(entries));
        }
        seen.dedup();
        seen
    }

    /// What most of the work is the same for, whatever the size.
    fn round_trips(_: usize) -> Duration {
        Duration::from_millis(10)
    }

    #[test]
    fn batches_grow_up_to_the_limit_while_larger_ones_are_faster() {
        let mut pace = pace(10_000);
        assert_eq!(sizes(&mut pace, 20, round_trips), [1000, 2000, 4000, 8000, 10_000]);
        assert_eq!(pace.limits().bytes_max, 1);
    }

    #[test]
    fn batches_stay_as_they_are_where_larger_ones_are_not_faster() {
        let each = |entries: usize| Duration::from_micros(entries as u64);
        assert_eq!(sizes(&mut pace(10_000), 100, each), [1000, 2000, 1000]);
    }

    #[test]
    fn a_larger_size_is_tried_again_after_a_while() {
        let mut pace = pace(10_000);
        sizes(&mut pace, 100, |entries| Duration::from_micros(entries as u64));
        assert_eq!(sizes(&mut pace, 300, round_trips), [1000, 2000, 4000, 8000, 10_000]);
    }

    #[test]
    fn batches_that_are_not_full_say_nothing() {
        let mut pace = pace(10_000);
        for _ in 0..100 {
            pace.learn(500, Duration::ZERO);
        }
        assert_eq!(pace.limits().entries_max, 1000);
    }

    #[test]
    fn batches_that_take_long_become_smaller_down_to_the_first_size() {
        let mut pace = pace(4000);
        assert_eq!(sizes(&mut pace, 20, round_trips), [1000, 2000, 4000]);
        assert_eq!(sizes(&mut pace, 20, |_| Duration::from_secs(2)), [4000, 2000, 1000]);
    }

    #[test]
    fn after_a_failure_it_begins_again() {
        let mut pace = pace(10_000);
        sizes(&mut pace, 20, round_trips);
        pace.restart();
        assert_eq!(sizes(&mut pace, 4, round_trips), [1000, 2000]);
    }

    #[test]
    fn a_limit_below_the_first_size_holds() {
        let mut pace = pace(7);
        assert_eq!(sizes(&mut pace, 20, round_trips), [7]);
        assert_eq!(sizes(&mut pace, 20, |_| Duration::from_secs(9)), [7]);
    }
}
