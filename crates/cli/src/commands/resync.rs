//! `resync`: wipes a replica and copies everything anew.

use oplogsync_core::{follower::Follower, host::SystemHost};
use tracing::info;

use super::run::{self, ANSWER_WITHIN, Patience, replication, sync};
use crate::{
    args::{ResyncArgs, RunArgs},
    config::Config,
    exit::Exit,
    failure::Failure,
    node::Node,
    signals::Shutdown,
    upstream::Upstream,
};

pub(crate) async fn run(args: &ResyncArgs, config: &Config, shutdown: Shutdown) -> Result<Exit, Failure> {
    let node = config.replica(&args.node).map_err(|error| Failure::new(Exit::Config, error))?;
    if args.confirm.as_ref() != Some(&args.node) {
        let message = format!(
            "everything that {} holds would be deleted and copied anew from {}: say --confirm {0} if you mean it",
            node.name, config.primary.name
        );
        return Err(Failure::message(Exit::Usage, message));
    }
    let (primary, target) = (Node::new(&config.primary, ANSWER_WITHIN), Node::new(node, ANSWER_WITHIN));
    let Some(()) = request(&primary, &target, config, &shutdown).await? else { return Ok(Exit::Done) };
    info!(node = target.name(), "everything is to be copied anew");
    // Embedded nodes are opened once at a time.
    drop((primary, target));
    let args =
        RunArgs { node: vec![args.node.clone()], once: true, timeout: None, progress_every: args.progress_every };
    run::run(&args, config, shutdown).await
}

/// Leaves word in the target; `None` when a stop was asked for meanwhile.
async fn request(primary: &Node, target: &Node, config: &Config, shutdown: &Shutdown) -> Result<Option<()>, Failure> {
    let patience = || Patience::new(primary, true);
    let chosen = patience().wait_for(shutdown, || Upstream::choose(config, primary)).await?;
    let Some(upstream) = chosen else { return Ok(None) };
    upstream.must_exist().await?;
    target.must_differ_from(primary).await?;
    let opened = patience().wait_for(shutdown, || upstream.open(config)).await?;
    let Some((feed, source)) = opened else { return Ok(None) };
    let name = target.name().to_owned();
    let follower = Follower::new(name, feed, source, target.clone(), SystemHost, replication(config), sync(config));
    let requested = follower.request_copy().await;
    requested.map(Some).map_err(|error| Failure::follow(error, target.name()))
}
