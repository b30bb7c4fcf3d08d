//! The laws hold in every schedule, and a schedule is one and the same each time.

use std::{
    env,
    sync::{Arc, Mutex},
    time::Instant,
};

use oplogsync_core::testing::sim::{Algorithm, FaultKind, Faults, Findings, Schedule, VICTIMS, explore, shrink};

/// How many schedules are run unless told otherwise. The gate runs 100,000.
const SCHEDULES: u64 = 2_000;

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}")))
}

/// Fails with the seed, the shrunk schedule and how to see it, if a law was broken.
fn assert_all_laws_hold(findings: &Findings) {
    let Some((schedule, violation)) = &findings.violation else { return };
    let shrunk = shrink(*schedule);
    let faults: Vec<&str> = shrunk.faults.iter().map(FaultKind::name).collect();
    let faults = if faults.is_empty() { "none".to_owned() } else { faults.join(",") };
    panic!(
        "seed {}: {violation}\nit is replayed by (unless it names a kill)\n  OPLOGSYNC_SEED={} cargo test -p oplogsync-core --test sim one_schedule -- --nocapture\n\
         and shrunk by\n  oplogsync sim --seed {} --steps {} --faults {}\nshrunk: {shrunk:?}",
        schedule.seed, schedule.seed, shrunk.seed, shrunk.steps, faults
    );
}

#[test]
fn whatever_goes_wrong_the_laws_hold_and_everything_converges() {
    let (first, count) =
        (number("OPLOGSYNC_FIRST_SEED").unwrap_or(0), number("OPLOGSYNC_SCHEDULES").unwrap_or(SCHEDULES));
    let start = Instant::now();

    let findings = explore(first, count, Schedule::new);

    assert_all_laws_hold(&findings);
    eprintln!(
        "{} schedules of at least {} steps, {} steps in all, in {:?}: {} writes acknowledged, {} refused, {} unknown, 0 violations",
        findings.schedules,
        findings.steps_min,
        findings.steps,
        start.elapsed(),
        findings.acknowledged,
        findings.refused,
        findings.unknown
    );
    assert_eq!(findings.schedules, count);
    assert!(findings.steps_min >= 200, "a schedule of only {} steps", findings.steps_min);
    // A schedule in which nothing is written proves little.
    assert!(findings.busy * 10 >= count * 8, "only {} of {count} schedules are busy", findings.busy);
    assert_eq!(findings.lost, 0);
    // Faults that never happen prove nothing: each a thousand times in the gate's hundred thousand.
    let least = count / 100;
    for kind in FaultKind::ALL {
        let times = findings.counts.of(*kind);
        eprintln!("{kind:<20} {times:>10}");
        assert!(times >= least.min(1_000), "{kind} happened {times} times in {count} schedules");
    }
}

#[test]
fn the_same_seed_makes_the_same_run() {
    for seed in 0..1_000 {
        let schedule = Schedule::new(seed);
        assert_eq!(schedule.run(), schedule.run(), "seed {seed}");
    }
}

/// Nothing else goes wrong, so that each death is met by itself.
#[test]
fn a_death_of_any_process_at_any_step_breaks_no_law() {
    let faults: Faults =
        [FaultKind::LostUnsynced, FaultKind::TornBatch, FaultKind::RetentionRace].into_iter().collect();
    for (seed, steps) in [(3, 1_200), (8, 400)] {
        let calm = Schedule { steps, faults, ..Schedule::new(seed) };
        let victims = VICTIMS as u64;

        let findings = explore(0, steps * victims, |case| {
            let victim = usize::try_from(case % victims).unwrap();
            Schedule { kill: Some((case / victims, victim)), ..calm }
        });

        assert_all_laws_hold(&findings);
        let deaths = findings.counts.of(FaultKind::ProcessCrash) + findings.counts.of(FaultKind::NodeCrash);
        let lost = findings.counts.of(FaultKind::LostUnsynced);
        eprintln!("{deaths} deaths in {} runs, in {lost} of them something was lost", findings.schedules);
        // Two of the nine take no part here, and one that has died before cannot die again.
        assert!(deaths > steps * 6, "only {deaths} deaths");
        assert!(lost > 20, "only {lost} times something was lost");
    }
}

/// Shows one schedule, that of `OPLOGSYNC_SEED`.
#[test]
fn one_schedule_runs_the_same_whether_or_not_somebody_watches() {
    let seed = number("OPLOGSYNC_SEED");
    let schedule = Schedule::new(seed.unwrap_or(6));
    let lines = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&lines);

    let watched = schedule.watch(move |line| {
        if seed.is_some() {
            eprintln!("{line}");
        }
        told.lock().unwrap().push(line.to_owned());
    });

    if seed.is_none() {
        assert!(lines.lock().unwrap().iter().any(|line| line.contains("to db1: append")));
    }
    assert_eq!(watched, schedule.run());
    assert_eq!(watched.violation, None);
}

#[test]
fn the_seeds_algorithm_loses_acknowledged_writes_where_ours_loses_none() {
    let seeds = explore(0, 300, |seed| Schedule { algorithm: Algorithm::Seed, ..Schedule::new(seed) });
    let ours = explore(0, 300, Schedule::new);

    eprintln!(
        "the seed's: {} of {} lost; ours: {} of {}",
        seeds.lost, seeds.acknowledged, ours.lost, ours.acknowledged
    );
    assert_all_laws_hold(&ours);
    assert!(seeds.lost > 20, "only {} of {} lost", seeds.lost, seeds.acknowledged);
    assert!(ours.acknowledged > 1_000);
}
