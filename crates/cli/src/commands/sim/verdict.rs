//! [`Verdict`]: a broken law, and how to see it again.

use oplogsync_core::testing::sim::{FaultKind, Schedule, Violation, shrink};
use serde_json::{Value, json};

use super::compute;
use crate::{
    args::Simulated,
    failure::Failure,
    fault_list::FaultList,
    out::{Out, Tone},
    show::counted,
    signals::Shutdown,
};

/// A schedule that breaks a law.
#[derive(Debug)]
pub(super) struct Verdict {
    found: Schedule,
    violation: Violation,
    /// The least of it that still breaks the law.
    smallest: Schedule,
}

impl Verdict {
    /// Shrinks the schedule; when a stop is asked for, it stays as it was found.
    pub(super) async fn reach(found: Schedule, violation: Violation, shutdown: &Shutdown) -> Result<Self, Failure> {
        let smallest = compute(shutdown, move || shrink(found)).await?.unwrap_or(found);
        Ok(Self { found, violation, smallest })
    }

    /// Says which law is broken, and the command that shows it.
    pub(super) fn tell(&self, out: &mut Out) -> Result<(), Failure> {
        let [broken, rest @ ..] = &self.lines()[..] else { return Ok(()) };
        out.line(out.tone(Tone::Bad, broken))?;
        rest.iter().try_for_each(|line| out.line(line))?;
        Ok(())
    }

    fn lines(&self) -> Vec<String> {
        let Self { found, violation, smallest } = self;
        let mut lines = vec![format!("✗ seed {}: {violation}", found.seed)];
        if smallest != found {
            lines.push(format!("  shrunk from {} to {}", size(found), size(smallest)));
        }
        lines.push(format!("replay: {}", replay(smallest)));
        lines
    }

    pub(super) fn as_json(&self) -> Value {
        let Self { found, violation, smallest } = self;
        json!({
            "seed": found.seed,
            "law": violation.law,
            "step": violation.step,
            "what": violation.what,
            "shrunk": {
                "steps": smallest.steps,
                "faults": smallest.faults.iter().map(FaultKind::name).collect::<Vec<_>>(),
            },
            "replay": replay(smallest),
        })
    }
}

fn size(schedule: &Schedule) -> String {
    let faults = schedule.faults.iter().count() as u64;
    format!("{} and {}", counted(schedule.steps, "step", "steps"), counted(faults, "fault", "faults"))
}

/// The command that shows a schedule.
fn replay(schedule: &Schedule) -> String {
    let mut parts = vec![format!("oplogsync sim --seed {} --steps {}", schedule.seed, schedule.steps)];
    if schedule.faults != Schedule::new(schedule.seed).faults {
        parts.push(format!("--faults {}", FaultList(schedule.faults)));
    }
    let simulated = Simulated::from(schedule.algorithm);
    if simulated != Simulated::Oplogsync {
        parts.push(format!("--algorithm {}", simulated.name()));
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use oplogsync_core::testing::sim::{Algorithm, Faults};

    use super::*;
    use crate::args::{Args, Command};

    fn some_faults() -> Faults {
        [FaultKind::NodeCrash, FaultKind::Delay].into_iter().collect()
    }

    #[test]
    fn the_printed_command_replays_the_very_schedule() {
        let usual = Schedule::new(4712);
        for schedule in [
            usual,
            Schedule { steps: 1, faults: some_faults(), ..usual },
            Schedule { faults: Faults::NONE, ..Schedule::new(u64::MAX / 2) },
            Schedule { algorithm: Algorithm::Seed, faults: Faults::all().without(FaultKind::Pause), ..usual },
        ] {
            let command = replay(&schedule);
            let args = Args::try_parse_from(command.split(' ')).unwrap();
            let Command::Sim(args) = args.command else { panic!("{command}") };
            assert_eq!(args.watched(), Some(schedule), "{command}");
        }
    }

    fn verdict(smallest: Schedule) -> Verdict {
        let violation = Violation { law: "L5 prefix", step: 812, what: "db2 at 3".to_owned() };
        Verdict { found: Schedule { steps: 1000, ..Schedule::new(4712) }, violation, smallest }
    }

    fn shrunk() -> Schedule {
        Schedule { steps: 212, faults: some_faults(), ..Schedule::new(4712) }
    }

    #[test]
    fn a_broken_law_is_told_with_the_way_to_see_it_again() {
        let expected = [
            "✗ seed 4712: L5 prefix broken at step 812: db2 at 3",
            "  shrunk from 1000 steps and 20 faults to 212 steps and 2 faults",
            "replay: oplogsync sim --seed 4712 --steps 212 --faults node-crash,delay",
        ];
        assert_eq!(verdict(shrunk()).lines(), expected);
    }

    #[test]
    fn what_does_not_shrink_is_not_said_to_have_shrunk() {
        let found = Schedule { steps: 1000, ..Schedule::new(4712) };
        let lines = verdict(found).lines();
        assert_eq!(lines[1..], ["replay: oplogsync sim --seed 4712 --steps 1000"]);
    }

    #[test]
    fn a_broken_law_is_told_to_programs_with_its_least_schedule() {
        let expected = json!({
            "seed": 4712,
            "law": "L5 prefix",
            "step": 812,
            "what": "db2 at 3",
            "shrunk": { "steps": 212, "faults": ["node-crash", "delay"] },
            "replay": "oplogsync sim --seed 4712 --steps 212 --faults node-crash,delay",
        });
        assert_eq!(verdict(shrunk()).as_json(), expected);
    }
}
