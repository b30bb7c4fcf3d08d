//! [`Survey`]: how far every node is, at about one moment.

use std::time::Duration;

#[cfg(feature = "mongo")]
use oplogsync_core::initial_sync::SyncSource;
use oplogsync_core::{
    checkpoint::{Checkpoint, Stop},
    clock::OpTime,
    documents::Documents,
    ids::LogId,
    initial_sync::{self, Phase, SyncError, SyncProgress},
    lease::{Lease, LeaseName, Leases},
    log::{Log, LogEnds},
    progress::Progress,
    store_error::{Fault, StoreError},
};
#[cfg(feature = "mongo")]
use oplogsync_store_mongo::SnapshotSource;

use crate::{
    config::{Config, NodeConfig, Role},
    exit::Exit,
    failure::exit_of,
    node::{Node, within},
    upstream::Upstream,
};

/// How far every node is.
#[derive(Debug)]
pub(crate) struct Survey {
    /// How far the primary is.
    pub(crate) primary: Result<Ends, StoreError>,
    /// The replicas, in the order of the configuration.
    pub(crate) replicas: Vec<Replica>,
}

/// How far a primary is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ends {
    /// The two ends of its managed oplog; `None` when it has none yet.
    Log(Option<LogEnds>),
    /// It is followed by its change stream.
    #[cfg_attr(not(feature = "mongo"), expect(dead_code, reason = "only servers have one"))]
    Stream {
        /// Its newest write.
        newest: OpTime,
        /// The oldest one that its own oplog tells; `None` when that cannot be known.
        oldest: Option<OpTime>,
    },
    /// It is to be followed by its change stream, and has none.
    #[cfg_attr(not(feature = "mongo"), expect(dead_code, reason = "only servers have one"))]
    NoStream,
}

impl Ends {
    /// The ends of the managed oplog, if there is one.
    pub(crate) fn log(&self) -> Option<&LogEnds> {
        match self {
            Self::Log(ends) => ends.as_ref(),
            Self::Stream { .. } | Self::NoStream => None,
        }
    }
}

/// One replica.
#[derive(Debug)]
pub(crate) struct Replica {
    /// Its name.
    pub(crate) name: String,
    /// What it says of itself.
    pub(crate) facts: Result<Facts, StoreError>,
    /// How far it is behind an oplog; `None` when that cannot be told.
    pub(crate) progress: Option<Progress>,
    /// How far it is behind a change stream, and how far that still reaches back.
    pub(crate) distance: Option<Distance>,
    /// What this comes to.
    pub(crate) state: State,
}

/// How far a replica is behind a change stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Distance {
    /// Optime of the primary's newest write less that of the checkpoint.
    pub(crate) lag: Duration,
    /// Optime of the checkpoint less that of the oldest write that the primary's own oplog tells.
    pub(crate) headroom: Option<Duration>,
}

/// What a replica says of itself.
#[derive(Debug)]
pub(crate) struct Facts {
    /// What it has applied.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// How far its initial sync has come, if one is under way.
    pub(crate) phase: Option<Phase>,
    /// What is copied by then, and how much there is to copy.
    pub(crate) copied: Option<SyncProgress>,
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
    /// It is copied.
    Copying,
    /// It is copied, and not yet what the primary was at any one moment.
    CatchingUp,
    /// It follows a change stream.
    Following,
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
            Self::Copying => "initial_sync",
            Self::CatchingUp => "catching_up",
            Self::Following => "following",
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
            Self::New
            | Self::Copying
            | Self::CatchingUp
            | Self::Following
            | Self::CaughtUp
            | Self::Behind
            | Self::Unknown => Exit::Done,
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
        let ends = within(&primary, timeout + GRACE, ends(config, &primary)).await;
        let mut answers: Vec<_> = tasks.join_all().await;
        answers.sort_by_key(|(at, _)| *at);
        let known = ends.as_ref().ok();
        let replicas = replicas
            .iter()
            .zip(answers)
            .map(|(node, (_, facts))| Replica::judge(node.name.clone(), facts, known))
            .collect();
        Self { primary: ends, replicas }
    }

    /// The exit code that it comes to: the primary's trouble first, then the gravest of the replicas'.
    pub(crate) fn exit(&self) -> Exit {
        match &self.primary {
            Err(error) => return exit_of(error.fault(), Role::Primary),
            Ok(Ends::NoStream) => return Exit::Config,
            Ok(_) => {}
        }
        self.replicas.iter().map(Replica::exit).max().unwrap_or(Exit::Done)
    }
}

