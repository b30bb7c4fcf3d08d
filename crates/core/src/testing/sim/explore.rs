//! [`explore`]: many schedules, on all cores.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use super::{
    fault::Counts,
    schedule::{Report, Schedule, Violation},
};

/// What many schedules have shown.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// How many were run.
    pub schedules: u64,
    /// How many steps they took together.
    pub steps: u64,
    /// The fewest steps that one took.
    pub steps_min: u64,
    /// How often each fault happened.
    pub counts: Counts,
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Those of them that were acknowledged while things went wrong.
    pub acknowledged_early: u64,
    /// Schedules in which at least five were.
    pub busy: u64,
    /// Writes that were refused.
    pub refused: u64,
    /// Writes whose outcome their callers never learned.
    pub unknown: u64,
    /// Acknowledged writes that a replica, not too stale, does not hold in the end.
    pub lost: u64,
    /// Replicas that stopped as too stale.
    pub stale: u64,
    /// The violation with the smallest seed of those that were found.
    pub violation: Option<(Schedule, Violation)>,
}

impl Findings {
    fn add(&mut self, schedule: Schedule, report: Report) {
        self.steps_min = if self.schedules == 0 { report.steps } else { self.steps_min.min(report.steps) };
        self.schedules += 1;
        self.steps += report.steps;
        self.counts.add(&report.counts);
        self.acknowledged += report.acknowledged;
        self.acknowledged_early += report.acknowledged_early;
        self.busy += u64::from(report.acknowledged_early >= 5);
        self.refused += report.refused;
        self.unknown += report.unknown;
        self.lost += report.lost;
        self.stale += report.stale;
        let is_earlier = self.violation.as_ref().is_none_or(|(found, _)| schedule.seed < found.seed);
        if let Some(violation) = report.violation.filter(|_| is_earlier) {
            self.violation = Some((schedule, violation));
        }
    }
}

/// Runs the schedules that `schedule` makes of the seeds `first..first + count`, on all cores, until
/// one breaks a law.
pub fn explore(first: u64, count: u64, schedule: impl Fn(u64) -> Schedule + Sync) -> Findings {
    let (next, stop) = (AtomicU64::new(first), AtomicBool::new(false));
    let findings = Mutex::new(Findings::default());
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first.saturating_add(count) {
                        return;
                    }
                    let schedule = schedule(seed);
                    let report = schedule.run();
                    if report.violation.is_some() {
                        stop.store(true, Ordering::Relaxed);
                    }
                    findings.lock().unwrap_or_else(PoisonError::into_inner).add(schedule, report);
                }
            });
        }
    });
    findings.into_inner().unwrap_or_else(PoisonError::into_inner)
}
