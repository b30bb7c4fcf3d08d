//! The programs of a simulation: primaries with their writers, replicators, and retention, each as
//! a process would use the engine, with a supervisor that starts it again when it ends.

use std::time::Duration;

use super::{
    client::SimStore,
    fault::FaultKind,
    machine::Machine,
    process::{Node, Process},
    schedule::Algorithm,
    seed_algorithm::{master, slave},
    workload::some_write,
    world::{MILLI, Order, SECOND, Sim, World},
};
use crate::{
    feed::{FeedError, OplogFeed},
    host::Host,
    ids::OpId,
    limits::Limits,
    primary::{Primary, PrimaryError, PrimaryOptions, WriteError},
    replicator::{Event, Observer, ReplicateError, Replicator, ReplicatorOptions},
    retention::{Retention, trim},
    retry::{Decision, decide},
    store_error::Fault,
    write::Write,
};

/// Longer than any request may take, and short, so that leases change hands often.
const LEASE_TERM: Duration = Duration::from_secs(2);
/// How often a write of unknown outcome is tried again, at most.
const TRIES: u64 = 4;

/// Starts everything.
pub(super) fn start_all(sim: &Sim) {
    for program in Process::PROGRAMS {
        start(sim, program);
    }
}

/// Starts a program, if it is part of the schedule.
pub(super) fn start(sim: &Sim, program: Process) {
    let faults = sim.world().faults();
    let takes_part = match program {
        Process::Primary(1) => faults.contains(FaultKind::SecondWriter),
        Process::Replicator(2) => faults.contains(FaultKind::RivalReplicator),
        Process::Retention => faults.contains(FaultKind::RetentionRace),
        _ => true,
    };
    if !takes_part || !sim.world().start_program(program) {
        return;
    }
    let of = sim.clone();
    if sim.world().schedule.algorithm == Algorithm::Seed {
        return match program {
            Process::Primary(0) => sim.start(program, master(of)),
            Process::Replicator(number @ 0..2) => sim.start(program, slave(of, number)),
            _ => {}
        };
    }
    match program {
        Process::Primary(number) => sim.start(program, primary(of, number)),
        Process::Replicator(number) => sim.start(program, replicator(of, number)),
        Process::Retention => sim.start(program, retention(of)),
        Process::Network | Process::Server(_) => {}
    }
}

impl World {
    /// Marks a program as running; `false` when it is, or need not run.
    fn start_program(&mut self, program: Process) -> bool {
        let stopped_loudly = matches!(program, Process::Replicator(number) if self.is_stale(Process::target(number)));
        let starts = !stopped_loudly && !self.running.contains(&program);
        if starts {
            self.running.push(program);
            self.tell(|| format!("{program} starts"));
        }
        starts
    }

    /// Stops a program; `false` when it does not run.
    pub(super) fn stop_program(&mut self, program: Process) -> bool {
        let runs = self.running.contains(&program);
        self.running.retain(|running| *running != program);
        if runs {
            self.orders.push(Order::Kill(program));
        }
        runs
    }

    /// Notes when a trim begins.
    fn begin_trim(&mut self) {
        self.trim_began = self.now;
    }

    /// How many replicas the log knows.
    fn registered(&self) -> usize {
        self.node(Node::SOURCE).durable.acknowledgements.len()
    }

    /// Whether a replica has stopped because the log no longer holds what it needs.
    pub(super) fn is_stale(&self, node: Node) -> bool {
        self.stale.contains(&node)
    }
}

fn some_limits(sim: &Sim) -> Limits {
    let entries_max = 1 + usize::try_from(sim.world().random.workload.below(8)).unwrap_or(0);
    Limits { entries_max, ..Limits::default() }
}

fn below(sim: &Sim, bound: u64) -> u64 {
    sim.world().random.workload.below(bound)
}

type SimPrimary = Primary<SimStore, Machine>;

async fn primary(sim: Sim, number: usize) {
    let process = Process::Primary(number);
    let (machine, store) = (Machine::new(&sim, process), SimStore::new(&sim, process, Node::SOURCE));
    sim.sleep(below(&sim, 20) * MILLI).await;
    loop {
        let options = PrimaryOptions {
            node: Node::SOURCE.name().to_owned(),
            holder: process.to_string(),
            limits: some_limits(&sim),
            lease_term: LEASE_TERM,
            queue_max: 2 + usize::try_from(below(&sim, 6)).unwrap_or(0),
        };
        match Primary::open(store.clone(), machine.clone(), options).await {
            Ok(primary) => {
                tokio::join!(
                    writer(&sim, &machine, &primary),
                    writer(&sim, &machine, &primary),
                    writer(&sim, &machine, &primary),
                    writer(&sim, &machine, &primary)
                );
                if sim.world().quiet && number == 0 {
                    last_write(&sim, &machine, &primary).await;
                }
                if let Err(error) = primary.close().await {
                    check_primary(&sim, process, &error);
                }
                // The first one goes on: a late request may append what nobody has applied yet.
                if sim.world().quiet && number > 0 {
                    return;
                }
            }
            Err(error) => check_primary(&sim, process, &error),
        }
        machine.sleep(Duration::from_millis(500)).await;
    }
}

