//! [`Script`]: what a proxy does to which connection, from a seed or by plan.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

use oplogsync_core::testing::random::Random;
use tokio::sync::watch;

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Pass,
    /// Each message waits.
    Delay {
        ms: u64,
    },
    /// It is reset in the middle of a reply.
    CutMidFrame {
        after: u64,
    },
    /// It is accepted, and nobody answers.
    BlackHole,
    /// Requests arrive, replies do not.
    DropReplies {
        after: u64,
    },
    /// Requests do not arrive.
    DropRequests {
        after: u64,
    },
}

/// How the reply to a command is lost, which the server has carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The connection is cut.
    Cut,
    /// The connection stays, and nothing comes.
    Withheld,
}

/// Of so many connections in a storm each kind of fate meets at least one.
const DECK: usize = 14;
/// One in so many commands has its reply cut in a storm.
const REPLY_CUT_ONE_IN: u64 = 40;
/// The commands by which the driver looks after its connections: their loss is the lot of whole connections.
const HOUSEKEEPING: [&str; 4] = ["hello", "isMaster", "ismaster", "endSessions"];

/// Decides what happens, and counts it.
pub(crate) struct Script {
    state: Mutex<State>,
    storm: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    random: Option<Random>,
    /// The command whose reply is to be cut, and how many pass before it.
    planned: Option<(String, u64)>,
    commands: BTreeMap<String, u64>,
    happened: BTreeMap<&'static str, u64>,
    connections: u64,
    /// The next so many connections are accepted, and nobody answers.
    swallowed: u64,
    /// The reply to the next command is withheld.
    withhold: bool,
    /// The fates of the next connections in a storm.
    deck: Vec<Fate>,
}

impl Script {
    /// Nothing happens until it is told to.
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), storm: watch::Sender::new(false) }
    }

    /// From now on things happen by chance.
    pub(crate) fn begin_storm(&self, random: Random) {
        self.state().random = Some(random);
        self.storm.send_replace(true);
    }

    /// From now on nothing happens, and the connections that are doomed end.
    pub(crate) fn end_storm(&self) {
        self.state().random = None;
        self.storm.send_replace(false);
    }

    /// The next command is not answered, and the next `count` connections are accepted, and nobody ever answers.
    pub(crate) fn swallow(&self, count: u64) {
        let mut state = self.state();
        (state.swallowed, state.withhold) = (count, true);
        self.storm.send_replace(true);
    }

    /// How many connections are still to be swallowed.
    pub(crate) fn to_swallow(&self) -> u64 {
        self.state().swallowed
    }

    /// Waits for the end of the storm.
    pub(super) async fn calm(&self) {
        self.storm.subscribe().wait_for(|storm| !storm).await.expect("the script lives");
    }

    /// From now on commands are counted; the reply to the `occurrence`-th `command` is cut.
    pub(crate) fn plan(&self, planned: Option<(String, u64)>) {
        let mut state = self.state();
        state.planned = planned;
        state.commands.clear();
    }

    /// How often each command was sent since the plan was made.
    pub(crate) fn commands(&self) -> BTreeMap<String, u64> {
        self.state().commands.clone()
    }

    /// How often each fault has happened.
    pub(crate) fn happened(&self) -> BTreeMap<&'static str, u64> {
        self.state().happened.clone()
    }

    pub(crate) fn connections(&self) -> u64 {
        self.state().connections
    }

    pub(super) fn note(&self, fault: &'static str) {
        *self.state().happened.entry(fault).or_default() += 1;
    }

    pub(super) fn fate(&self) -> Fate {
        let mut state = self.state();
        state.connections += 1;
        let fate = state.next_fate();
        if fate == Fate::BlackHole {
            *state.happened.entry("black hole").or_default() += 1;
        }
        fate
    }

    /// How the reply to this command is to be lost, if it is.
    pub(super) fn loss(&self, command: &str) -> Option<Loss> {
        let mut state = self.state();
        if HOUSEKEEPING.contains(&command) {
            return None;
        }
        let count = state.commands.entry(command.to_owned()).or_default();
        *count += 1;
        let count = *count;
        if std::mem::take(&mut state.withhold) {
            return Some(Loss::Withheld);
        }
        let planned = state.planned.as_ref().is_some_and(|(name, occurrence)| name == command && count == *occurrence);
        let by_chance = state.random.as_mut().is_some_and(|random| random.below(REPLY_CUT_ONE_IN) == 0);
        (planned || by_chance).then_some(Loss::Cut)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn next_fate(&mut self) -> Fate {
        if self.swallowed > 0 {
            self.swallowed -= 1;
            return Fate::BlackHole;
        }
        let Self { random: Some(random), deck, .. } = self else { return Fate::Pass };
        if deck.is_empty() {
            *deck = shuffled_deck(random);
        }
        deck.pop().unwrap_or(Fate::Pass)
    }
}

/// Fates for the next connections, in any order: each kind comes soon.
fn shuffled_deck(random: &mut Random) -> Vec<Fate> {
    let mut after = || 1 + random.below(6);
    let mut deck = vec![
        Fate::CutMidFrame { after: after() },
        Fate::CutMidFrame { after: after() },
        Fate::CutMidFrame { after: after() },
        Fate::BlackHole,
        Fate::DropReplies { after: after() },
        Fate::DropRequests { after: after() },
    ];
    deck.push(Fate::Delay { ms: 1 + random.below(30) });
    deck.resize(DECK, Fate::Pass);
    for last in (1..deck.len()).rev() {
        let other = usize::try_from(random.below(u64::try_from(last).unwrap() + 1)).unwrap();
        deck.swap(last, other);
    }
    deck
}
