//! `run`: replicates from the primary to every replica until stopped.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use oplogsync_core::{
    feed::OplogFeed,
    host::{Host, SystemHost},
    limits::Limits,
    log::Log,
    primary::{Primary, PrimaryError, PrimaryOptions},
    replicator::{Replicator, ReplicatorOptions},
    retention::{Retention, trim},
    retry::{Decision, backoff, decide, decide_store},
    store_error::Fault,
};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::{
    args::RunArgs,
    config::{Config, NodeConfig},
    exit::Exit,
    failure::Failure,
    holder::holder,
    node::Node,
    reporter::{ONCE_FAILING_MAX, ONCE_RETRIES_MAX, Reporter},
    show::{chain, tenths},
    signals::Shutdown,
};

/// How long a server may take to be found.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How often the primary's oplog is trimmed, at most.
const TRIM_EVERY_MIN: Duration = Duration::from_secs(1);
/// How often the primary's oplog is trimmed, at least.
const TRIM_EVERY_MAX: Duration = Duration::from_secs(60);

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
    if !roll_forward(&primary, args.once, &shutdown).await? {
        return Ok(Exit::Done);
    }
    let mut tasks = JoinSet::new();
    let mut reporters = Vec::new();
    for node in chosen {
        let reporter = Arc::new(Reporter::new(&node.name, args.once));
        reporters.push(Arc::clone(&reporter));
        let target = Node::new(node, ANSWER_WITHIN);
        tasks.spawn(follow(primary.clone(), target, options(config), reporter, shutdown.clone(), args.once));
    }
    let retention = keep_trimming(&primary, config);
    let progress = report_progress(&reporters, args.progress_every);
    let ended = tokio::select! {
        ended = wait_for_all(&mut tasks) => ended,
        never = retention => match never {},
        never = progress => match never {},
    };
    report_all(&reporters);
    info!("ended");
    ended
}

fn options(config: &Config) -> ReplicatorOptions {
    ReplicatorOptions {
        holder: holder(),
        limits: Limits { entries_max: config.sync.batch_size, ..Limits::default() },
        poll_interval: config.sync.poll_interval,
        ..ReplicatorOptions::default()
    }
}

/// Brings the primary's own documents in step with its log, as a crashed writer may have left
/// them; `false` when a stop was asked for meanwhile. Another process that writes is welcome: it
/// has done the same.
async fn roll_forward(primary: &Node, once: bool, shutdown: &Shutdown) -> Result<bool, Failure> {
    let (mut attempt, begun) = (0, Instant::now());
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
        attempt += 1;
        let given_up = once && (attempt >= ONCE_RETRIES_MAX || begun.elapsed() >= ONCE_FAILING_MAX);
        if decide_primary(&error) != Decision::Retry || given_up {
            return Err(Failure::primary(error));
        }
        let wait = backoff(attempt, SystemHost.random());
        let wait_s = tenths(wait);
        warn!(node = primary.name(), attempt, wait_s, error = %chain(&error), "retrying");
        tokio::select! {
            biased;
            () = shutdown.clone().requested() => return Ok(false),
            () = SystemHost.sleep(wait) => {}
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

/// Replicates to one replica until a stop is asked for, it is done, or it stops itself.
async fn follow(
    primary: Node,
    target: Node,
    options: ReplicatorOptions,
    reporter: Arc<Reporter>,
    shutdown: Shutdown,
    once: bool,
) -> Result<(), Failure> {
    target.must_differ_from(&primary).await?;
    let feed = OplogFeed::new(primary.clone(), primary.name());
    let mut replicator = Replicator::new(target.name(), feed, target.clone(), SystemHost, options);
    let stop = async {
        tokio::select! {
            () = shutdown.clone().requested() => {}
            () = reporter.done() => {}
        }
    };
    let ended = Box::pin(replicator.run(stop, &*reporter)).await;
    if let Err(error) = replicator.close().await {
        warn!(node = target.name(), error = %chain(&error), "the lease was not given back, it lapses by itself");
    }
    let stopped =
        |error| Failure::replicate(error).context(format!("{} cannot follow {}", target.name(), primary.name()));
    ended.map_err(stopped)?;
    reporter.outcome()?;
    if once && !reporter.is_done() {
        let message = format!("{}: stopped before it reached the head", target.name());
        return Err(Failure::message(Exit::Behind, message));
    }
    Ok(())
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

/// Trims the primary's oplog now and then, once every configured replica is known to it.
async fn keep_trimming(primary: &Node, config: &Config) -> std::convert::Infallible {
    let Some(age) = config.keep else { return std::future::pending().await };
    let every = (age / 10).clamp(TRIM_EVERY_MIN, TRIM_EVERY_MAX);
    loop {
        tokio::time::sleep(every).await;
        match trim_once(primary, config, age).await {
            Ok(Some(floor)) => info!(node = primary.name(), %floor, "trimmed the oplog"),
            Ok(None) => {}
            Err(error) => warn!(node = primary.name(), error = %chain(&error), "the oplog was not trimmed"),
        }
    }
}

async fn trim_once(
    primary: &Node,
    config: &Config,
    age: Duration,
) -> Result<Option<oplogsync_core::position::Position>, oplogsync_core::store_error::StoreError> {
    // A replica that never reported would lose its whole history unseen.
    let known = primary.acknowledgements().await?;
    let unknown = config.replicas.iter().find(|node| !known.iter().any(|one| one.replica == node.name));
    if unknown.is_some() {
        return Ok(None);
    }
    let floor = trim(primary, Retention::UntilAcknowledged { age }, SystemHost.now()).await?;
    Ok(floor.map(|floor| floor.position))
}
