//! [`Totals`]: what has happened in all cases: a law that held because nothing happened proves nothing.

use oplogsync_core::testing::faulty::Tally;

/// What has happened.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) cases: u64,
    /// What the targets were made to do.
    pub(crate) tally: Tally,
    /// Copies that went on where they were cut off.
    pub(crate) resumed: u64,
    /// Commands that made collections be copied again.
    pub(crate) again: u64,
    /// Failures that passed.
    pub(crate) retries: u64,
}

impl Totals {
    /// The same with what a target was made to do.
    pub(crate) fn of(self, tally: Tally) -> Self {
        assert_eq!(tally.false_fresh, 0, "a part that was said to be empty was not");
        assert!(tally.ended > 0 || tally.wiped == 0, "the catch-up has ended");
        Self { tally, ..self }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            cases: self.cases,
            tally: self.tally.and(other.tally),
            resumed: self.resumed + other.resumed,
            again: self.again + other.again,
            retries: self.retries + other.retries,
        }
    }

    /// In a run of several cases each of these has happened. What is asked for is far below what is usual: the
    /// cases are made up anew each time.
    pub(crate) fn assert_none_is_rare(&self) {
        let Tally { wiped, pieces, ran, passed_over, deferred, cleared, ended, .. } = self.tally;
        self.assert_often("pieces copied", pieces, 2);
        self.assert_often("copies begun", wiped, 1);
        self.assert_often("catch-ups ended", ended, 1);
        self.assert_often("failures that passed", self.retries, 1);
        for (what, count) in [
            ("copies gone on with", self.resumed),
            ("collections copied again", self.again),
            ("commands run while catching up", ran),
            ("commands whose effect was copied", passed_over),
            ("commands deferred", deferred),
            ("databases cleared", cleared),
        ] {
            assert!(count * 60 >= self.cases, "{what}: only {count}: {self:?}");
        }
    }

    pub(crate) fn assert_snapshots_were_used(&self) {
        self.assert_often("entries skipped", self.tally.skipped, 1);
        assert!(self.tally.parted * 4 >= self.cases, "too few collections in several parts: {self:?}");
    }

    pub(crate) fn assert_entries_were_replayed(&self) {
        self.assert_often("entries replayed", self.tally.replayed, 1);
    }

    fn assert_often(&self, what: &str, count: u64, per_case: u64) {
        assert!(count >= per_case * self.cases, "{what}: only {count}: {self:?}");
    }
}
