//! The simulator over many schedules.
use oplogsync_core::testing::sim::{FaultKind, Schedule, explore, shrink};

#[test]
fn whatever_the_schedule_the_laws_hold() {
    let start = std::time::Instant::now();
    let count = std::env::var("OPLOGSYNC_SCHEDULES").map_or(1000, |text| text.parse().unwrap());
    let findings = explore(0, count, Schedule::new);
    eprintln!(
        "{:?} {} schedules {} steps, min {}, acked {} refused {} unknown {} stale {}",
        start.elapsed(),
        findings.schedules,
        findings.steps,
        findings.steps_min,
        findings.acknowledged,
        findings.refused,
        findings.unknown,
        findings.stale
    );
    for kind in FaultKind::ALL {
        eprintln!("{kind:<20} {}", findings.counts.of(*kind));
    }
    if let Some((schedule, violation)) = findings.violation {
        eprintln!("{schedule:?}: {violation}");
        let small = shrink(schedule);
        eprintln!("{small:?}: {:?}", small.faults.iter().collect::<Vec<_>>());
        small.watch(|line| eprintln!("{line}"));
        panic!();
    }
}

#[test]
fn watch_one() {
    let Ok(seed) = std::env::var("OPLOGSYNC_SEED") else { return };
    let report = Schedule::new(seed.parse().unwrap()).watch(|line| eprintln!("{line}"));
    eprintln!("{report:?}");
}

#[test]
fn seed_loses() {
    use oplogsync_core::testing::sim::Algorithm;
    let findings = explore(0, 1000, |seed| Schedule { algorithm: Algorithm::Seed, ..Schedule::new(seed) });
    eprintln!("seed: acked {} lost {} violation {:?}", findings.acknowledged, findings.lost, findings.violation);
}

#[test]
fn planted() {
    use oplogsync_core::planted::{Bug, with_planted};
    for bug in Bug::ALL {
        let start = std::time::Instant::now();
        let found = with_planted(*bug, || {
            (0..8000).find_map(|seed| {
                let s = Schedule::new(seed);
                s.run().violation.map(|v| (seed, s, v))
            })
        });
        match found {
            Some((seed, _s, v)) => eprintln!(
                "{bug:?} {} {:?} {}",
                seed + 1,
                start.elapsed(),
                &v.to_string().chars().take(160).collect::<String>()
            ),
            None => eprintln!("{bug:?} NOT FOUND {:?}", start.elapsed()),
        }
    }
}
#[test]
fn planted_one() {
    use oplogsync_core::planted::{Bug, with_planted};
    let Ok(name) = std::env::var("BUG") else { return };
    let bug = *Bug::ALL.iter().find(|b| format!("{b:?}") == name).unwrap();
    let mut hits = 0;
    for seed in 0..8000 {
        if let Some(v) = with_planted(bug, || Schedule::new(seed).run()).violation {
            hits += 1;
            if hits < 5 {
                eprintln!("{seed} {v}");
            }
        }
    }
    eprintln!("{hits} hits");
}
