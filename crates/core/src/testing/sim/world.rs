//! [`World`]: everything that a simulation consists of but the futures that run in it.

use std::{
    cmp::Ordering,
    collections::BinaryHeap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, TryLockError},
    task::{Context, Poll, Waker},
};

use super::{
    fault::{Counts, FaultKind, Faults},
    journal::Journal,
    network::Network,
    oracle::Oracle,
    process::{Node, Process},
    schedule::{Algorithm, Schedule},
};
use crate::{ids::OpId, testing::random::Random, write::Write};

/// A future on its own.
pub(super) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is to be done to processes.
pub(super) enum Order {
    /// Start a task of a process.
    Start(Process, Task),
    /// Drop all tasks of a process.
    Kill(Process),
}

/// Takes what happens, line by line.
pub(super) type Watcher = Box<dyn FnMut(&str) + Send>;

/// Microseconds of virtual time.
pub(super) type Micros = u64;

pub(super) const MILLI: Micros = 1_000;
pub(super) const SECOND: Micros = 1_000_000;

/// The state of a process.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Condition {
    /// Until when it stands still.
    pub(super) paused_until: Micros,
    /// By how much its wall clock is wrong.
    pub(super) clock_offset: i64,
    /// How much too fast its clock runs, in thousandths.
    pub(super) clock_drift: i64,
}

/// Everything but the futures.
pub(super) struct World {
    pub(super) schedule: Schedule,
    pub(super) now: Micros,
    pub(super) steps: u64,
    /// Whether faults and writes have stopped.
    pub(super) quiet: bool,
    /// Randomness per concern, so that switching one off leaves the others as they are.
    pub(super) random: Streams,
    pub(super) conditions: [Condition; Process::COUNT],
    pub(super) nodes: [Journal; Node::ALL.len()],
    pub(super) network: Network,
    pub(super) oracle: Oracle,
    pub(super) counts: Counts,
    pub(super) trace: u64,
    /// What is to be done, in this order, once the running poll is over.
    pub(super) orders: Vec<Order>,
    /// At which step the log got its first entry: from then on steps count.
    pub(super) begun_at: Option<u64>,
    /// At which step something goes wrong next.
    pub(super) strikes_at: u64,
    /// What was acknowledged before all faults stopped.
    pub(super) acknowledged_early: u64,
    /// Replicas that have said in their own node why they have stopped.
    pub(super) told_stop: Vec<Node>,
    /// Nodes that die once the running poll is over.
    pub(super) doomed: Vec<Node>,
    /// The programs that run.
    pub(super) running: Vec<Process>,
    /// Replicas that have stopped because the log no longer holds what they need.
    pub(super) stale: Vec<Node>,
    /// Writes whose outcome nobody knows.
    pub(super) unresolved: Vec<(OpId, Write)>,
    pub(super) writes: u64,
    /// What the seed's algorithm has acknowledged.
    pub(super) acknowledged_by_seed: Vec<i32>,
    /// When the last trim began.
    pub(super) trim_began: Micros,
    /// Whether a write was acknowledged after all faults had stopped.
    pub(super) has_ended: bool,
    timers: BinaryHeap<Timer>,
    timers_set: u64,
    watcher: Option<Watcher>,
}

/// The sources of randomness.
pub(super) struct Streams {
    pub(super) network: Random,
    pub(super) machine: Random,
    pub(super) nemesis: Random,
    pub(super) workload: Random,
    pub(super) server: Random,
}

impl Streams {
    fn new(seed: u64) -> Self {
        let mut seeds = Random::new(seed);
        let mut stream = || Random::new(seeds.draw());
        Self { network: stream(), machine: stream(), nemesis: stream(), workload: stream(), server: stream() }
    }
}

impl World {
    pub(super) fn faults(&self) -> Faults {
        self.schedule.faults
    }

    /// Whether a fault of this kind may happen now.
    pub(super) fn may(&self, kind: FaultKind) -> bool {
        !self.quiet && self.faults().contains(kind)
    }

    /// Notes that a fault has happened.
    pub(super) fn count(&mut self, kind: FaultKind) {
        self.counts.count(kind);
        self.mix(0x0F00 + kind as u64);
    }

