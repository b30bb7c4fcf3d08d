//! `run`: replicates from the primary to every replica until stopped.

mod follow;
mod patience;
mod roll_forward;
#[cfg(feature = "mongo")]
mod spool;
mod trim;

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;
use tracing::{error, info, warn};

#[cfg(feature = "mongo")]
pub(crate) use self::spool::failure as spool_failure;
use self::{follow::follow, roll_forward::roll_forward};
pub(crate) use self::{
    follow::{replication, sync},
    patience::Patience,
};
use crate::{
    args::RunArgs,
    config::{Config, FeedKind, NodeConfig},
    exit::Exit,
    failure::Failure,
    node::Node,
    reporter::Reporter,
    signals::Shutdown,
    upstream::Upstream,
};

/// How long a server may take to be found.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(3);

pub(crate) async fn run(args: &RunArgs, config: &Config, shutdown: Shutdown) -> Result<Exit, Failure> {
    let chosen = config.chosen(&args.node).map_err(|error| Failure::new(Exit::Config, error))?;
    let Some(limit) = args.timeout else { return Box::pin(replicate(args, config, &chosen, shutdown)).await };
    let (stop, stopped) = Shutdown::requestable();
    let mut work = Box::pin(replicate(args, config, &chosen, stopped));
    let late = tokio::select! {
        biased;
        ended = &mut work => return ended,
        () = shutdown.requested() => false,
        () = tokio::time::sleep(limit) => true,
    };
    // Nothing is cut off: the batches in hand are finished and the leases given back.
    stop.request();
    match work.await {
        Err(graver) if graver.exit() > Exit::Behind => Err(graver),
        _ if late => {
            let limit = humantime::format_duration(limit);
            Err(Failure::message(Exit::Behind, format!("not every replica has reached the head within {limit}")))
        }
        ended => ended,
    }
}

async fn replicate(
    args: &RunArgs,
    config: &Config,
    chosen: &[&NodeConfig],
    shutdown: Shutdown,
) -> Result<Exit, Failure> {
    let primary = Node::new(&config.primary, ANSWER_WITHIN);
    let names: Vec<_> = chosen.iter().map(|node| node.name.as_str()).collect();
    info!(config = %config.file.display(), primary = primary.name(), replicas = names.join(","), "starting");
    let Some(upstream) =
        Patience::new(&primary, args.once).wait_for(&shutdown, || Upstream::choose(config, &primary)).await?
    else {
        return Ok(Exit::Done);
    };
    upstream.must_exist().await?;
    let chosen_by = if config.feed.kind == FeedKind::Auto { "what the primary is" } else { "the configuration" };
    info!(feed = upstream.as_str(), chosen_by, "following");
    if upstream.managed().is_some() && config.feed.spool.is_some() {
        warn!("[feed] spool is not used: the primary has an oplog of its own, which keeps what replicas need");
    }
    if let Some(primary) = upstream.managed()
        && !roll_forward(primary, args.once, &shutdown).await?
    {
        return Ok(Exit::Done);
    }
    let mut tasks = JoinSet::new();
    let mut reporters = Vec::new();
    let (stop, stopped) = Shutdown::requestable();
    for node in chosen {
        let (is_spooled, is_trimmed) = (upstream.is_spooled(), upstream.trimmed().is_some());
        let reporter = Arc::new(Reporter::new(&node.name, args.once, is_spooled, is_trimmed));
        reporters.push(Arc::clone(&reporter));
        let target = Node::new(node, ANSWER_WITHIN);
        tasks.spawn(follow(primary.clone(), upstream.clone(), target, config.clone(), reporter, stopped.clone()));
    }
    let retention = trim::keep_trimming(&upstream, config);
    let progress = report_progress(&reporters, args.progress_every);
    #[cfg(feature = "mongo")]
    let spooling = spool::fill(&primary, &upstream, config, &reporters, &shutdown);
    #[cfg(not(feature = "mongo"))]
    let spooling = std::future::pending::<Result<Exit, Failure>>();
    let forwarding = async {
        shutdown.clone().requested().await;
        stop.request();
        std::future::pending::<std::convert::Infallible>().await
    };
    let mut following = std::pin::pin!(wait_for_all(&mut tasks));
    let ended = tokio::select! {
        ended = &mut following => ended,
        failed = spooling => {
            // Without what fills the spool nobody gets any further; but nothing is cut off.
            stop.request();
            graver(failed, following.await)
        }
        never = forwarding => match never {},
        never = retention => match never {},
        never = progress => match never {},
    };
    report_all(&reporters);
    info!("ended");
    ended
}

/// Waits for the replicas. Those that fail do not disturb the others; the gravest failure is the
/// one that counts in the end.
async fn wait_for_all(tasks: &mut JoinSet<Result<(), Failure>>) -> Result<Exit, Failure> {
    let mut gravest: Option<Failure> = None;
    while let Some(joined) = tasks.join_next().await {
        let ended = joined.unwrap_or_else(|error| Err(Failure::unexpected(error, "finish a replica's task")));
        if let Err(failure) = ended {
            if !tasks.is_empty() {
                error!("{failure}");
            }
            if gravest.as_ref().is_none_or(|known| failure.exit() > known.exit()) {
                gravest = Some(failure);
            }
        }
    }
    gravest.map_or(Ok(Exit::Done), Err)
}

/// The graver one of two ends.
fn graver(one: Result<Exit, Failure>, other: Result<Exit, Failure>) -> Result<Exit, Failure> {
    let exit = |ended: &Result<Exit, Failure>| ended.as_ref().map_or_else(Failure::exit, |exit| *exit);
    if exit(&other) > exit(&one) { other } else { one }
}

fn report_all(reporters: &[Arc<Reporter>]) {
    for reporter in reporters {
        reporter.report();
    }
}

async fn report_progress(reporters: &[Arc<Reporter>], every: Duration) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(every).await;
        report_all(reporters);
    }
}
