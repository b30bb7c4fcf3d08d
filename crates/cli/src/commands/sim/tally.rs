//! [`Tally`]: the sum of what many schedules have shown.

use oplogsync_core::testing::sim::{FaultKind, Findings, Schedule, Violation};

/// What the schedules so far have shown.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) schedules: u64,
    pub(super) steps: u64,
    pub(super) acknowledged: u64,
    pub(super) refused: u64,
    pub(super) unknown: u64,
    pub(super) stale: u64,
    /// As the schedules count it: what it means is for [`Tally::lost`] to say.
    lost: u64,
    /// In the order of [`FaultKind::ALL`].
    counts: [u64; FaultKind::ALL.len()],
    pub(super) violation: Option<(Schedule, Violation)>,
}

impl Tally {
    pub(super) fn add(&mut self, findings: Findings) {
        self.schedules += findings.schedules;
        self.steps += findings.steps;
        self.acknowledged += findings.acknowledged;
        self.refused += findings.refused;
        self.unknown += findings.unknown;
        self.stale += findings.stale;
        self.lost += findings.lost;
        for (sum, kind) in self.counts.iter_mut().zip(FaultKind::ALL) {
            *sum += findings.counts.of(*kind);
        }
        self.violation = self.violation.take().or(findings.violation);
    }

    /// How many acknowledged writes are lost; unknown when a law was broken, since the run of that
    /// schedule ended there. Where the laws are checked and hold, none is: that is what they say.
    pub(super) fn lost(&self) -> Option<u64> {
        if self.violation.is_some() { None } else { Some(self.lost) }
    }

    /// How often a fault happened.
    pub(super) fn count_of(&self, kind: FaultKind) -> u64 {
        self.counts.get(kind as usize).copied().unwrap_or(0)
    }
}
