//! Ours on an embedded store, against anything that is given the same operations.

use std::time::Instant;

use anyhow::Result;
use oplogsync_benches::{Kind, RawBatch, Workload, orders, owner, raw_batches, take_lease};
use oplogsync_core::{batch::Batch, documents::Documents, lease::Leases};

use crate::{
    context::{Context, temporary_folder},
    rounds::{Sample, compare},
    row::Measured,
};

/// How many operations a run has.
const QUICK: usize = 60_000;
const NORMAL: usize = 300_000;

/// Our store, opened new for each run in the folder that is given, and what is applied to it.
pub(super) struct Ours<O> {
    pub(super) kind: Kind,
    pub(super) open: O,
}

impl<S, O> Ours<O>
where
    S: Documents + Leases,
    O: Fn(&std::path::Path) -> Result<S>,
{
    /// Both sides get the same operations in batches of a thousand.
    pub(super) fn against(&self, context: &Context, peer: impl Fn(&[RawBatch]) -> Result<Sample>) -> Result<Measured> {
        let mut workload = Workload::new(self.kind);
        let batches = workload.batches(context.size(QUICK, NORMAL), 1000);
        let (raw, documents) = (raw_batches(&batches), workload.documents());
        let figures = compare(|| self.run(context, &batches, documents), || peer(&raw))?;
        Ok(figures.into())
    }

    /// Applies all batches to a new store; opening and closing are not counted.
    fn run(&self, context: &Context, batches: &[Batch], documents: u64) -> Result<Sample> {
        let folder = temporary_folder()?;
        let store = (self.open)(folder.path())?;
        let took = context.runtime.block_on(async {
            take_lease(&store).await;
            let start = Instant::now();
            for batch in batches {
                store.apply(batch, owner()).await?;
            }
            let took = start.elapsed();
            let found = store.digest(&orders()).await?.count;
            anyhow::ensure!(found == documents, "the store holds {found} documents, not {documents}");
            anyhow::Ok(took)
        })?;
        Ok(Sample { operations: batches.iter().map(|batch| batch.entries().len() as u64).sum(), took })
    }
}
