//! [`Survey`]: how far every node is, at about one moment.

use std::time::Duration;

use oplogsync_core::{
    checkpoint::{Checkpoint, Stop},
    documents::Documents,
    ids::LogId,
    lease::{Lease, LeaseName, Leases},
    log::{Log, LogEnds},
    progress::Progress,
    store_error::StoreError,
};

use crate::{
    config::{Config, NodeConfig, Role},
    exit::Exit,
    failure::exit_of,
    node::{Node, within},
};

/// How far every node is.
#[derive(Debug)]
pub(crate) struct Survey {
    /// The two ends of the primary's log; `None` when it has none yet.
    pub(crate) primary: Result<Option<LogEnds>, StoreError>,
    /// The replicas, in the order of the configuration.
    pub(crate) replicas: Vec<Replica>,
}

/// One replica.
#[derive(Debug)]
pub(crate) struct Replica {
    /// Its name.
    pub(crate) name: String,
    /// What it says of itself.
    pub(crate) facts: Result<Facts, StoreError>,
    /// How far it is; `None` when that cannot be told.
    pub(crate) progress: Option<Progress>,
    /// What this comes to.
    pub(crate) state: State,
}

/// What a replica says of itself.
#[derive(Debug)]
pub(crate) struct Facts {
    /// What it has applied.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// Why it has stopped, if it has.
    pub(crate) stop: Option<Stop>,
    /// Who applies to it now.
    pub(crate) lease: Option<Lease>,
    /// The log that it holds itself, as a primary does.
    pub(crate) own_log: Option<LogId>,
}

/// What is to be said about a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing was ever applied.
    New,
    /// It is at the head.
    CaughtUp,
    /// There is more to apply.
    Behind,
    /// It stopped, and says why.
    Stopped,
    /// The log no longer reaches back to its checkpoint.
    TooStale,
    /// It follows another log.
    Foreign,
    /// It is the primary's database, under another address.
    Same,
    /// Its checkpoint is beyond the head: the primary went back in time.
    Ahead,
    /// It does not answer.
    Unreachable,
    /// The primary does not answer, or has no log yet.
    Unknown,
}

impl State {
    /// Its name in output.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::CaughtUp => "caught_up",
            Self::Behind => "behind",
            Self::Stopped => "stopped",
            Self::TooStale => "too_stale",
            Self::Foreign => "foreign",
            Self::Same => "same_database",
            Self::Ahead => "ahead",
            Self::Unreachable => "unreachable",
            Self::Unknown => "unknown",
        }
    }

    /// What it means for the exit code.
    pub(crate) fn exit(self) -> Exit {
        match self {
            Self::New | Self::CaughtUp | Self::Behind | Self::Unknown => Exit::Done,
            Self::Stopped | Self::Unreachable => Exit::Replica,
            Self::Same => Exit::Config,
            Self::TooStale | Self::Foreign | Self::Ahead => Exit::TooStale,
        }
    }
}

impl Survey {
    /// Asks every node at once; each has `timeout` to answer.
    pub(crate) async fn take(config: &Config, replicas: &[&NodeConfig], timeout: Duration) -> Self {
        let primary = Node::new(&config.primary, timeout);
        let asked: Vec<_> = replicas.iter().map(|node| Node::new(node, timeout)).collect();
        let mut tasks = tokio::task::JoinSet::new();
        for (at, node) in asked.into_iter().enumerate() {
            tasks.spawn(async move { (at, within(&node, timeout + GRACE, facts(&node)).await) });
        }
        let ends = within(&primary, timeout + GRACE, primary.log_ends()).await;
        let mut answers: Vec<_> = tasks.join_all().await;
        answers.sort_by_key(|(at, _)| *at);
        let known = ends.as_ref().ok().and_then(Option::as_ref);
        let replicas = replicas
            .iter()
            .zip(answers)
            .map(|(node, (_, facts))| Replica::judge(node.name.clone(), facts, known))
            .collect();
        Self { primary: ends, replicas }
    }

    /// The exit code that it comes to: the primary's trouble first, then the gravest of the replicas'.
    pub(crate) fn exit(&self) -> Exit {
        if let Err(error) = &self.primary {
            return exit_of(error.fault(), Role::Primary);
        }
        self.replicas.iter().map(Replica::exit).max().unwrap_or(Exit::Done)
    }
}

/// What the store's own deadline may take longer than was asked for.
const GRACE: Duration = Duration::from_millis(1500);

impl Replica {
    fn judge(name: String, facts: Result<Facts, StoreError>, ends: Option<&LogEnds>) -> Self {
        let (mut progress, mut state) = (None, State::Unreachable);
        if let Ok(facts) = &facts {
            let anchor = facts.checkpoint.map(|checkpoint| checkpoint.anchor);
            state = match ends {
                None => State::Unknown,
                Some(ends) => state_of(facts, ends),
            };
            if !matches!(state, State::Foreign | State::Same) {
                progress = ends.map(|ends| Progress::new(anchor, ends.head, ends.floor));
            }
        }
        Self { name, facts, progress, state }
    }

    /// What it means for the exit code.
    pub(crate) fn exit(&self) -> Exit {
        match &self.facts {
            Err(error) => exit_of(error.fault(), Role::Replica),
            Ok(_) => self.state.exit(),
        }
    }
}

fn state_of(facts: &Facts, ends: &LogEnds) -> State {
    let applied = facts.checkpoint.map_or(0, |checkpoint| checkpoint.anchor.position.index);
    let (floor, head) = (ends.floor.position.index, ends.head.position.index);
    if facts.own_log == Some(ends.log) {
        return State::Same;
    }
    match (&facts.stop, facts.checkpoint) {
        (Some(stop), _) if stop.too_stale => State::TooStale,
        (_, Some(checkpoint)) if checkpoint.log != ends.log => State::Foreign,
        (Some(_), _) => State::Stopped,
        _ if applied < floor => State::TooStale,
        _ if applied > head => State::Ahead,
        (_, None) if head > 0 => State::New,
        _ if applied == head => State::CaughtUp,
        _ => State::Behind,
    }
}

async fn facts(node: &Node) -> Result<Facts, StoreError> {
    Ok(Facts {
        checkpoint: node.checkpoint().await?,
        stop: node.stop().await?,
        lease: node.lease(LeaseName::Documents).await?,
        own_log: node.log_ends().await?.map(|ends| ends.log),
    })
}
