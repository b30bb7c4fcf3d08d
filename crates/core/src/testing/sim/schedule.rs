//! [`Schedule`]: one run of the simulator, as a seed and a few numbers say.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{
    executor::Executor,
    fault::{Counts, FaultKind, Faults},
    nemesis,
    process::{Node, Process},
    processes,
    world::{Micros, SECOND, Sim, Watcher, World},
};
use crate::testing::random::Random;

/// How long everything may take to get in step once all faults have stopped: several leases that
/// have to lapse one after the other, and the longest wait before a retry.
const LIVE_WITHIN: Micros = 300 * SECOND;

/// What is simulated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// This crate.
    #[default]
    Oplogsync,
    /// The demo that this project began with: time stamps for a cursor, the document before the
    /// entry, a checkpoint in memory. Under the same faults.
    Seed,
}

/// How long the seed's algorithm has to get in step: dozens of polls.
const SEED_WITHIN: Micros = 30 * SECOND;

/// How many processes [`Schedule::kill`] can name: six programs, then the servers of three nodes.
pub const VICTIMS: usize = Process::PROGRAMS.len() + Node::ALL.len();

/// The seeds, modulo five, of schedules that are about takeovers.
const TAKEOVERS: u64 = 4;
const TAKEOVER_FAULTS: [FaultKind; 4] =
    [FaultKind::Pause, FaultKind::Partition, FaultKind::SecondWriter, FaultKind::RetentionRace];

/// One run of the simulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// For how many steps things go wrong, counted from the log's first entry. A step is one poll of
    /// one task.
    pub steps: u64,
    /// What may go wrong.
    pub faults: Faults,
    /// What is simulated.
    pub algorithm: Algorithm,
    /// A step before which one of the [`VICTIMS`] is killed, and which.
    pub kill: Option<(u64, usize)>,
}

/// What a run has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How many steps it took, the quiet end included.
    pub steps: u64,
    /// A hash of everything that happened: equal for equal runs.
    pub trace: u64,
    /// How often each fault happened.
    pub counts: Counts,
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Those of them that were acknowledged while things went wrong.
    pub acknowledged_early: u64,
    /// Writes that were refused, for example an insert of a document that exists.
    pub refused: u64,
    /// Writes whose outcome their callers never learned.
    pub unknown: u64,
    /// Acknowledged writes that a replica, not too stale, does not hold in the end.
    pub lost: u64,
    /// Replicas that stopped because the log was trimmed beyond them, as bounded retention may do.
    pub stale: u64,
    /// The first law that was broken.
    pub violation: Option<Violation>,
}

/// A broken law.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub law: &'static str,
    /// At which step.
    pub step: u64,
    /// How.
    pub what: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} broken at step {}: {}", self.law, self.step, self.what)
    }
}

impl Schedule {
    /// The schedule of a seed. Two of five have all faults; two have some of them, so that what one
    /// fault hides another may show (Groce et al., "Swarm Testing", 2012); one is about primaries
    /// that take over from each other, and longer.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let (of_all, is_about_takeovers) = (seed.is_multiple_of(2), seed % 5 == TAKEOVERS);
        let mut takes_part = |kind: &FaultKind| {
            if is_about_takeovers { TAKEOVER_FAULTS.contains(kind) } else { of_all || random.below(4) > 0 }
        };
        let faults = FaultKind::ALL.iter().copied().filter(&mut takes_part).collect();
        let steps = if is_about_takeovers { 4_000 } else { 800 + seed % 7 * 200 };
        Self { seed, steps, faults, algorithm: Algorithm::Oplogsync, kill: None }
    }

    /// Runs it to its end, or to the first violation.
    pub fn run(&self) -> Report {
        self.run_watched(None)
    }

    /// The same, with everything that happens told line by line.
    pub fn watch(&self, watcher: impl FnMut(&str) + Send + 'static) -> Report {
        self.run_watched(Some(Box::new(watcher)))
    }

    /// How rare faults are: some schedules are wild, some nearly calm.
    pub(super) fn calm(&self) -> u64 {
        if self.is_about_takeovers() {
            return 8;
        }
        [4, 8, 16, 30].get(usize::try_from(self.seed % 4).unwrap_or(0)).copied().unwrap_or(1)
    }

    /// Whether the log keeps what its replicas need; otherwise only what is young.
    pub(super) fn retains(&self) -> bool {
        self.seed % 10 != TAKEOVERS
    }

    /// Whether it is about one primary that takes over from another.
    pub(super) fn is_about_takeovers(&self) -> bool {
        self.seed % 5 == TAKEOVERS
    }

    fn run_watched(&self, watcher: Option<Watcher>) -> Report {
        let sim = Sim::new(*self, watcher);
        let panicked = catch_unwind(AssertUnwindSafe(|| run(&sim))).is_err();
        let mut world = sim.world();
        if panicked {
            world.oracle.report("no panic", || "a panic, see above".to_owned());
        }
        let violation = world.violation();
        Report {
            steps: world.steps,
            trace: world.trace,
            counts: world.counts,
            acknowledged: world.oracle.acknowledged + world.acknowledged_by_seed.len() as u64,
            acknowledged_early: world.acknowledged_early,
            lost: world.lost_by_seed() + world.lost(),
            refused: world.oracle.refused,
            unknown: world.oracle.unknown,
            stale: world.stale.len() as u64,
            violation,
        }
    }
}