/// What the store's own deadline may take longer than was asked for.
const GRACE: Duration = Duration::from_millis(1500);

impl Replica {
    fn judge(name: String, facts: Result<Facts, StoreError>, ends: Option<&Ends>) -> Self {
        let (mut progress, mut distance, mut state) = (None, None, State::Unreachable);
        if let Ok(facts) = &facts {
            let anchor = facts.checkpoint.map(|checkpoint| checkpoint.anchor);
            state = match (phase_of(facts), ends) {
                (Some(state), _) => state,
                (None, None | Some(Ends::Log(None) | Ends::NoStream)) => State::Unknown,
                (None, Some(Ends::Log(Some(ends)))) => state_of(facts, ends),
                (None, Some(Ends::Stream { .. })) => stream_state_of(facts),
            };
            match ends {
                Some(Ends::Log(Some(ends))) if !matches!(state, State::Foreign | State::Same) => {
                    progress = Some(Progress::new(anchor, ends.head, ends.floor));
                }
                Some(Ends::Stream { newest, oldest }) => {
                    distance = anchor.map(|anchor| Distance {
                        lag: newest.since(anchor.optime),
                        headroom: oldest.map(|oldest| anchor.optime.since(oldest)),
                    });
                }
                _ => {}
            }
        }
        Self { name, facts, progress, distance, state }
    }

    /// What it means for the exit code.
    pub(crate) fn exit(&self) -> Exit {
        match &self.facts {
            Err(error) => exit_of(error.fault(), Role::Replica),
            Ok(_) => self.state.exit(),
        }
    }
}

/// What an initial sync that is under way comes to.
fn phase_of(facts: &Facts) -> Option<State> {
    match (&facts.stop, facts.phase?) {
        (Some(stop), _) if stop.too_stale => Some(State::TooStale),
        (Some(_), _) => Some(State::Stopped),
        (None, Phase::CatchUp) => Some(State::CatchingUp),
        (None, Phase::Wipe | Phase::Copy) => Some(State::Copying),
    }
}

fn stream_state_of(facts: &Facts) -> State {
    match (&facts.stop, facts.checkpoint) {
        (Some(stop), _) if stop.too_stale => State::TooStale,
        (Some(_), _) => State::Stopped,
        (None, None) => State::New,
        (None, Some(_)) => State::Following,
    }
}

/// How far the primary is.
async fn ends(config: &Config, primary: &Node) -> Result<Ends, StoreError> {
    match Upstream::choose(config, primary).await? {
        Upstream::Managed(node) => Ok(Ends::Log(node.log_ends().await?)),
        #[cfg(feature = "mongo")]
        Upstream::Stream { node, .. } if !node.is_replicated().await? => Ok(Ends::NoStream),
        #[cfg(feature = "mongo")]
        Upstream::Stream { node, .. } => {
            let store = node.mongo().await?;
            let newest = SnapshotSource::new(store.clone(), config.filter.clone()).now().await?.to_optime();
            // Who may not read the oplog itself is told nothing about its other end.
            let window = store.oplog_window().await.ok().flatten();
            let oldest = window.map(|window| OpTime::from_timestamp(window.oldest.time, window.oldest.increment));
            Ok(Ends::Stream { newest, oldest })
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
    let copy = copy(node).await?;
    Ok(Facts {
        checkpoint: node.checkpoint().await?,
        phase: copy.map(|(phase, _)| phase),
        copied: copy.map(|(_, progress)| progress),
        stop: node.stop().await?,
        lease: node.lease(LeaseName::Documents).await?,
        own_log: node.log_ends().await?.map(|ends| ends.log),
    })
}

/// How far an initial sync has come; one whose notes cannot be read has stopped, and says so elsewhere.
async fn copy(node: &Node) -> Result<Option<(Phase, SyncProgress)>, StoreError> {
    let progress = initial_sync::progress(node).await;
    progress.map_err(|error| match error {
        SyncError::Store(store) => store,
        other => {
            StoreError::new(node.name(), "read how far its initial sync has come", Fault::Incompatible).because(other)
        }
    })
}
