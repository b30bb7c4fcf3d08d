//! [`shrink`]: the least that still breaks the same law.

use super::schedule::Schedule;

/// Takes faults and steps away from a schedule that breaks a law, as long as it breaks that law and
/// there is something to take. One that breaks none is returned as it is.
pub fn shrink(schedule: Schedule) -> Schedule {
    let Some(found) = schedule.run().violation else { return schedule };
    let fails = |candidate: &Schedule| candidate.run().violation.is_some_and(|violation| violation.law == found.law);
    let mut smallest = schedule;
    loop {
        let smaller = with_fewer_steps(with_fewer_faults(smallest, fails), fails);
        if smaller == smallest {
            return smallest;
        }
        smallest = smaller;
    }
}

fn with_fewer_faults(mut smallest: Schedule, fails: impl Fn(&Schedule) -> bool) -> Schedule {
    for kind in smallest.faults.iter() {
        let candidate = Schedule { faults: smallest.faults.without(kind), ..smallest };
        if fails(&candidate) {
            smallest = candidate;
        }
    }
    smallest
}

/// Whether fewer steps still fail does not fall with their number alone: the halving finds a small
/// number, not always the smallest.
fn with_fewer_steps(schedule: Schedule, fails: impl Fn(&Schedule) -> bool) -> Schedule {
    let (mut passes, mut breaks) = (0, schedule.steps);
    while breaks - passes > 1 {
        let middle = passes + (breaks - passes) / 2;
        if fails(&Schedule { steps: middle, ..schedule }) { breaks = middle } else { passes = middle }
    }
    Schedule { steps: breaks, ..schedule }
}
