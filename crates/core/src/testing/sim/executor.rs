//! [`Executor`]: polls the tasks of a simulation, one at a time, in an order that a seed decides.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use super::{
    nemesis,
    process::Process,
    world::{Order, Sim, Task},
};
use crate::testing::random::Random;

/// The tasks, and which of them want to be polled.
pub(super) struct Executor {
    sim: Sim,
    tasks: BTreeMap<u64, Running>,
    started: u64,
    ready: Arc<Mutex<Vec<u64>>>,
    random: Random,
}

struct Running {
    process: Process,
    task: Task,
    bell: Arc<Bell>,
}

/// Puts its task among those that want to be polled.
struct Bell {
    number: u64,
    rung: AtomicBool,
    ready: Arc<Mutex<Vec<u64>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        if !self.rung.swap(true, Ordering::Relaxed) {
            self.ready.lock().unwrap_or_else(PoisonError::into_inner).push(self.number);
        }
    }
}

impl Executor {
    pub(super) fn new(sim: Sim) -> Self {
        let seed = sim.world().schedule.seed;
        let random = Random::new(seed ^ 0x5EED_0FE8);
        Self { sim, tasks: BTreeMap::new(), started: 0, ready: Arc::default(), random }
    }

    /// One step: one task is polled once. `false` when nothing is left that could ever run.
    pub(super) fn step(&mut self) -> bool {
        self.obey();
        loop {
            let Some(number) = self.next_ready() else {
                if self.sim.world().advance() {
                    continue;
                }
                return false;
            };
            // A task that is gone may have been woken all the same.
            let Some(running) = self.tasks.get_mut(&number) else { continue };
            running.bell.rung.store(false, Ordering::Relaxed);
            let waker = Waker::from(Arc::clone(&running.bell));
            {
                let mut world = self.sim.world();
                let paused_until = world.condition(running.process).paused_until;
                if paused_until > world.now {
                    world.set_timer(paused_until, waker);
                    continue;
                }
                world.steps += 1;
                let (now, process) = (world.now, running.process.index() as u64);
                world.mix(now << 4 | process);
            }
            if let Poll::Ready(()) = running.task.as_mut().poll(&mut Context::from_waker(&waker)) {
                self.tasks.remove(&number);
            }
            self.obey();
            return true;
        }
    }

    /// Any of those that want to be polled now.
    fn next_ready(&mut self) -> Option<u64> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let chosen = self.random.below(ready.len() as u64);
        let chosen = usize::try_from(chosen).unwrap_or(0);
        (!ready.is_empty()).then(|| ready.swap_remove(chosen))
    }

    /// Stops and starts what the world asks for.
    fn obey(&mut self) {
        let doomed = std::mem::take(&mut self.sim.world().doomed);
        for node in doomed {
            nemesis::crash(&self.sim, Process::Server(node));
        }
        loop {
            let orders = std::mem::take(&mut self.sim.world().orders);
            if orders.is_empty() {
                return;
            }
            for order in orders {
                match order {
                    Order::Start(process, task) => self.start(process, task),
                    Order::Kill(process) => {
                        // Dropped outside the world's lock: what is dropped may look at the world.
                        let dead: Vec<u64> = self.of(process).collect();
                        for number in dead {
                            drop(self.tasks.remove(&number));
                        }
                    }
                }
            }
        }
    }

    fn start(&mut self, process: Process, task: Task) {
        self.started += 1;
        let bell = Bell { number: self.started, rung: AtomicBool::new(false), ready: Arc::clone(&self.ready) };
        let bell = Arc::new(bell);
        Arc::clone(&bell).wake();
        self.tasks.insert(self.started, Running { process, task, bell });
    }

    fn of(&self, process: Process) -> impl Iterator<Item = u64> {
        self.tasks.iter().filter(move |(_, running)| running.process == process).map(|(number, _)| *number)
    }
}
