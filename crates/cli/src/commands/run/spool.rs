//! Filling the spool.

use std::sync::Arc;

use oplogsync_core::capture::{CaptureError, CaptureEvent, CaptureObserver};
use tracing::{debug, info, warn};

use super::patience::Patience;
use crate::{
    config::{Address, Config, Role},
    exit::Exit,
    failure::Failure,
    node::Node,
    reporter::Reporter,
    show::{chain, resync_command, tenths},
    signals::Shutdown,
    upstream::Upstream,
};

/// Fills the spool, if there is one, until it fails; a stop is the others' matter.
pub(super) async fn fill(
    primary: &Node,
    upstream: &Upstream,
    config: &Config,
    reporters: &[Arc<Reporter>],
    shutdown: &Shutdown,
) -> Result<Exit, Failure> {
    let once = reporters.iter().any(|reporter| reporter.is_once());
    let filler = Patience::new(primary, once).wait_for(shutdown, || upstream.filler(config)).await?;
    let Some(filler) = filler.flatten() else { return std::future::pending().await };
    info!("capturing into the spool");
    let never = std::future::pending();
    let failed = Box::pin(filler.run(never, &Told(reporters))).await;
    failed.map(|()| Exit::Done).map_err(|error| failure(error, config))
}

/// What ends the filling of a spool.
pub(crate) fn failure(error: CaptureError, config: &Config) -> Failure {
    let failure = match error {
        CaptureError::Feed(feed) => Failure::feed(feed),
        CaptureError::Spool(store) => Failure::store(store, Role::Replica),
        other => Failure::new(Exit::Config, other),
    };
    match config.feed.spool.as_ref().map(|spool| &spool.address) {
        // What it holds does not join on to what the source still knows.
        Some(Address::Folder { path, .. }) if failure.exit() == Exit::TooStale => failure.context(format!(
            "the spool cannot be filled; remove the folder {}, and sync every replica anew: {}",
            path.display(),
            resync_command("NODE")
        )),
        _ => failure.context("the spool cannot be filled"),
    }
}

/// Tells people, and the replicas that are done once they have all that the source has told.
struct Told<'a>(&'a [Arc<Reporter>]);

impl CaptureObserver for Told<'_> {
    fn observe_capture(&self, event: CaptureEvent<'_>) {
        match event {
            CaptureEvent::Captured { entries, last } => debug!(entries, head = %last.position, "captured"),
            CaptureEvent::CaughtUp { last } => self.0.iter().for_each(|reporter| reporter.aim_at(last)),
            CaptureEvent::Retrying { attempt, wait, error } => {
                warn!(node = "spool", attempt, wait_s = tenths(wait), error = %chain(error), "retrying");
            }
        }
    }
}
