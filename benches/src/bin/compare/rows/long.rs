//! Long runs: whether it stays as fast as it begins.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use oplogsync_benches::{Kind, Workload, owner, raw_batches, take_lease};
use oplogsync_store_fjall::FjallStore;
use oplogsync_store_sled::{Durability, SledStore};

use super::apply::Embedded;
use crate::{
    context::{Context, temporary_folder},
    engines::{Engine, Fjall, SledSortedFreed},
    memory::Peak,
    rounds::{Figures, Sample},
    row::{Measured, Row},
};

/// Of how many parts the first and the last are compared.
const PARTS: usize = 10;
const BATCH: usize = 1000;

pub(super) fn rows() -> Vec<Row> {
    let doc = "Ten million operations of the mix, once: how fast the last million is, as a part of the first. The ratio takes the \
               engine's own curve off: ours by that of raw batches, those of sled sorted and with its garbage freed.";
    vec![
        Row::new("long/sled vs raw-sled-freed", doc, long::<SledStore, SledSortedFreed>),
        Row::new("long/fjall vs raw-fjall", doc, long::<FjallStore, Fjall>),
    ]
}

fn long<S: Embedded, E: Engine>(context: &Context) -> Result<Measured> {
    if !context.full {
        return Ok(Measured::Not("only with --full".to_owned()));
    }
    Ok(measure::<S, E>(context)?.into())
}

fn measure<S: Embedded, E: Engine>(context: &Context) -> Result<Figures> {
    let mut peak = Peak::default();
    let ours = peak.during(|| {
        let folder = temporary_folder()?;
        let store = S::open_in(folder.path(), Durability::None)?;
        context.runtime.block_on(take_lease(&store));
        curve(context, "ours", |workload, size| {
            let batch = workload.batch(size);
            let start = Instant::now();
            context.runtime.block_on(store.apply(&batch, owner()))?;
            Ok(start)
        })
    })?;
    let folder = temporary_folder()?;
    let engine = E::open(folder.path())?;
    let peer = curve(context, "raw", |workload, size| {
        let raw = raw_batches(&[workload.batch(size)]);
        let start = Instant::now();
        raw.iter().try_for_each(|batch| engine.write(batch))?;
        Ok(start)
    })?;
    Ok(Figures { ours, peer, ratio: ours / peer, spread: 0.0, unit: "last/first", peak_mib: peak.mib() })
}

/// The rate of the last part by that of the first. `write` makes a batch and tells when it began to write it.
fn curve(context: &Context, side: &str, mut write: impl FnMut(&mut Workload, usize) -> Result<Instant>) -> Result<f64> {
    let part = context.size(1_000_000, 10_000_000) / PARTS;
    let mut workload = Workload::new(Kind::Mix);
    let mut rates = Vec::with_capacity(PARTS);
    for number in 1..=PARTS {
        let mut took = Duration::ZERO;
        for _ in 0..part / BATCH {
            took += write(&mut workload, BATCH)?.elapsed();
        }
        let rate = Sample { operations: part as u64, took }.rate();
        eprintln!("    {side}, part {number} of {PARTS}: {rate:.0}");
        rates.push(rate);
    }
    rates.last().zip(rates.first()).map(|(last, first)| last / first).context("there were no parts")
}