    /// Makes a number part of the trace.
    pub(super) fn mix(&mut self, number: u64) {
        self.trace = (self.trace.rotate_left(7) ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    /// Tells whoever watches.
    pub(super) fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(watcher) = &mut self.watcher {
            let (seconds, micros) = (self.now / SECOND, self.now % SECOND);
            watcher(&format!("{:>5} {seconds:>4}.{micros:06}  {}", self.steps, line()));
        }
    }

    /// How many steps the schedule has taken since its log has got its first entry: without one
    /// there is nothing that could go wrong.
    pub(super) fn steps_begun(&self) -> Option<u64> {
        self.begun_at.map(|begun| self.steps - begun)
    }

    /// Something that may be tried again, now and then.
    pub(super) fn take_unresolved(&mut self) -> Option<(OpId, Write)> {
        let is_due = self.random.workload.below(4) == 0;
        let chosen = self.random.workload.below(self.unresolved.len() as u64);
        let chosen = usize::try_from(chosen).unwrap_or(0);
        (is_due && chosen < self.unresolved.len()).then(|| self.unresolved.swap_remove(chosen))
    }

    /// Notes the floor that the running trim has chosen.
    pub(super) fn note_floor(&mut self, index: u64) {
        self.oracle.choose_floor(index, self.trim_began);
    }

    pub(super) fn condition(&self, process: Process) -> Condition {
        self.conditions.get(process.index()).copied().unwrap_or_default()
    }

    pub(super) fn condition_mut(&mut self, process: Process) -> Option<&mut Condition> {
        self.conditions.get_mut(process.index())
    }

    pub(super) fn set_timer(&mut self, due: Micros, waker: Waker) {
        self.timers_set += 1;
        self.timers.push(Timer { due, number: self.timers_set, waker });
    }

    /// Moves the clock to the next timer and wakes who set it; `false` when there is none.
    pub(super) fn advance(&mut self) -> bool {
        let Some(timer) = self.timers.pop() else { return false };
        self.now = self.now.max(timer.due);
        timer.waker.wake();
        true
    }
}

/// A handle on the world, and what one can do in it.
#[derive(Clone)]
pub(super) struct Sim(Arc<Mutex<World>>);

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sim").finish_non_exhaustive()
    }
}

impl Sim {
    pub(super) fn new(schedule: Schedule, watcher: Option<Watcher>) -> Self {
        Self(Arc::new(Mutex::new(World {
            now: 0,
            steps: 0,
            quiet: false,
            random: Streams::new(schedule.seed),
            conditions: Default::default(),
            nodes: Journal::of_all_nodes(schedule.seed),
            network: Network::default(),
            oracle: Oracle::default(),
            counts: Counts::default(),
            trace: 0,
            orders: Vec::new(),
            // The seed's algorithm has no log that could begin.
            begun_at: (schedule.algorithm == Algorithm::Seed).then_some(0),
            strikes_at: 0,
            acknowledged_early: 0,
            told_stop: Vec::new(),
            doomed: Vec::new(),
            running: Vec::new(),
            stale: Vec::new(),
            unresolved: Vec::new(),
            writes: 0,
            acknowledged_by_seed: Vec::new(),
            trim_began: 0,
            has_ended: false,
            timers: BinaryHeap::new(),
            timers_set: 0,
            watcher,
            schedule,
        })))
    }

    /// The world, for a moment.
    ///
    /// # Panics
    /// When somebody holds it: one thread runs it, so waiting would last for ever.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        match self.0.try_lock() {
            Ok(world) => world,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => panic!("a defect of the simulator: the world is looked at twice"),
        }
    }

    /// Starts a task of a process.
    pub(super) fn start(&self, process: Process, task: impl Future<Output = ()> + Send + 'static) {
        self.world().orders.push(Order::Start(process, Box::pin(task)));
    }

    /// Waits for virtual time to pass.
    pub(super) fn sleep(&self, duration: Micros) -> Sleep {
        let due = self.world().now.saturating_add(duration);
        Sleep { sim: self.clone(), due, is_set: false }
    }
}

/// See [`Sim::sleep`].
pub(super) struct Sleep {
    sim: Sim,
    due: Micros,
    is_set: bool,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut world = self.sim.world();
        if world.now >= self.due {
            return Poll::Ready(());
        }
        if !self.is_set {
            world.set_timer(self.due, context.waker().clone());
            drop(world);
            self.is_set = true;
        }
        Poll::Pending
    }
}

/// Ordered by when it is due, the earliest greatest; of equals the one set first.
struct Timer {
    due: Micros,
    number: u64,
    waker: Waker,
}

impl Ord for Timer {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.number).cmp(&(self.due, self.number))
    }
}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Timer {}
