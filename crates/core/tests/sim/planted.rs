//! The prover is proved: mistakes that are made on purpose are found, and shrunk.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use oplogsync_core::{
    planted::{Bug, with_planted},
    testing::sim::{Schedule, Violation, shrink},
};

/// Within how many schedules a mistake has to be found.
const SCHEDULES_MAX: u64 = 5_000;

/// How many schedules it takes to find a planted bug, and which law it breaks.
fn find(bug: Bug) -> Option<(u64, Violation)> {
    with_planted(bug, || {
        (0..SCHEDULES_MAX).find_map(|seed| Schedule::new(seed).run().violation.map(|violation| (seed + 1, violation)))
    })
}

#[test]
fn every_planted_bug_is_found() {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            scope.spawn(|| {
                while let Some(bug) = Bug::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = find(*bug);
                    found.lock().unwrap().push((format!("{bug:?}"), result));
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap();
    found.sort_unstable_by_key(|(bug, _)| bug.clone());
    eprintln!("{:<26} {:>9}  law", "planted bug", "schedules");
    for (bug, result) in &found {
        match result {
            Some((schedules, violation)) => eprintln!("{bug:<26} {schedules:>9}  {}", violation.law),
            None => eprintln!("{bug:<26} not found"),
        }
    }
    let missed: Vec<_> = found.iter().filter(|(_, result)| result.is_none()).map(|(bug, _)| bug).collect();
    assert!(missed.is_empty(), "not found within {SCHEDULES_MAX} schedules: {missed:?}");
    assert!(found.len() >= 12);
}

#[test]
fn a_schedule_that_breaks_a_law_is_shrunk_to_one_that_breaks_it_too() {
    with_planted(Bug::FoldDropsDelete, || {
        let failing = |seed| Schedule::new(seed).run().violation.map(|violation| (Schedule::new(seed), violation));
        let (schedule, violation) = (0..SCHEDULES_MAX).find_map(failing).unwrap();

        let shrunk = shrink(schedule);

        assert_eq!(shrunk.run().violation.unwrap().law, violation.law);
        assert!(shrunk.faults.iter().count() < schedule.faults.iter().count(), "{shrunk:?}");
        assert!(shrunk.steps < schedule.steps, "{shrunk:?}");
    });
}