/// Things go wrong for a while; then nothing does any more, and all has to come right.
fn run(sim: &Sim) {
    let mut executor = Executor::new(sim.clone());
    processes::start_all(sim);
    let mut quiet_since = None;
    loop {
        let steps = sim.world().steps;
        kill_if_due(sim, steps);
        nemesis::strike(sim);
        if !executor.step() {
            break;
        }
        let mut world = sim.world();
        if world.oracle.violation().is_some() {
            return;
        }
        match quiet_since {
            None if world.steps_begun().is_some_and(|steps| steps >= world.schedule.steps) => {
                quiet_since = Some(world.now);
                world.begin_quiet();
            }
            Some(since) if world.schedule.algorithm == Algorithm::Seed && world.now > since + SEED_WITHIN => return,
            Some(_) if world.has_converged() => return,
            Some(since) if world.now > since + LIVE_WITHIN => {
                let state = world.progress();
                return world.oracle.report("L10 live", || state);
            }
            _ => {}
        }
    }
    sim.world().oracle.report("L10 live", || "nothing is left that could run".to_owned());
}

fn kill_if_due(sim: &Sim, steps: u64) {
    let kill = sim.world().schedule.kill;
    let Some((_, victim)) = kill.filter(|(step, _)| *step == steps) else { return };
    let programs = Process::PROGRAMS.into_iter();
    if let Some(process) = programs.chain(Node::ALL.map(Process::Server)).nth(victim) {
        nemesis::crash(sim, process);
    }
}

impl World {
    fn begin_quiet(&mut self) {
        self.tell(|| "all faults stop".to_owned());
        self.quiet = true;
        self.acknowledged_early = self.oracle.acknowledged;
        self.mend();
        for node in &mut self.nodes {
            (node.full_until, node.slow_until) = (0, 0);
            (node.dies_after, node.dies_within) = (None, false);
        }
    }

    /// Whether a last write is acknowledged and every replica that has not stopped is at the head.
    fn has_converged(&self) -> bool {
        let head = self.oracle.head();
        let is_there = |node: &Node| self.node(*node).durable.applied() == head || self.is_stale(*node);
        self.has_ended && Node::ALL.iter().all(is_there)
    }

    /// How many acknowledged writes the log, or a replica that is not too stale, does not hold.
    fn lost(&self) -> u64 {
        let nodes = Node::ALL.into_iter().filter(|node| !self.is_stale(*node));
        let applied = nodes.map(|node| self.node(node).durable.applied()).min().unwrap_or(0);
        self.oracle.acknowledged_beyond(applied)
    }

    fn progress(&self) -> String {
        let applied = Node::ALL.map(|node| self.node(node).durable.applied());
        let (head, ended) = (self.oracle.head(), self.has_ended);
        format!("the head is {head}, the nodes are at {applied:?}, a last write was acknowledged: {ended}")
    }

    fn violation(&self) -> Option<Violation> {
        let broken = self.oracle.violation()?;
        Some(Violation { law: broken.law, step: self.steps, what: broken.what.clone() })
    }
}
