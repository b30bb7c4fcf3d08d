//! [`Network`]: the wires between processes and nodes, and what becomes of a message on them.

use std::future::Future;

use tokio::sync::oneshot;

use super::{
    fault::FaultKind,
    process::{Node, Process},
    server::Server,
    world::{MILLI, Micros, SECOND, Sim, World},
};
use crate::store_error::Fault;

/// How long a process waits for a reply. Nothing that must not be late is begun later than that.
pub(super) const DEADLINE: Micros = SECOND;
/// The longest that a message is under way.
const LATE_MAX: u64 = 5 * SECOND;

/// The wires.
#[derive(Debug, Default)]
pub(super) struct Network {
    cuts: Vec<Cut>,
    /// When the newest message of each process to each node arrives.
    newest: [[Micros; Node::ALL.len()]; Process::COUNT],
}

/// A wire through which something does not pass for a while.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    pub(super) process: Process,
    pub(super) node: Node,
    pub(super) requests: bool,
    pub(super) replies: bool,
    pub(super) until: Micros,
}

/// Whether a request changes something: without a reply its outcome is then unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// It changes nothing.
    Read,
    /// It changes something, and does no harm when it is done twice, or late.
    Write,
    /// It changes something, and nobody ever sends it twice.
    WriteOnce,
}

/// Who asks whom for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message {
    pub(super) process: Process,
    pub(super) node: Node,
    pub(super) access: Access,
    pub(super) doing: &'static str,
}

impl std::fmt::Display for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {}: {}", self.process, self.node.name(), self.doing)
    }
}

/// Where the reply to a request goes.
type Reply<T> = oneshot::Sender<Result<T, Fault>>;

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
struct Fate {
    /// How long it is under way; `None` when it is lost.
    arrives: Option<Micros>,
    /// How much later it arrives a second time.
    again: Option<Micros>,
}

impl World {
    /// Cuts a wire.
    pub(super) fn cut(&mut self, cut: Cut) {
        let now = self.now;
        self.network.cuts.retain(|cut| cut.until > now);
        self.network.cuts.push(cut);
    }

    /// Mends all wires.
    pub(super) fn mend(&mut self) {
        self.network.cuts.clear();
    }

    fn is_cut(&self, process: Process, node: Node, hits: impl Fn(&Cut) -> bool) -> Option<FaultKind> {
        let cut = |cut: &&Cut| cut.process == process && cut.node == node && cut.until > self.now && hits(cut);
        let found = self.network.cuts.iter().find(cut)?;
        let both = found.requests && found.replies;
        Some(if both { FaultKind::Partition } else { FaultKind::OneWayPartition })
    }

    /// Whether one of the rarer things happens to a message.
    fn befalls(&mut self, kind: FaultKind, one_in: u64) -> bool {
        let rate = one_in * self.schedule.calm();
        let befalls = self.random.network.below(rate) == 0;
        befalls && self.may(kind)
    }

    fn delay(&mut self) -> Micros {
        let usual = 100 + self.random.network.below(MILLI);
        if self.befalls(FaultKind::Delay, 60) {
            self.count(FaultKind::Delay);
            return usual + self.random.network.below(LATE_MAX);
        }
        usual
    }

    fn fate(&mut self, message: Message) -> Fate {
        let Message { process, node, access, .. } = message;
        let delay = self.delay();
        let lost = if self.befalls(FaultKind::RequestLost, 80) {
            Some(FaultKind::RequestLost)
        } else {
            self.is_cut(process, node, |cut| cut.requests)
        };
        let copies = access == Access::Write && self.befalls(FaultKind::Duplicate, 40);
        let again = copies.then(|| self.random.network.below(LATE_MAX));
        if let Some(kind) = lost {
            self.count(kind);
            self.tell(|| format!("{message}: lost by a {kind}"));
            return Fate { arrives: None, again: None };
        }
        let arrival = self.now + delay;
        let newest = self.network.newest.get_mut(process.index()).and_then(|row| row.get_mut(node.0));
        let before = newest.map_or(0, |newest| std::mem::replace(newest, arrival.max(*newest)));
        if arrival >= before {
            return Fate { arrives: Some(delay), again };
        }
        if self.may(FaultKind::Reorder) {
            self.count(FaultKind::Reorder);
            return Fate { arrives: Some(delay), again };
        }
        // It waits for the one before it.
        Fate { arrives: Some(before - self.now + 1), again }
    }

    /// How long a reply is under way; `None` when it is lost.
    fn reply(&mut self, message: Message) -> Option<Micros> {
        let Message { process, node, .. } = message;
        let delay = self.delay();
        // That a read is lost says little.
        let one_in = if message.access == Access::Read { 100 } else { 20 };
        let lost = if self.befalls(FaultKind::ReplyLost, one_in) {
            Some(FaultKind::ReplyLost)
        } else {
            self.is_cut(process, node, |cut| cut.replies)
        };
        if let Some(kind) = lost {
            self.count(kind);
            self.tell(|| format!("{message}: reply lost by a {kind}"));
            return None;
        }
        Some(delay)
    }
}

impl Sim {
    /// Sends a request to a node and waits for its reply, up to the deadline.
    pub(super) async fn request<T, F>(
        &self,
        message: Message,
        serve: impl Fn(Server) -> F + Send + Sync + 'static,
    ) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let fate = self.world().fate(message);
        // A request that is lost is not answered, and not refused either.
        let _kept = match fate.arrives {
            Some(delay) => {
                let sim = self.clone();
                self.start(Process::Network, async move {
                    sim.sleep(delay).await;
                    sim.arrive(message, fate.again, reply, serve);
                });
                None
            }
            None => Some(reply),
        };
        let lost = if message.access == Access::Read { Fault::Unavailable } else { Fault::Unknown };
        tokio::select! {
            biased;
            // When the node dies in the middle nobody is left to reply.
            answer = answer => answer.unwrap_or(Err(lost)),
            () = self.sleep(DEADLINE) => Err(lost),
        }
    }

    /// Serves a request that has arrived, once or twice.
    fn arrive<T, F>(
        &self,
        message: Message,
        again: Option<Micros>,
        reply: Reply<T>,
        serve: impl Fn(Server) -> F + Send + Sync + 'static,
    ) where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let Message { process, node, .. } = message;
        self.world().tell(|| message.to_string());
        if !self.world().node(node).is_up {
            // The connection is refused: nothing happened, and nothing will.
            self.start(Process::Network, self.clone().answer(message, reply, Err(Fault::Unavailable)));
            return;
        }
        let server = Server::new(self.clone(), node, process);
        let (work, sim) = (serve(server.clone()), self.clone());
        self.start(Process::Server(node), async move {
            let result = work.await;
            // On the wires a reply outlives its sender.
            sim.start(Process::Network, sim.clone().answer(message, reply, result));
        });
        if let Some(delay) = again {
            self.world().count(FaultKind::Duplicate);
            let sim = self.clone();
            self.start(Process::Network, async move {
                sim.sleep(delay).await;
                if sim.world().node(node).is_up {
                    let copy = serve(server);
                    sim.start(Process::Server(node), async move {
                        // What came of it nobody asks.
                        let _unheard = copy.await;
                    });
                }
            });
        }
    }

    /// Brings a reply to whoever asked, if he still waits.
    async fn answer<T>(self, message: Message, reply: Reply<T>, result: Result<T, Fault>) {
        let delay = self.world().reply(message);
        // One that is lost leaves whoever asked waiting for the deadline.
        self.sleep(delay.unwrap_or(2 * DEADLINE)).await;
        if delay.is_some() {
            let _gone = reply.send(result);
        }
    }
}
