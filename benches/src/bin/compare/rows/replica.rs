//! A whole replica on an embedded store, against the engine alone.

use std::time::Instant;

use anyhow::{Result, ensure};
use oplogsync_benches::{EncodedLog, Kind, RawBatch, Workload, follow_to_the_head, orders, raw_batches};
use oplogsync_core::{
    feed::OplogFeed,
    initial_sync::SyncTarget,
    testing::{chain::log_id, read_only::ReadOnly},
};
use oplogsync_store_fjall::FjallStore;
use oplogsync_store_sled::{Durability, SledStore};

use super::{
    apply::{Embedded, Peer},
    fjall, sled,
};
use crate::{
    context::{Context, temporary_folder},
    rounds::{Sample, compare},
    row::Row,
};

/// How many operations a run has.
const QUICK: usize = 60_000;
const NORMAL: usize = 300_000;

pub(super) fn rows() -> Vec<Row> {
    let rows = [Kind::Mix, Kind::Inserts].map(|kind| {
        [
            row::<SledStore>(kind, sled::unsorted()),
            row::<FjallStore>(kind, fjall::raw()),
            row::<FjallStore>(kind, sled::unsorted()),
        ]
    });
    rows.into_iter().flatten().collect()
}

/// A replica that follows a log of encoded entries in memory, against the same operations in batches of a thousand.
fn row<S: Embedded + SyncTarget + Clone>(kind: Kind, peer: Peer) -> Row {
    let doc = format!(
        "A whole replica, from the first entry of a log in memory to its head, that decodes, checks, folds, and finds its own \
         batch size, against the same operations in {}.",
        peer.how
    );
    let name = format!("replica/{}/{} vs {}", S::NAME, kind.as_str(), peer.name);
    let peer_run = match peer.run {
        Ok(run) => run,
        Err(why) => return Row::missing(name, doc, why),
    };
    Row::new(name, doc, move |context: &Context| {
        let count = context.size(QUICK, NORMAL);
        let mut workload = Workload::new(kind);
        let log = EncodedLog::new(log_id(1), &workload.entries(count));
        let documents = workload.documents();
        let raw: Vec<RawBatch> = raw_batches(&Workload::new(kind).batches(count, 1000));
        Ok(compare(|| run::<S>(context, &log, count, documents), || peer_run(&raw))?.into())
    })
}

fn run<S: Embedded + SyncTarget + Clone>(
    context: &Context,
    log: &EncodedLog,
    count: usize,
    documents: u64,
) -> Result<Sample> {
    let folder = temporary_folder()?;
    let store = S::open_in(folder.path(), Durability::None)?;
    let took = context.runtime.block_on(async {
        let start = Instant::now();
        follow_to_the_head(OplogFeed::new(ReadOnly(log.clone()), "encoded"), store.clone()).await?;
        let took = start.elapsed();
        let found = store.digest(&orders()).await?.count;
        ensure!(found == documents, "the store holds {found} documents, not {documents}");
        anyhow::Ok(took)
    })?;
    Ok(Sample { operations: count as u64, took })
}
