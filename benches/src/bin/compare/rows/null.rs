//! What our own work costs when the store costs nothing.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use oplogsync_benches::{EncodedLog, Kind, NullStore, Workload, follow_to_the_head};
use oplogsync_core::{
    documents::Documents,
    feed::OplogFeed,
    testing::{chain::log_id, read_only::ReadOnly},
};

use crate::{
    rounds::{Sample, against_goal},
    row::Row,
};

/// Microseconds that an operation should cost at most.
const GOAL_MICROS: f64 = 0.5;

pub(super) fn rows() -> Vec<Row> {
    [Kind::Mix, Kind::Inserts].map(row).into()
}

fn row(kind: Kind) -> Row {
    let doc = "A replicator on one thread from a log of encoded entries in memory to a store that keeps nothing: decode, \
               check, fold, lease and checkpoint, in microseconds an operation, against the goal.";
    Row::new(format!("null/{} vs goal", kind.as_str()), doc, move |context| {
        let count = context.size(300_000, 1_000_000);
        let log = EncodedLog::new(log_id(1), &Workload::new(kind).entries(count));
        Ok(against_goal(GOAL_MICROS, || run(&log, count))?.into())
    })
}

fn run(log: &EncodedLog, count: usize) -> Result<Sample> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    runtime.block_on(async {
        let (feed, target) = (OplogFeed::new(ReadOnly(log.clone()), "encoded"), NullStore::default());
        let start = Instant::now();
        follow_to_the_head(feed, target.clone()).await?;
        let took = start.elapsed();
        let reached = target.checkpoint().await?.map(|checkpoint| checkpoint.anchor.position.index);
        ensure!(reached == Some(count as u64), "it ended at {reached:?}");
        Ok(Sample { operations: count as u64, took })
    })
}
