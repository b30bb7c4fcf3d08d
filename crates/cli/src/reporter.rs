//! [`Reporter`]: what is known about a replica while `run` works on it.

mod copy;

use std::{
    error::Error,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use oplogsync_core::{
    initial_sync::{SyncEvent, SyncObserver},
    position::Anchor,
    progress::Progress,
    replicator::{Event, Observer, Step},
    store_error::StoreError,
};
use tokio::sync::watch;
use tracing::{error, info, warn};

use self::copy::CopyProgress;
use crate::{
    exit::Exit,
    failure::{Failure, replicate_exit, sync_exit},
    show::{chain, counted, tenths},
};

/// After how many failures in a row `run --once` gives a node up.
pub(crate) const ONCE_RETRIES_MAX: u32 = 5;
/// How long failures may go on before `run --once` gives a node up. A server that takes connections
/// and does not answer would make five tries long.
pub(crate) const ONCE_FAILING_MAX: Duration = Duration::from_secs(5);

/// Reports on one replica: at once what matters, and on demand how far it is.
#[derive(Debug)]
pub(crate) struct Reporter {
    node: String,
    once: bool,
    /// Whether what it follows is trimmed, so that it can fall too far behind.
    is_trimmed: bool,
    seen: Mutex<Seen>,
    done: watch::Sender<bool>,
}

#[derive(Debug)]
struct Seen {
    state: State,
    progress: Option<Progress>,
    /// Whether it is not yet what the primary was at any one moment.
    catching_up: bool,
    applied: u64,
    reported: (Instant, u64),
    /// The copy that is under way, or was.
    copy: CopyProgress,
    /// With `--once`: what to reach.
    goal: Option<Anchor>,
    aim: Aim,
    gave_up: Option<Failure>,
    /// Since when it fails. A node that was never reached fails from the start.
    failing_since: Option<Instant>,
}

/// What is to be reached beside the goal: what is in a spool may be older than what there is at the source.
#[derive(Debug, Clone, Copy)]
enum Aim {
    /// Nothing.
    Goal,
    /// It is not known yet.
    Awaited,
    /// The entry at this index.
    #[cfg_attr(not(feature = "mongo"), expect(dead_code, reason = "only servers are spooled"))]
    Index(u64),
}

/// What a replica is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Its node was not reached yet.
    Starting,
    /// It is copied.
    Copying,
    /// It applies entries.
    CatchingUp,
    /// It is at the head.
    CaughtUp,
    /// It failed, and tries again.
    Retrying,
    /// It has stopped.
    Stopped,
}

impl State {
    /// Its name in output.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Copying => "initial_sync",
            Self::CatchingUp => "catching_up",
            Self::CaughtUp => "caught_up",
            Self::Retrying => "retrying",
            Self::Stopped => "stopped",
        }
    }
}

impl Reporter {
    /// A reporter for the replica `node`; with `once`, it also notices when the replica is done: when it has
    /// reached the head that there is at first. With a spool it has to be told where that is. Of a log that
    /// `is_trimmed` it tells how much is left before the replica is too stale: positions of a change stream say nothing
    /// of that.
    pub(crate) fn new(node: &str, once: bool, is_spooled: bool, is_trimmed: bool) -> Self {
        let seen = Seen {
            state: State::Starting,
            progress: None,
            applied: 0,
            reported: (Instant::now(), 0),
            copy: CopyProgress::default(),
            catching_up: false,
            goal: None,
            aim: if is_spooled { Aim::Awaited } else { Aim::Goal },
            gave_up: None,
            failing_since: Some(Instant::now()),
        };
        Self { node: node.to_owned(), once, is_trimmed, seen: Mutex::new(seen), done: watch::Sender::new(false) }
    }

    /// The source has nothing to tell at the moment that is not in the spool, whose last entry is this one.
    #[cfg(feature = "mongo")]
    pub(crate) fn aim_at(&self, last: &Anchor) {
        let mut seen = self.seen();
        if matches!(seen.aim, Aim::Awaited) {
            seen.aim = Aim::Index(last.position.index);
            self.notice_goal(&seen);
        }
    }

    /// Completes when a replica that runs once is done or given up.
    pub(crate) async fn done(&self) {
        // The sender lives as long as the reporter.
        let mut done = self.done.subscribe();
        let _ended = done.wait_for(|done| *done).await;
    }

    /// Whether a replica that runs once has reached the head.
    pub(crate) fn outcome(&self) -> Result<(), Failure> {
        self.seen().gave_up.take().map_or(Ok(()), Err)
    }

    /// Whether it has reached what `--once` asks for.
    pub(crate) fn is_done(&self) -> bool {
        *self.done.borrow()
    }

    /// Whether it is to be done once.
    pub(crate) fn is_once(&self) -> bool {
        self.once
    }

