//! [`Server`]: what a node does for one request, in steps between which it can die.

use std::sync::Arc;

use super::{
    fault::FaultKind,
    journal::{Journal, Ticket},
    node::{Change, LogState, Place, State},
    process::{Node, Process},
    world::{MILLI, Sim, World},
};
use crate::{
    batch::check_follows,
    document::Document,
    entry::{Entry, Kind},
    ids::{LogId, OpId, OwnerId},
    lease::{Lease, LeaseName},
    limits::Limits,
    log::{Appended, LogEnds},
    memory::limited,
    planted::{Bug, is_planted},
    position::{Anchor, Position},
    store_error::Fault,
};

/// How many times as long a slow node takes: a step of up to a second, longer than its clients wait.
const SLOWNESS: u64 = 1_000;

/// A node that serves one request of a process.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) sim: Sim,
    pub(super) node: Node,
    client: Process,
    /// Tells the writes of this request from those of others.
    request: u64,
}

impl Server {
    pub(super) fn new(sim: Sim, node: Node, client: Process) -> Self {
        let request = sim.world().random.server.draw();
        Self { sim, node, client, request }
    }

    /// Time passes, and others come in between; or the node dies.
    pub(super) async fn think(&self) {
        let delay = {
            let mut world = self.sim.world();
            let (now, usual) = (world.now, 20 + world.random.server.below(MILLI));
            let is_slow = world.node(self.node).slow_until > now;
            if is_slow { usual * SLOWNESS } else { usual }
        };
        self.sim.sleep(delay).await;
    }

    /// One atomic write.
    pub(super) fn write(&self, changes: Vec<Change>) -> Result<Ticket, Fault> {
        self.sim.world().write(self.node, self.request, changes)
    }

    /// Waits until a write is durable. Others that wait share the sync.
    pub(super) async fn settle(&self, ticket: Ticket) {
        while !self.sim.world().node(self.node).is_synced(ticket) {
            self.think().await;
            self.sim.world().sync(self.node, ticket);
        }
    }

    /// Waits until everything that is visible now is durable: others will act on it.
    pub(super) async fn settle_all(&self) {
        let newest = self.sim.world().node(self.node).newest();
        self.settle(newest).await;
    }

    /// One atomic write that is durable afterwards.
    async fn write_durably(&self, changes: Vec<Change>) -> Result<(), Fault> {
        let ticket = self.write(changes)?;
        self.settle(ticket).await;
        Ok(())
    }

    /// What is visible now.
    pub(super) fn look<T>(&self, at: impl FnOnce(&State) -> T) -> T {
        at(&self.sim.world().node(self.node).visible)
    }

    pub(super) async fn create_log(self, log: LogId) -> Result<LogEnds, Fault> {
        self.think().await;
        if self.look(|state| state.log.is_none()) {
            self.write(vec![Change::CreateLog(log)])?;
        }
        let ends = self.look(ends);
        self.settle_all().await;
        ends.ok_or(Fault::Corrupt)
    }

    pub(super) async fn log_ends(self) -> Result<Option<LogEnds>, Fault> {
        self.think().await;
        let ends = self.look(ends);
        self.settle_all().await;
        Ok(ends)
    }

    pub(super) async fn append(self, entries: Arc<[Entry]>) -> Result<Appended, Fault> {
        self.count_at_work(|journal| &mut journal.appenders, 1);
        let appended = self.append_in_steps(&entries).await;
        self.count_at_work(|journal| &mut journal.appenders, -1);
        appended
    }

    async fn append_in_steps(&self, entries: &[Entry]) -> Result<Appended, Fault> {
        let is_atomic = self.sim.world().node(self.node).is_atomic;
        self.think().await;
        if is_planted(Bug::CounterThenInsert)
            && entries.first().is_some_and(|entry| self.look(|state| is_next(state, entry)))
        {
            for entry in entries.iter().rev() {
                self.write(vec![Change::Append(entry.clone())])?;
                self.think().await;
            }
        }
        for (count, entry) in entries.iter().enumerate() {
            if count > 0 && !is_atomic {
                self.think().await;
            }
            if !self.append_one(entry)? {
                self.settle_all().await;
                return Ok(Appended::Beaten { count });
            }
        }
        if is_planted(Bug::AcknowledgedBeforeDurable) {
            return Ok(Appended::All);
        }
        // Entries that stood there already must be durable as well.
        self.settle_all().await;
        Ok(Appended::All)
    }

    /// Whether the entry stands at its position afterwards.
    fn append_one(&self, entry: &Entry) -> Result<bool, Fault> {
        let mut world = self.sim.world();
        let Some(log) = &world.node(self.node).visible.log else { return Err(Fault::Defect) };
        let is_below = entry.position().index <= log.floor.position.index;
        if is_planted(Bug::NoFloorCheck) && is_below && !log.entries.contains_key(&entry.position().index) {
            return Ok(true);
        }
        if is_planted(Bug::NoTermCheck) && entry.position().index <= log.head().position.index && !is_below {
            world.write(self.node, self.request, vec![Change::Append(entry.clone())])?;
            return Ok(true);
        }
        if let Some(there) = log.entries.get(&entry.position().index) {
            let is_above = entry.position().index > log.floor.position.index;
            return Ok(is_above && there.hash() == entry.hash());
        }
        let is_repeated = find(log, entry.op_id()).is_some() && !is_planted(Bug::RetryUnderNewPosition);
        if check_follows(&log.head(), entry).is_err() || is_repeated {
            return Ok(false);
        }
        world.write(self.node, self.request, vec![Change::Append(entry.clone())])?;
        world.note_writer(self.node, self.client, entry);
        Ok(true)
    }

