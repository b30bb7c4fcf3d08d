//! The nemesis: makes things go wrong, now and then, until all has to be quiet.

use super::{
    fault::FaultKind,
    network::Cut,
    process::{Node, Process},
    processes,
    world::{MILLI, Micros, SECOND, Sim, World},
};

/// The faults that come from here. The others happen to single messages, or follow from these.
const INFLICTED: [FaultKind; 9] = [
    FaultKind::ProcessCrash,
    FaultKind::NodeCrash,
    FaultKind::Partition,
    FaultKind::OneWayPartition,
    FaultKind::SlowNode,
    FaultKind::ClockJump,
    FaultKind::ClockDrift,
    FaultKind::Pause,
    FaultKind::FullDisk,
];
/// The most steps from one fault to the next, in the wildest schedules.
const STEPS_BETWEEN: u64 = 120;
/// A pause that is longer than the leases live.
const LONG_PAUSE: Micros = 4 * SECOND;

/// Makes something go wrong, if it is time for that. Counted in steps, because virtual time flies
/// while everything waits.
pub(super) fn strike(sim: &Sim) {
    let restart = {
        let mut world = sim.world();
        let Some(steps) = world.steps_begun().filter(|steps| *steps >= world.strikes_at && !world.quiet) else {
            return;
        };
        let is_first = world.strikes_at == 0;
        let pause = world.random.nemesis.below(STEPS_BETWEEN) * world.schedule.calm();
        world.strikes_at = steps + 1 + pause;
        if is_first { None } else { world.inflict_some() }
    };
    if let Some((process, delay)) = restart {
        start_later(sim, process, delay);
    }
}

/// Kills a program or the server of a node, and starts it again after a while.
pub(super) fn crash(sim: &Sim, process: Process) {
    let restart = sim.world().crash_process(process);
    if let Some((process, delay)) = restart {
        start_later(sim, process, delay);
    }
}

fn start_later(sim: &Sim, process: Process, delay: Micros) {
    let later = sim.clone();
    sim.start(Process::Network, async move {
        later.sleep(delay).await;
        match process {
            Process::Server(node) => later.world().node_mut(node).is_up = true,
            program => processes::start(&later, program),
        }
    });
}

impl World {
    /// Makes one of the things go wrong that may.
    fn inflict_some(&mut self) -> Option<(Process, Micros)> {
        let possible: Vec<FaultKind> = INFLICTED.into_iter().filter(|kind| self.may(*kind)).collect();
        let chosen = usize::try_from(self.random.nemesis.below(possible.len() as u64)).unwrap_or(0);
        self.inflict(*possible.get(chosen)?)
    }

    /// Makes one thing go wrong; returns what is to be started again, and when.
    fn inflict(&mut self, kind: FaultKind) -> Option<(Process, Micros)> {
        let program = self.some(&Process::PROGRAMS);
        let node = self.some(&Node::ALL);
        let (short, long) = (self.up_to(3 * SECOND), self.up_to(10 * SECOND));
        // Those that write matter most, and where they write.
        let primary = Process::Primary(usize::try_from(short % 2).unwrap_or(0));
        let (program, node) =
            if long % 3 == 0 || self.schedule.is_about_takeovers() { (primary, Node::SOURCE) } else { (program, node) };
        let of_program = matches!(kind, FaultKind::Pause | FaultKind::ClockJump | FaultKind::ClockDrift);
        if of_program && !self.running.contains(&program) {
            return None;
        }
        match kind {
            FaultKind::ProcessCrash => return self.crash_process(program),
            // In the middle of what it is about to do, or now.
            FaultKind::NodeCrash if short % 2 == 1 => self.node_mut(node).dies_within = true,
            FaultKind::NodeCrash if short % 4 == 2 => self.node_mut(node).dies_after = Some(1 + long % 8),
            FaultKind::NodeCrash => return self.crash_process(Process::Server(node)),
            FaultKind::Partition => {
                self.cut(Cut { process: program, node, requests: true, replies: true, until: self.now + long });
                self.tell(|| format!("nothing passes between {program} and {}", node.name()));
            }
            FaultKind::OneWayPartition => {
                let requests = self.random.nemesis.below(2) == 0;
                self.cut(Cut { process: program, node, requests, replies: !requests, until: self.now + long });
                let what = if requests { "requests" } else { "replies" };
                self.tell(|| format!("no {what} pass between {program} and {}", node.name()));
            }
            FaultKind::SlowNode => {
                self.node_mut(node).slow_until = self.now + short;
                self.count(FaultKind::SlowNode);
                self.tell(|| format!("{} is slow", node.name()));
            }
            FaultKind::FullDisk => {
                self.node_mut(node).full_until = self.now + short;
                self.tell(|| format!("{} has no space left", node.name()));
            }
            FaultKind::Pause => {
                let pause = if long % 2 == 0 || self.schedule.is_about_takeovers() { LONG_PAUSE + long } else { short };
                let until = self.now + pause;
                if pause >= LONG_PAUSE {
                    self.count(FaultKind::Pause);
                }
                if let Some(condition) = self.condition_mut(program) {
                    condition.paused_until = until;
                }
                self.tell(|| format!("{program} stands still for {} ms", pause / MILLI));
            }
            FaultKind::ClockJump => {
                let sizes = [SECOND, 60 * SECOND, 3_600 * SECOND, 365 * 24 * 3_600 * SECOND];
                let size = self.some(&sizes);
                let jump = i64::try_from(self.up_to(size)).unwrap_or(0);
                let jump = if short % 2 == 0 { jump } else { -jump };
                self.count(FaultKind::ClockJump);
                if let Some(condition) = self.condition_mut(program) {
                    condition.clock_offset = jump;
                }
                self.tell(|| format!("the clock of {program} is now {jump} µs wrong"));
            }
            FaultKind::ClockDrift => {
                let drift = i64::try_from(self.random.nemesis.below(201)).unwrap_or(0) - 100;
                self.count(FaultKind::ClockDrift);
                if let Some(condition) = self.condition_mut(program) {
                    condition.clock_drift = drift;
                }
                self.tell(|| format!("the clock of {program} drifts by {drift} thousandths"));
            }
            _ => {}
        }
        None
    }

    /// Kills something that runs; returns when it is to start again.
    fn crash_process(&mut self, process: Process) -> Option<(Process, Micros)> {
        let delay = self.up_to(3 * SECOND);
        match process {
            Process::Server(node) if self.node(node).is_up => self.crash(node),
            Process::Server(_) => return None,
            program => {
                if !self.stop_program(program) {
                    return None;
                }
                self.count(FaultKind::ProcessCrash);
                self.tell(|| format!("{program} is killed"));
            }
        }
        Some((process, delay))
    }

    fn up_to(&mut self, most: Micros) -> Micros {
        self.random.nemesis.below(most) + 1
    }

    fn some<T: Copy>(&mut self, all: &[T]) -> T {
        let chosen = usize::try_from(self.random.nemesis.below(all.len() as u64)).unwrap_or(0);
        // The slices are constants, and not empty.
        all.get(chosen).copied().unwrap_or_else(|| unreachable!("a number below the length"))
    }
}
