//! [`shrink`]: the least that still breaks the same law.

use super::schedule::Schedule;

/// Takes faults and steps away from a schedule that breaks a law, as long as it breaks that law.
/// One that breaks none is returned as it is.
pub fn shrink(schedule: Schedule) -> Schedule {
    let Some(found) = schedule.run().violation else { return schedule };
    let fails = |candidate: &Schedule| candidate.run().violation.is_some_and(|violation| violation.law == found.law);
    let mut smallest = schedule;
    for kind in schedule.faults.iter() {
        let candidate = Schedule { faults: smallest.faults.without(kind), ..smallest };
        if fails(&candidate) {
            smallest = candidate;
        }
    }
    // Whether fewer steps still fail does not rise with their number alone: the halving finds a
    // small number, not always the smallest.
    let (mut passes, mut breaks) = (0, smallest.steps);
    while breaks - passes > 1 {
        let middle = passes + (breaks - passes) / 2;
        if fails(&Schedule { steps: middle, ..smallest }) { breaks = middle } else { passes = middle }
    }
    Schedule { steps: breaks, ..smallest }
}