    pub(super) async fn read(self, from: u64, limits: Limits) -> Result<Vec<Entry>, Fault> {
        self.count_at_work(|journal| &mut journal.readers, 1);
        self.think().await;
        let entries = self.look(|state| state.log.as_ref().map(|log| read(log, from, limits)).unwrap_or_default());
        if !is_planted(Bug::ReadsUndurable) {
            self.settle_all().await;
        }
        self.count_at_work(|journal| &mut journal.readers, -1);
        Ok(entries)
    }

    pub(super) async fn find(self, op_id: OpId) -> Result<Option<Position>, Fault> {
        self.think().await;
        let found = self.look(|state| state.log.as_ref().and_then(|log| find(log, op_id)));
        self.settle_all().await;
        Ok(found)
    }

    /// Persists the floor, then deletes.
    pub(super) async fn trim(self, floor: Anchor) -> Result<(), Fault> {
        self.think().await;
        let (old, known) = self.look(|state| {
            let log = state.log.as_ref();
            let entry = log.and_then(|log| log.entries.get(&floor.position.index));
            (log.map(|log| log.floor), entry.is_some_and(|entry| entry.anchor() == floor))
        });
        let old = old.ok_or(Fault::Defect)?;
        if floor.position.index > old.position.index {
            if !known {
                return Err(Fault::Defect);
            }
            self.sim.world().note_trim(self.node);
            self.write_durably(vec![Change::Floor(floor)]).await?;
            self.think().await;
        }
        let until = floor.position.index.max(old.position.index);
        self.write_durably(vec![Change::Truncate(until)]).await
    }

    /// Reads something, of which nothing else depends on whether it is durable.
    pub(super) async fn view<T>(self, at: impl FnOnce(&State) -> T) -> Result<T, Fault> {
        self.think().await;
        Ok(self.look(at))
    }

    /// Writes something that depends on nothing.
    pub(super) async fn put(self, change: Change) -> Result<(), Fault> {
        self.think().await;
        self.write_durably(vec![change]).await
    }

    pub(super) async fn swap_lease(
        self,
        name: LeaseName,
        expected: Option<Lease>,
        new: Option<Lease>,
    ) -> Result<bool, Fault> {
        self.think().await;
        if self.look(|state| state.leases.get(&name) != expected.as_ref()) {
            return Ok(false);
        }
        self.write_durably(vec![Change::Lease(name, new)]).await?;
        Ok(true)
    }

    fn count_at_work(&self, of: impl FnOnce(&mut Journal) -> &mut u64, by: i64) {
        let mut world = self.sim.world();
        let count = of(world.node_mut(self.node));
        *count = count.saturating_add_signed(by);
    }
}

impl World {
    /// Notes who appends: two that take turns are a fault, and L8: each begins with a new term.
    fn note_writer(&mut self, node: Node, client: Process, entry: &Entry) {
        let (writers, index) = (&mut self.node_mut(node).writers, entry.position().index);
        let last = writers.get(&(index - 1)).copied();
        writers.insert(index, client);
        if last.is_some_and(|last| last != client) {
            self.count(FaultKind::SecondWriter);
        }
        if last != Some(client) && entry.operation().kind() != Kind::NewTerm {
            let at = entry.position();
            self.oracle.report("L8 fenced", || format!("{client} begins at {at} without a new term"));
        }
    }

    /// Notes that entries go while somebody is at the log.
    fn note_trim(&mut self, node: Node) {
        let journal = self.node(node);
        if journal.readers + journal.appenders > 0 {
            self.count(FaultKind::RetentionRace);
        }
    }
}

/// Whether the entry belongs behind the newest one.
fn is_next(state: &State, entry: &Entry) -> bool {
    state.log.as_ref().is_some_and(|log| check_follows(&log.head(), entry).is_ok())
}

fn ends(state: &State) -> Option<LogEnds> {
    state.log.as_ref().map(|log| LogEnds { log: log.id, floor: log.floor, head: log.head() })
}

fn read(log: &LogState, from: u64, limits: Limits) -> Vec<Entry> {
    let from = from.max(log.floor.next_index());
    limited(log.entries.range(from..).map(|(_, entry)| entry), limits, Entry::bytes)
}

fn find(log: &LogState, op_id: OpId) -> Option<Position> {
    let mut kept = log.entries.range(log.floor.next_index()..);
    kept.find(|(_, entry)| entry.op_id() == op_id).map(|(_, entry)| entry.position())
}

/// Who holds the documents of a node, if it is not `owner`.
pub(super) fn check_owner(state: &State, owner: OwnerId) -> Result<(), Fault> {
    match state.leases.get(&LeaseName::Documents) {
        Some(lease) if lease.owner == owner => Ok(()),
        Some(lease) => Err(Fault::Busy { holder: lease.holder.clone() }),
        None => Err(Fault::Busy { holder: "nobody".to_owned() }),
    }
}

/// The documents of these places.
pub(super) fn documents_at<'a>(state: &'a State, places: &'a [Place]) -> impl Iterator<Item = Option<&'a Document>> {
    places.iter().map(|place| state.documents.get(place))
}