/// Some writes, some of them abandoned in the middle, some of them tried again.
async fn writer(sim: &Sim, machine: &Machine, primary: &SimPrimary) {
    for _ in 0..=below(sim, 20) {
        // Many come at once, so that they share an append.
        let pause = below(sim, 4) / 3 * below(sim, 100) * MILLI;
        sim.sleep(pause).await;
        if sim.world().quiet {
            return;
        }
        let unresolved = sim.world().take_unresolved();
        let Some((op_id, write)) = unresolved.or_else(|| new_write(sim, machine)) else { return };
        let is_abandoned = below(sim, 20) == 0 && sim.world().may(FaultKind::AbandonedWrite);
        if is_abandoned {
            let patience = below(sim, 5 * MILLI);
            tokio::select! {
                biased;
                () = write_until_known(sim, machine, primary, op_id, write.clone()) => {}
                () = sim.sleep(patience) => {
                    let mut world = sim.world();
                    world.count(FaultKind::AbandonedWrite);
                    world.unresolved.push((op_id, write));
                }
            }
        } else {
            write_until_known(sim, machine, primary, op_id, write).await;
        }
    }
}

fn new_write(sim: &Sim, machine: &Machine) -> Option<(OpId, Write)> {
    let op_id = OpId::from_bytes(machine.random());
    let mut world = sim.world();
    world.writes += 1;
    let number = i32::try_from(world.writes).ok()?;
    some_write(&mut world.random.workload, number * 100).map(|write| (op_id, write))
}

async fn write_until_known(sim: &Sim, machine: &Machine, primary: &SimPrimary, op_id: OpId, write: Write) {
    for _ in 0..=below(sim, TRIES) {
        if write_once(sim, machine, primary, op_id, &write).await {
            return;
        }
        machine.sleep(Duration::from_millis(below(sim, 300))).await;
    }
    let mut world = sim.world();
    world.oracle.unknown += 1;
    world.unresolved.push((op_id, write));
}

/// Whether the outcome is known afterwards.
async fn write_once(sim: &Sim, machine: &Machine, primary: &SimPrimary, op_id: OpId, write: &Write) -> bool {
    sim.world().oracle.ask(op_id, write);
    let result = primary.write_once(op_id, write.clone()).await;
    let process = machine.process();
    match result {
        Ok(written) => {
            let mut world = sim.world();
            world.tell(|| format!("acknowledged: {written:?}"));
            world.oracle.acknowledge(&written);
            return true;
        }
        Err(WriteError::Refused(error)) => {
            sim.world().oracle.refuse(op_id, &error);
            return true;
        }
        Err(WriteError::Unknown { source, .. } | WriteError::NotBegun(source)) => check_primary(sim, process, &source),
        Err(WriteError::NotApplied { at, source }) => {
            sim.world().oracle.promise(op_id, at);
            check_primary(sim, process, &source);
        }
    }
    false
}

/// L10: without faults a write succeeds in the end.
async fn last_write(sim: &Sim, machine: &Machine, primary: &SimPrimary) {
    while !sim.world().has_ended {
        let Some((op_id, write)) = new_write(sim, machine) else { return };
        if write_once(sim, machine, primary, op_id, &write).await {
            sim.world().has_ended = true;
            return;
        }
        machine.sleep(Duration::from_millis(200)).await;
    }
}

/// What a primary may fail with while things go wrong; everything else is a violation.
fn check_primary(sim: &Sim, process: Process, error: &PrimaryError) {
    let passes = match error {
        PrimaryError::Store(error) => passes(error.fault()),
        PrimaryError::Beaten { .. } | PrimaryError::Trimmed { .. } => true,
        _ => false,
    };
    if !passes {
        sim.world().oracle.report("L9 loud", || format!("{process} fails without a reason: {error:?}"));
    }
}

fn passes(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Unavailable | Fault::Unknown | Fault::Busy { .. } | Fault::CheckpointMoved { .. } | Fault::Full
    )
}

