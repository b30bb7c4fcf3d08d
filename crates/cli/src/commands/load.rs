//! `load`: writes many generated documents, for tests and measurements.

use std::{sync::Arc, time::Instant};

use oplogsync_core::{host::SystemHost, primary::Primary, write::Outcome};
use serde::Serialize;
use tokio::task::JoinSet;

use super::write::open_primary;
use crate::{
    args::LoadArgs, config::Config, exit::Exit, failure::Failure, node::Node, out::Out, signals::Shutdown,
    workload::Workload,
};

/// What was written.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Tally {
    inserted: u64,
    updated: u64,
    deleted: u64,
    unchanged: u64,
}

pub(crate) async fn run(args: &LoadArgs, config: &Config, shutdown: Shutdown, out: &mut Out) -> Result<Exit, Failure> {
    let primary = Arc::new(open_primary(config, None).await?);
    let started = Instant::now();
    let writers = u64::from(args.writers);
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let share = args.count / writers + u64::from(writer < args.count % writers);
        let workload = Workload::new(args.seed, writer, args.ops, args.ns.clone());
        tasks.spawn(write_share(Arc::clone(&primary), workload, share, shutdown.clone()));
    }
    let mut tally = Tally::default();
    let mut failed = None;
    while let Some(joined) = tasks.join_next().await {
        let (part, ended) = joined.map_err(|error| Failure::unexpected(error, "finish a writer's task"))?;
        tally.add(part);
        failed = failed.or(ended.err());
    }
    if let Some(primary) = Arc::into_inner(primary) {
        primary.close().await.map_err(Failure::primary)?;
    }
    let seconds = started.elapsed().as_secs_f64();
    if out.is_json() {
        out.json(&serde_json::json!({ "written": tally, "seconds": seconds }))?;
    } else {
        let Tally { inserted, updated, deleted, unchanged } = tally;
        out.line(format_args!(
            "inserted {inserted}, updated {updated}, deleted {deleted}, unchanged {unchanged} in {seconds:.1} s"
        ))?;
    }
    failed.map_or(Ok(Exit::Done), Err)
}

async fn write_share(
    primary: Arc<Primary<Node, SystemHost>>,
    mut workload: Workload,
    share: u64,
    shutdown: Shutdown,
) -> (Tally, Result<(), Failure>) {
    let mut tally = Tally::default();
    for _ in 0..share {
        if shutdown.is_requested() {
            break;
        }
        let write = match workload.next() {
            Ok(Some(write)) => write,
            Ok(None) => break,
            Err(error) => return (tally, Err(Failure::unexpected(error, "generate a write"))),
        };
        match primary.write(write).await {
            Ok(written) => tally.count(written.outcome),
            Err(error) => return (tally, Err(Failure::write(error))),
        }
    }
    (tally, Ok(()))
}

impl Tally {
    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Inserted => self.inserted += 1,
            Outcome::Updated => self.updated += 1,
            Outcome::Deleted => self.deleted += 1,
            Outcome::Unchanged | Outcome::NotFound | Outcome::Repeated | Outcome::Ran => self.unchanged += 1,
        }
    }

    fn add(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.deleted += other.deleted;
        self.unchanged += other.unchanged;
    }
}
