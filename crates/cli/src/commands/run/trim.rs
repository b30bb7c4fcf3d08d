//! Trimming what every replica has.

use std::time::Duration;

use oplogsync_core::{
    host::{Host, SystemHost},
    log::Log,
    position::Position,
    retention::{Retention, trim, trim_spool},
    store_error::StoreError,
};
use tracing::{info, warn};

use crate::{config::Config, node::Node, show::chain, upstream::Upstream};

/// How often a log is trimmed, at most.
const TRIM_EVERY_MIN: Duration = Duration::from_secs(1);
/// How often a log is trimmed, at least.
const TRIM_EVERY_MAX: Duration = Duration::from_secs(60);

/// Trims the primary's oplog, or the spool, now and then, once every configured replica is known to it.
/// A spool is trimmed of all that every replica has, unless it is to keep more.
pub(super) async fn keep_trimming(upstream: &Upstream, config: &Config) -> std::convert::Infallible {
    let is_spool = upstream.managed().is_none();
    let age = config.keep.or(is_spool.then_some(Duration::ZERO));
    let (Some(log), Some(age)) = (upstream.trimmed(), age) else { return std::future::pending().await };
    let every = (age / 10).clamp(TRIM_EVERY_MIN, TRIM_EVERY_MAX);
    loop {
        tokio::time::sleep(every).await;
        match trim_once(log, is_spool, config, age).await {
            Ok(Some(floor)) => info!(node = log.name(), %floor, "trimmed the oplog"),
            Ok(None) => {}
            Err(error) => warn!(node = log.name(), error = %chain(&error), "the oplog was not trimmed"),
        }
    }
}

async fn trim_once(log: &Node, is_spool: bool, config: &Config, age: Duration) -> Result<Option<Position>, StoreError> {
    // A replica that never reported would lose its whole history unseen.
    let known = log.acknowledgements().await?;
    let unknown = config.replicas.iter().find(|node| !known.iter().any(|one| one.replica == node.name));
    if unknown.is_some() {
        return Ok(None);
    }
    let floor = if is_spool {
        let replicas: Vec<&str> = config.replicas.iter().map(|node| node.name.as_str()).collect();
        trim_spool(log, &replicas, age, SystemHost.now()).await?
    } else {
        trim(log, Retention::UntilAcknowledged { age }, SystemHost.now()).await?
    };
    Ok(floor.map(|floor| floor.position))
}