/// Tells whoever watches what a replicator does.
struct Told {
    sim: Sim,
    process: Process,
}

impl Observer for Told {
    fn observe(&self, event: Event<'_>) {
        if let (Event::Stopped { error, untold: None }, Process::Replicator(number)) = (&event, self.process)
            && decide(error) == Decision::Resync
        {
            self.sim.world().told_stop.push(Process::target(number));
        }
        self.sim.world().tell(|| match event {
            Event::Applied(step) => format!("{}: {} entries applied", self.process, step.entries),
            Event::CaughtUp(step) => format!("{}: caught up at {:?}", self.process, step.progress.checkpoint),
            Event::Retrying { attempt, error, .. } => format!("{}: try {attempt} failed: {error}", self.process),
            Event::Stopped { error, .. } => format!("{}: stopped: {error}", self.process),
        });
    }
}

async fn replicator(sim: Sim, number: usize) {
    let process = Process::Replicator(number);
    let node = Process::target(number);
    let machine = Machine::new(&sim, process);
    let (source, target) = (SimStore::new(&sim, process, Node::SOURCE), SimStore::new(&sim, process, node));
    let observer = Told { sim: sim.clone(), process };
    loop {
        let options = ReplicatorOptions {
            holder: process.to_string(),
            limits: some_limits(&sim),
            lease_term: LEASE_TERM,
            poll_interval: Duration::from_millis(100 + below(&sim, 800)),
            ..ReplicatorOptions::default()
        };
        let feed = OplogFeed::new(source.clone(), Node::SOURCE.name());
        let mut replicator = Replicator::new(node.name(), feed, target.clone(), machine.clone(), options);
        let until = sim.sleep(SECOND + below(&sim, 20 * SECOND));
        match replicator.run(until, &observer).await {
            Ok(()) => {
                // A lease that cannot be given back lapses.
                let _lapses = replicator.close().await;
            }
            Err(error) => {
                if !check_replicator(&sim, node, &error) {
                    return;
                }
            }
        }
        machine.sleep(Duration::from_millis(100 + below(&sim, 1_000))).await;
    }
}

/// Whether a replicator that has stopped is started again.
fn check_replicator(sim: &Sim, node: Node, error: &ReplicateError) -> bool {
    let mut world = sim.world();
    let is_busy = matches!(error, ReplicateError::Target(error) if matches!(error.fault(), Fault::Busy { .. }));
    if is_busy && world.faults().contains(FaultKind::RivalReplicator) {
        world.count(FaultKind::RivalReplicator);
    }
    let floor = world.node(Node::SOURCE).durable.log.as_ref().map_or(0, |log| log.floor.position.index);
    let applied = world.node(node).durable.applied();
    match error {
        ReplicateError::Target(error) | ReplicateError::Feed(FeedError::Store(error)) if passes(error.fault()) => true,
        ReplicateError::Feed(FeedError::TooStale { .. }) if applied < floor => {
            world.stale.push(node);
            let is_marked = world.node(node).durable.stop.as_ref().is_some_and(|stop| stop.too_stale);
            if world.told_stop.contains(&node) && !is_marked {
                world.oracle.report("L9 loud", || format!("{} is too stale and does not say so", node.name()));
            }
            false
        }
        // An apply of its own, long given up, has arrived since it looked: it starts again.
        ReplicateError::Feed(FeedError::TooStale { checkpoint, .. }) if checkpoint.index < floor => true,
        _ => {
            let at = format!("{} at {applied}, the floor at {floor}", node.name());
            world.oracle.report("L9 loud", || format!("{at} stops without a reason: {error:?}"));
            false
        }
    }
}

async fn retention(sim: Sim) {
    let (machine, store) =
        (Machine::new(&sim, Process::Retention), SimStore::new(&sim, Process::Retention, Node::SOURCE));
    loop {
        machine.sleep(Duration::from_millis(20 + below(&sim, 300))).await;
        let waits = sim.world().schedule.retains() && sim.world().registered() < 2;
        if waits && below(&sim, 20) > 0 {
            // Whoever is not registered yet would be too stale from the start.
            continue;
        }
        let age = Duration::from_millis(below(&sim, 1_000));
        let retention = if sim.world().schedule.retains() {
            Retention::UntilAcknowledged { age }
        } else {
            Retention::Bounded { age }
        };
        sim.world().begin_trim();
        if let Err(error) = trim(&store, retention, machine.now()).await
            && !passes(error.fault())
        {
            sim.world().oracle.report("L9 loud", || format!("retention fails without a reason: {error:?}"));
        }
    }
}