    /// Logs how far the replica is.
    pub(crate) fn report(&self) {
        let mut seen = self.seen();
        let now = Instant::now();
        let (since, before) = seen.reported;
        let elapsed = now.duration_since(since).as_secs_f64().max(0.001);
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let ops_per_s = (seen.applied.saturating_sub(before) as f64 / elapsed * 10.0).round() / 10.0;
        seen.reported = (now, seen.applied);
        let (state, node, applied) = (seen.state.as_str(), &self.node, seen.applied);
        if seen.state == State::Copying {
            return seen.copy.report(node);
        }
        let Some(progress) = seen.progress else {
            warn!(%node, %state, "progress");
            return;
        };
        let checkpoint = progress.checkpoint.map_or_else(|| "-".to_owned(), |anchor| anchor.position.to_string());
        if matches!(seen.state, State::Retrying | State::Stopped) {
            // How far it is behind is not known now: what was known is old.
            warn!(%node, %state, applied, ops_per_s, %checkpoint, "progress");
        } else {
            let (lag_s, behind) = (progress.lag.map(tenths), progress.behind);
            let headroom = self.is_trimmed.then_some(progress.headroom);
            info!(%node, %state, lag_s, behind, applied, ops_per_s, %checkpoint, headroom, "progress");
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn advanced(&self, step: &Step, state: State) {
        let mut seen = self.seen();
        let node = &self.node;
        let Progress { checkpoint, head, behind, .. } = step.progress;
        if seen.progress.is_none() {
            let checkpoint = checkpoint.map_or_else(|| "-".to_owned(), |anchor| anchor.position.to_string());
            info!(%node, %checkpoint, behind, "following");
        } else if seen.state == State::Retrying {
            info!(%node, behind, "back");
        }
        seen.state = state;
        seen.failing_since = None;
        seen.progress = Some(step.progress);
        seen.applied += step.entries as u64;
        seen.catching_up = step.catching_up;
        seen.goal.get_or_insert(head);
        self.notice_goal(&seen);
    }

    /// Notices when what runs once is where it is to come to.
    fn notice_goal(&self, seen: &Seen) {
        let (Some(progress), Some(goal)) = (seen.progress, seen.goal) else { return };
        let index = progress.checkpoint.map_or(0, |at| at.position.index);
        // Of a head no more may be known than the time of a write that concerns nobody here.
        let at_head = progress.behind == 0 || progress.checkpoint.is_some_and(|at| at.optime >= goal.optime);
        let at_aim = match seen.aim {
            Aim::Goal => true,
            Aim::Awaited => false,
            Aim::Index(aim) => index >= aim,
        };
        if self.once && index >= goal.position.index && at_head && at_aim && !seen.catching_up {
            self.done.send_replace(true);
        }
    }

    fn retrying(&self, attempt: u32, wait: Duration, error: &dyn Error, exit: Exit) {
        let node = &self.node;
        let wait_s = tenths(wait);
        warn!(%node, attempt, wait_s, error = %chain(error), "retrying");
        let mut seen = self.seen();
        if seen.state != State::Copying {
            seen.state = State::Retrying;
        }
        let failing = seen.failing_since.get_or_insert_with(Instant::now).elapsed();
        if self.once && (attempt >= ONCE_RETRIES_MAX || failing >= ONCE_FAILING_MAX) {
            let tries = counted(u64::from(attempt), "try", "tries");
            let given_up = format!("{node}: given up after {tries}: {}", chain(error));
            seen.gave_up = Some(Failure::message(exit, given_up));
            self.done.send_replace(true);
        }
    }

    fn stopped(&self, error: &dyn Error, untold: Option<&StoreError>) {
        let node = &self.node;
        error!(%node, error = %chain(error), "stopped");
        if let Some(untold) = untold {
            warn!(%node, error = %chain(untold), "the node could not be told why it stopped");
        }
        self.seen().state = State::Stopped;
    }
}

impl Observer for Reporter {
    fn observe(&self, event: Event<'_>) {
        match event {
            Event::Applied(step) => {
                let is_behind = step.progress.behind > 0 || step.catching_up;
                self.advanced(step, if is_behind { State::CatchingUp } else { State::CaughtUp });
            }
            Event::CaughtUp(step) => self.advanced(&Step { entries: 0, ..*step }, State::CaughtUp),
            Event::Retrying { attempt, wait, error } => self.retrying(attempt, wait, error, replicate_exit(error)),
            Event::Stopped { error, untold } => self.stopped(error, untold),
        }
    }
}

impl SyncObserver for Reporter {
    fn observe_sync(&self, event: SyncEvent<'_>) {
        match event {
            SyncEvent::Begun(progress) => {
                let mut seen = self.seen();
                (seen.state, seen.failing_since) = (State::Copying, None);
                seen.copy = CopyProgress::begin(&self.node, progress);
            }
            SyncEvent::Copied { progress, .. } => {
                let mut seen = self.seen();
                seen.failing_since = None;
                seen.copy.advance(progress);
            }
            SyncEvent::Again { names, at } => {
                let names = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                info!(node = %self.node, %at, collections = %names, "a command makes it necessary to copy again");
            }
            SyncEvent::Retrying { attempt, wait, error } => {
                self.retrying(attempt, wait, error, sync_exit(error, &self.node));
            }
            SyncEvent::Stopped { error, untold } => self.stopped(error, untold),
            SyncEvent::Ended(progress) => {
                let mut seen = self.seen();
                seen.copy.advance(progress);
                seen.copy.end(&self.node);
                seen.state = State::CatchingUp;
            }
        }
    }
}
