//! Bringing a primary's own documents in step with its log, as a crashed writer may have left them.

use oplogsync_core::{
    host::SystemHost,
    log::Log,
    primary::{Primary, PrimaryError, PrimaryOptions},
    retry::{Decision, decide, decide_store},
    store_error::Fault,
};
use tracing::info;

use super::patience::Patience;
use crate::{failure::Failure, holder::holder, node::Node, show::chain, signals::Shutdown};

/// Rolls the primary forward; `false` when a stop was asked for meanwhile. Another process that writes is
/// welcome: it has done the same.
pub(super) async fn roll_forward(primary: &Node, once: bool, shutdown: &Shutdown) -> Result<bool, Failure> {
    let mut patience = Patience::new(primary, once);
    loop {
        let options = PrimaryOptions { node: primary.name().to_owned(), holder: holder(), ..PrimaryOptions::default() };
        let rolled = async { Box::pin(Primary::open(primary.clone(), SystemHost, options)).await?.close().await };
        let error = match rolled.await {
            Ok(()) => return Ok(true),
            Err(error) => error,
        };
        if is_lease_taken(primary, &error).await {
            info!(node = primary.name(), reason = %chain(&error), "another process writes to the primary");
            return Ok(true);
        }
        if patience.is_over() || decide_primary(&error) != Decision::Retry {
            return Err(Failure::primary(error));
        }
        if !patience.pause(&chain(&error), shutdown).await {
            return Ok(false);
        }
    }
}

/// Whether another process holds a lease on a node that can be read all the same.
async fn is_lease_taken(primary: &Node, error: &PrimaryError) -> bool {
    let PrimaryError::Store(store) = error else { return false };
    matches!(store.fault(), Fault::Busy { .. }) && primary.log_ends().await.is_ok()
}

fn decide_primary(error: &PrimaryError) -> Decision {
    match error {
        PrimaryError::Store(store) => decide_store(store),
        PrimaryError::RollForward { source, .. } => decide(source),
        _ => Decision::Stop,
    }
}
