//! [`Reporter`]: what is known about a replica while `run` works on it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use oplogsync_core::{
    progress::Progress,
    replicator::{Event, Observer, ReplicateError, Step},
};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::{
    failure::{Failure, replicate_exit},
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
    seen: Mutex<Seen>,
    done: watch::Sender<bool>,
}

#[derive(Debug)]
struct Seen {
    state: State,
    progress: Option<Progress>,
    applied: u64,
    reported: (Instant, u64),
    /// With `--once`: the index to reach.
    goal: Option<u64>,
    gave_up: Option<Failure>,
    /// Since when it fails. A node that was never reached fails from the start.
    failing_since: Option<Instant>,
}

/// What a replica is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Its node was not reached yet.
    Starting,
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
            Self::CatchingUp => "catching_up",
            Self::CaughtUp => "caught_up",
            Self::Retrying => "retrying",
            Self::Stopped => "stopped",
        }
    }
}

impl Reporter {
    /// A reporter for the replica `node`; with `once`, it also notices when the replica is done.
    pub(crate) fn new(node: &str, once: bool) -> Self {
        let seen = Seen {
            state: State::Starting,
            progress: None,
            applied: 0,
            reported: (Instant::now(), 0),
            goal: None,
            gave_up: None,
            failing_since: Some(Instant::now()),
        };
        Self { node: node.to_owned(), once, seen: Mutex::new(seen), done: watch::Sender::new(false) }
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

    /// Logs how far the replica is.
    pub(crate) fn report(&self) {
        let mut seen = self.seen();
        let now = Instant::now();
        let (since, before) = seen.reported;
        let elapsed = now.duration_since(since).as_secs_f64().max(0.001);
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let ops_per_s = ((seen.applied - before) as f64 / elapsed * 10.0).round() / 10.0;
        seen.reported = (now, seen.applied);
        let (state, node, applied) = (seen.state.as_str(), &self.node, seen.applied);
        let Some(progress) = seen.progress else {
            warn!(%node, %state, "progress");
            return;
        };
        let checkpoint = progress.checkpoint.map_or_else(|| "-".to_owned(), |anchor| anchor.position.to_string());
        if matches!(seen.state, State::Retrying | State::Stopped) {
            // How far it is behind is not known now: what was known is old.
            warn!(%node, %state, applied, ops_per_s, %checkpoint, "progress");
        } else {
            let (lag_s, behind, headroom) = (progress.lag.map(tenths), progress.behind, progress.headroom);
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
        let goal = *seen.goal.get_or_insert(head.position.index);
        if self.once && checkpoint.map_or(0, |anchor| anchor.position.index) >= goal {
            self.done.send_replace(true);
        }
    }

    fn retrying(&self, attempt: u32, wait: Duration, error: &ReplicateError) {
        let node = &self.node;
        let wait_s = tenths(wait);
        warn!(%node, attempt, wait_s, error = %chain(error), "retrying");
        let mut seen = self.seen();
        seen.state = State::Retrying;
        let failing = seen.failing_since.get_or_insert_with(Instant::now).elapsed();
        if self.once && (attempt >= ONCE_RETRIES_MAX || failing >= ONCE_FAILING_MAX) {
            let tries = counted(u64::from(attempt), "try", "tries");
            let given_up = format!("{node}: given up after {tries}: {}", chain(error));
            seen.gave_up = Some(Failure::message(replicate_exit(error), given_up));
            self.done.send_replace(true);
        }
    }
}

impl Observer for Reporter {
    fn observe(&self, event: Event<'_>) {
        match event {
            Event::Applied(step) => {
                self.advanced(step, if step.progress.behind > 0 { State::CatchingUp } else { State::CaughtUp });
            }
            Event::CaughtUp(step) => self.advanced(&Step { entries: 0, ..*step }, State::CaughtUp),
            Event::Retrying { attempt, wait, error } => self.retrying(attempt, wait, error),
            Event::Stopped { error, untold } => {
                let node = &self.node;
                error!(%node, error = %chain(error), "stopped");
                if let Some(untold) = untold {
                    warn!(%node, error = %chain(untold), "the node could not be told why it stopped");
                }
                self.seen().state = State::Stopped;
            }
        }
    }
}
