//! Following the primary with one replica.

use std::sync::Arc;

use oplogsync_core::{
    follower::{FollowError, Follower},
    host::SystemHost,
    initial_sync::SyncOptions,
    limits::Limits,
    replicator::ReplicatorOptions,
};

use super::patience::Patience;
use crate::{
    config::Config, exit::Exit, failure::Failure, holder::holder, node::Node, reporter::Reporter, show::resync_command,
    signals::Shutdown, upstream::Upstream,
};

/// How replicas are kept in step.
pub(crate) fn replication(config: &Config) -> ReplicatorOptions {
    ReplicatorOptions {
        holder: holder(),
        limits: Limits { entries_max: config.sync.batch_size, ..Limits::default() },
        poll_interval: config.sync.poll_interval,
        filter: config.filter.clone(),
        ..ReplicatorOptions::default()
    }
}

/// How replicas are copied.
pub(crate) fn sync(config: &Config) -> SyncOptions {
    SyncOptions { lanes: config.sync.copy_lanes, ..SyncOptions::default() }
}

/// Replicates to one replica until a stop is asked for, it is done, or it stops itself.
pub(super) async fn follow(
    primary: Node,
    upstream: Upstream,
    target: Node,
    config: Config,
    reporter: Arc<Reporter>,
    shutdown: Shutdown,
) -> Result<(), Failure> {
    if let Err(failure) = target.must_differ_from(&primary).await
        && failure.exit() == Exit::Config
    {
        return Err(failure);
    }
    // One that does not answer now is waited for; and one that holds anything is not copied onto.
    let patience = Patience::new(&primary, reporter.is_once());
    let Some((feed, source)) = patience.wait_for(&shutdown, || upstream.open(&config)).await? else { return Ok(()) };
    let (replication, sync) = (replication(&config), sync(&config));
    let follower = Follower::new(target.name(), feed, source, target.clone(), SystemHost, replication, sync);
    let stop = async {
        tokio::select! {
            () = shutdown.clone().requested() => {}
            () = reporter.done() => {}
        }
    };
    let ended = Box::pin(follower.run(stop, &*reporter)).await;
    let stopped = |error: FollowError| {
        let failure = Failure::follow(error, target.name());
        let way_out = match failure.exit() {
            Exit::TooStale => format!("; {} syncs it anew", resync_command(target.name())),
            _ => String::new(),
        };
        failure.context(format!("{} cannot follow {}{way_out}", target.name(), primary.name()))
    };
    ended.map_err(stopped)?;
    reporter.outcome()?;
    if reporter.is_once() && !reporter.is_done() {
        let message = format!("{}: stopped before it reached the head", target.name());
        return Err(Failure::message(Exit::Behind, message));
    }
    Ok(())
}
