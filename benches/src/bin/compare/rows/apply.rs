//! Ours on an embedded store, against anything that is given the same operations.

use std::{path::Path, time::Instant};

use anyhow::{Result, ensure};
use oplogsync_benches::{Kind, RawBatch, Workload, orders, owner, raw_batches, take_lease};
use oplogsync_core::{batch::Batch, documents::Documents, lease::Leases};
use oplogsync_store_sled::Durability;

use crate::{
    context::{Context, temporary_folder},
    engines::{self, Engine},
    rounds::{Sample, compare},
    row::Row,
};

/// How many operations a run has.
const QUICK: usize = 60_000;
const NORMAL: usize = 300_000;

/// A store of ours that is opened in a folder.
pub(super) trait Embedded: Documents + Leases + Sized + 'static {
    /// Its name in those of rows.
    const NAME: &'static str;

    /// Opens a new one.
    fn open_in(folder: &Path, durability: Durability) -> Result<Self>;
}

/// How an engine alone is given batches.
type Run = fn(&[RawBatch]) -> Result<Sample>;

/// An engine alone.
#[derive(Clone, Copy)]
pub(super) struct Peer {
    /// Its name in those of rows.
    pub(super) name: &'static str,
    /// What is special about how it is written.
    pub(super) how: &'static str,
    /// Writes batches into a new database; or why it cannot.
    pub(super) run: Result<Run, &'static str>,
}

impl Peer {
    pub(super) fn of<E: Engine>(name: &'static str, how: &'static str) -> Self {
        Self { name, how, run: Ok(engines::run::<E>) }
    }

    #[cfg(not(all(feature = "lmdb", feature = "rocksdb")))]
    pub(super) fn missing(name: &'static str, how: &'static str, why: &'static str) -> Self {
        Self { name, how, run: Err(why) }
    }

    /// What a row against it is called.
    pub(super) fn row_name(&self, store: &str, kind: Kind) -> String {
        format!("apply/{store}/{} vs {}", kind.as_str(), self.name)
    }

    /// What it compares.
    pub(super) fn doc(&self) -> String {
        format!("Prepared batches of 1000 applied to our store, against the same operations in {}.", self.how)
    }
}

/// Both sides get the same operations in batches of a thousand.
pub(super) fn row<S: Embedded>(kind: Kind, durability: Durability, peer: Peer) -> Row {
    let suffix = if durability == Durability::Fsync { "-fsync" } else { "" };
    let name = peer.row_name(&format!("{}{suffix}", S::NAME), kind);
    let peer_run = match peer.run {
        Ok(run) => run,
        Err(why) => return Row::missing(name, peer.doc(), why),
    };
    Row::new(name, peer.doc(), move |context: &Context| {
        let mut workload = Workload::new(kind);
        let batches = workload.batches(context.size(QUICK, NORMAL), 1000);
        let (raw, documents) = (raw_batches(&batches), workload.documents());
        let ours = || run::<S>(context, durability, &batches, documents);
        Ok(compare(ours, || peer_run(&raw))?.into())
    })
}

/// Applies all batches to a new store; opening and closing are not counted.
fn run<S: Embedded>(context: &Context, durability: Durability, batches: &[Batch], documents: u64) -> Result<Sample> {
    let folder = temporary_folder()?;
    let store = S::open_in(folder.path(), durability)?;
    let took = context.runtime.block_on(async {
        take_lease(&store).await;
        let start = Instant::now();
        for batch in batches {
            store.apply(batch, owner()).await?;
        }
        let took = start.elapsed();
        let found = store.digest(&orders()).await?.count;
        ensure!(found == documents, "the store holds {found} documents, not {documents}");
        anyhow::Ok(took)
    })?;
    Ok(Sample { operations: batches.iter().map(|batch| batch.entries().len() as u64).sum(), took })
}
