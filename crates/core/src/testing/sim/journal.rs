//! [`Journal`]: what of a node is visible, and what of that is durable.

use std::collections::{BTreeMap, VecDeque};

use super::{
    fault::FaultKind,
    node::{Change, State},
    oracle::Moment,
    process::{Node, Process},
    schedule::Algorithm,
    world::{Micros, Order, World},
};
use crate::{
    planted::{Bug, is_planted},
    store_error::Fault,
    testing::random::Random,
};

/// The state of a node, and of its machine.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) visible: State,
    pub(super) durable: State,
    /// What is visible and not durable, oldest first.
    unsynced: VecDeque<Group>,
    written: Ticket,
    synced: Ticket,
    /// Whether it writes data and checkpoint as one, as the embedded store does, or step by step,
    /// as a standalone server does.
    pub(super) is_atomic: bool,
    pub(super) is_up: bool,
    /// After how many more writes it dies, if it does.
    pub(super) dies_after: Option<u64>,
    /// Whether it dies in the middle of the next request that is more than one write.
    pub(super) dies_within: bool,
    pub(super) full_until: Micros,
    pub(super) slow_until: Micros,
    /// Requests that are being served now.
    pub(super) readers: u64,
    pub(super) appenders: u64,
    /// Who appended the entry at an index.
    pub(super) writers: BTreeMap<u64, Process>,
}

/// Changes that are one atomic write.
#[derive(Debug)]
struct Group {
    request: u64,
    changes: Vec<Change>,
}

/// The number of a write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

impl Journal {
    pub(super) fn of_all_nodes(seed: u64) -> [Self; Node::ALL.len()] {
        let mut random = Random::new(seed ^ 0x0000_A70C);
        Node::ALL.map(|_| Self {
            visible: State::default(),
            durable: State::default(),
            unsynced: VecDeque::new(),
            written: Ticket::default(),
            synced: Ticket::default(),
            is_atomic: random.below(2) == 0,
            is_up: true,
            dies_after: None,
            dies_within: false,
            full_until: 0,
            slow_until: 0,
            readers: 0,
            appenders: 0,
            writers: BTreeMap::new(),
        })
    }

    /// The number of the newest write.
    pub(super) fn newest(&self) -> Ticket {
        self.written
    }

    /// Whether a write is durable.
    pub(super) fn is_synced(&self, ticket: Ticket) -> bool {
        self.synced >= ticket
    }
}

impl World {
    pub(super) fn node(&self, node: Node) -> &Journal {
        let [first, second, third] = &self.nodes;
        match node.0 {
            0 => first,
            1 => second,
            _ => third,
        }
    }

    pub(super) fn node_mut(&mut self, node: Node) -> &mut Journal {
        let [first, second, third] = &mut self.nodes;
        match node.0 {
            0 => first,
            1 => second,
            _ => third,
        }
    }

    /// One atomic write: visible at once, durable once it is synced.
    pub(super) fn write(&mut self, node: Node, request: u64, changes: Vec<Change>) -> Result<Ticket, Fault> {
        let now = self.now;
        let journal = self.node_mut(node);
        if journal.full_until > now {
            self.count(FaultKind::FullDisk);
            return Err(Fault::Full);
        }
        for change in &changes {
            journal.visible.apply(change);
        }
        journal.written.0 += 1;
        journal.dies_after = journal.dies_after.map(|left| left.saturating_sub(1));
        let is_within = journal.unsynced.back().is_some_and(|group| group.request == request);
        if journal.dies_after == Some(0) || (journal.dies_within && is_within) {
            (journal.dies_after, journal.dies_within) = (None, false);
            self.doomed.push(node);
        }
        let journal = self.node_mut(node);
        let ticket = journal.written;
        self.mix(ticket.0 << 8 | node.0 as u64);
        // The seed's algorithm knows no laws.
        let checks = self.schedule.algorithm == Algorithm::Oplogsync;
        let Self { oracle, nodes, .. } = self;
        if let Some(journal) = nodes.get_mut(node.0) {
            if checks {
                oracle.check_visible(node, &journal.visible, &changes);
            }
            journal.unsynced.push_back(Group { request, changes });
        }
        Ok(ticket)
    }

    /// Everything up to this write is durable from now on.
    pub(super) fn sync(&mut self, node: Node, ticket: Ticket) {
        let applied = self.nodes.each_ref().map(|journal| journal.durable.applied());
        let moment = Moment { now: self.now, applied, retains: self.schedule.retains() };
        let Self { oracle, nodes, .. } = self;
        let Some(journal) = nodes.get_mut(node.0) else { return };
        while journal.synced < ticket
            && let Some(group) = journal.unsynced.pop_front()
        {
            journal.synced.0 += 1;
            for change in &group.changes {
                oracle.check_durable(node, &journal.durable, change, moment);
                if matches!(change, Change::Append(_)) {
                    self.begun_at = self.begun_at.or(Some(self.steps));
                }
                if !(is_planted(Bug::InMemoryCheckpoint) && matches!(change, Change::Checkpoint(_))) {
                    journal.durable.apply(change);
                }
            }
        }
    }

    /// The node dies: of what is not durable a part survives.
    pub(super) fn crash(&mut self, node: Node) {
        let (may_lose, may_tear) = (self.may(FaultKind::LostUnsynced), self.may(FaultKind::TornBatch));
        let unsynced = self.node(node).unsynced.len();
        let mut kept = if self.schedule.kill.is_some() {
            0
        } else if may_lose {
            usize::try_from(self.random.nemesis.below(unsynced as u64 + 1)).unwrap_or(0)
        } else {
            unsynced
        };
        let wants_torn = self.random.nemesis.below(2) == 0;
        let journal = self.node_mut(node);
        let request = |at: usize| journal.unsynced.get(at).map(|group| group.request);
        let is_torn = |kept: usize| kept > 0 && kept < unsynced && request(kept - 1) == request(kept);
        while !may_tear && is_torn(kept) {
            kept -= 1;
        }
        // Chance alone seldom meets the middle of a request.
        let torn = (0..unsynced).find(|kept| is_torn(*kept)).filter(|_| may_lose && may_tear && wants_torn);
        let kept = torn.unwrap_or(kept);
        let is_torn = is_torn(kept);
        let last = Ticket(journal.synced.0 + kept as u64);
        self.sync(node, last);
        let journal = self.node_mut(node);
        journal.unsynced.clear();
        journal.written = journal.synced;
        journal.visible = journal.durable.clone();
        journal.is_up = false;
        (journal.dies_after, journal.dies_within) = (None, false);
        (journal.readers, journal.appenders) = (0, 0);
        self.orders.push(Order::Kill(Process::Server(node)));
        self.count(FaultKind::NodeCrash);
        if kept < unsynced {
            self.count(FaultKind::LostUnsynced);
        }
        if is_torn {
            self.count(FaultKind::TornBatch);
        }
        self.tell(|| format!("{} dies, and {} of its {unsynced} last writes with it", node.name(), unsynced - kept));
        let Self { oracle, nodes, .. } = self;
        if let Some(journal) = nodes.get(node.0) {
            oracle.check_restarted(node, &journal.durable);
        }
    }
}
