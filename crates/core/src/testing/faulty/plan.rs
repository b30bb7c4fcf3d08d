//! What happens to which call of a faulty store.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use tokio::sync::Semaphore;

use crate::{store_error::Fault, testing::random::Random};

/// A method of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named after the methods")]
pub enum Call {
    CreateLog,
    LogEnds,
    Append,
    Read,
    Find,
    Trim,
    Acknowledge,
    Acknowledgements,
    Get,
    Scan,
    Namespaces,
    Collections,
    Size,
    Digest,
    Checkpoint,
    Resume,
    Apply,
    Unfinished,
    Stop,
    SetStop,
    Lease,
    SwapLease,
    Notes,
    PutNotes,
    Wipe,
    Run,
    Copy,
    Mend,
    BeginAt,
    Captured,
    BeginCapture,
    Capture,
}

/// What a call meets with.
#[derive(Debug, Clone)]
pub enum Action {
    /// Nothing special: for the calls before the one that is meant.
    Pass,
    /// Nothing is done; the call fails with this fault.
    Refuse(Fault),
    /// It is done; the call fails with [`Fault::Unknown`].
    LoseReply,
    /// It is done in part, where a store may be cut off in its middle, else not at all; the call fails with
    /// [`Fault::Unknown`].
    Tear,
    /// Only that many of the entries are appended; the call fails with [`Fault::Unknown`].
    /// For [`Call::Append`].
    Cut(usize),
    /// It waits, before anything is done, until the hold is released.
    Hold(Hold),
}

/// A call that waits: known to be there, and released, by events.
#[derive(Debug, Clone)]
pub struct Hold {
    reached: Arc<Semaphore>,
    released: Arc<Semaphore>,
}

impl Hold {
    pub(super) fn new() -> Self {
        Self { reached: Arc::new(Semaphore::new(0)), released: Arc::new(Semaphore::new(0)) }
    }

    /// Completes once the call has come.
    pub async fn reached(&self) {
        // The semaphore is never closed.
        let _ = self.reached.acquire().await;
    }

    /// Lets the call go on.
    pub fn release(&self) {
        self.released.add_permits(1);
    }

    pub(super) async fn pause(&self) {
        self.reached.add_permits(1);
        let _ = self.released.acquire().await;
    }
}

/// What one call is to do.
#[derive(Debug)]
pub(super) enum Order {
    Pass,
    Refuse(Fault),
    LoseReply,
    Tear,
    Hold(Hold),
}

/// What is planned, and what has happened.
#[derive(Debug, Default)]
pub(super) struct Plan {
    planned: HashMap<Call, VecDeque<Action>>,
    storm: Option<(Random, u64)>,
    death: Option<Death>,
    calls: u64,
    faults: u64,
}

#[derive(Debug)]
struct Death {
    after: u64,
    /// Whether the call in which it dies is done; `None` once it is dead.
    done: Option<bool>,
}

impl Plan {
    pub(super) fn add(&mut self, call: Call, action: Action) {
        self.planned.entry(call).or_default().push_back(action);
    }

    pub(super) fn storm(&mut self, seed: u64, one_in: u64) {
        self.storm = (one_in > 0).then(|| (Random::new(seed), one_in));
    }

    pub(super) fn is_stormy(&self) -> bool {
        self.storm.is_some()
    }

    pub(super) fn die_after(&mut self, after: u64, done: bool) {
        self.death = Some(Death { after, done: Some(done) });
    }

    pub(super) fn is_dead(&self) -> bool {
        self.death.as_ref().is_some_and(|death| death.done.is_none())
    }

    pub(super) fn revive(&mut self) {
        (self.death, self.storm) = (None, None);
        self.planned.clear();
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    pub(super) fn faults(&self) -> u64 {
        self.faults
    }

    /// The cut that is the next append's turn.
    pub(super) fn take_cut(&mut self) -> Option<usize> {
        let queue = self.planned.get_mut(&Call::Append)?;
        let Some(Action::Cut(count)) = queue.front() else { return None };
        let count = *count;
        queue.pop_front();
        self.calls += 1;
        self.faults += 1;
        Some(count)
    }

    pub(super) fn next(&mut self, call: Call) -> Order {
        self.calls += 1;
        let order = self.choose(call);
        self.faults += u64::from(matches!(order, Order::Refuse(_) | Order::LoseReply | Order::Tear));
        order
    }

    fn choose(&mut self, call: Call) -> Order {
        if let Some(death) = &mut self.death {
            if death.after > 0 {
                death.after -= 1;
            } else {
                return match death.done.take() {
                    Some(true) => Order::LoseReply,
                    // Nobody can tell it from a call that was done.
                    Some(false) => Order::Tear,
                    None => Order::Refuse(Fault::Unavailable),
                };
            }
        }
        match self.planned.get_mut(&call).and_then(VecDeque::pop_front) {
            // A cut is taken out before by `take_cut`; it means nothing to another call.
            Some(Action::Pass | Action::Cut(_)) => return Order::Pass,
            Some(Action::Refuse(fault)) => return Order::Refuse(fault),
            Some(Action::LoseReply) => return Order::LoseReply,
            Some(Action::Tear) => return Order::Tear,
            Some(Action::Hold(hold)) => return Order::Hold(hold),
            None => {}
        }
        let Some((random, one_in)) = &mut self.storm else { return Order::Pass };
        match (random.below(*one_in), random.below(3)) {
            (0, 0) => Order::Refuse(Fault::Unavailable),
            (0, 1) => Order::LoseReply,
            (0, _) => Order::Tear,
            _ => Order::Pass,
        }
    }
}
