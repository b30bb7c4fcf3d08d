//! [`Patience`]: a node that is down at start is like one that is down later.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use oplogsync_core::{
    host::{Host, SystemHost},
    retry::{Decision, backoff, decide_store},
    store_error::StoreError,
};
use tracing::warn;

use crate::{
    config::Role,
    failure::Failure,
    node::Node,
    reporter::{ONCE_FAILING_MAX, ONCE_RETRIES_MAX},
    show::{chain, tenths},
    signals::Shutdown,
};

/// Tries again what fails in passing; with `--once` not for long.
pub(crate) struct Patience<'a> {
    node: &'a Node,
    once: bool,
    begun: Instant,
    attempt: u32,
}

impl<'a> Patience<'a> {
    /// Patience with this node.
    pub(crate) fn new(node: &'a Node, once: bool) -> Self {
        Self { node, once, begun: Instant::now(), attempt: 0 }
    }

    /// Makes a request until it succeeds; `None` when a stop was asked for meanwhile.
    pub(crate) async fn wait_for<T, Request>(
        mut self,
        shutdown: &Shutdown,
        mut request: impl FnMut() -> Request,
    ) -> Result<Option<T>, Failure>
    where
        Request: Future<Output = Result<T, StoreError>>,
    {
        loop {
            let error = match request().await {
                Ok(done) => return Ok(Some(done)),
                Err(error) => error,
            };
            if decide_store(&error) != Decision::Retry || self.is_over() {
                return Err(Failure::store(error, Role::Primary));
            }
            if !self.pause(&chain(&error), shutdown).await {
                return Ok(None);
            }
        }
    }

    /// Counts one more failure; whether that was the last one.
    pub(super) fn is_over(&mut self) -> bool {
        self.attempt = self.attempt.saturating_add(1);
        self.once && (self.attempt >= ONCE_RETRIES_MAX || self.begun.elapsed() >= ONCE_FAILING_MAX)
    }

    /// Waits before the next try; `false` when a stop was asked for meanwhile.
    pub(super) async fn pause(&self, error: &str, shutdown: &Shutdown) -> bool {
        let wait: Duration = backoff(self.attempt, SystemHost.random());
        let wait_s = tenths(wait);
        warn!(node = self.node.name(), attempt = self.attempt, wait_s, error, "retrying");
        tokio::select! {
            biased;
            () = shutdown.clone().requested() => false,
            () = SystemHost.sleep(wait) => true,
        }
    }
}
