//! Our store on sled against sled alone.

use std::path::Path;

use anyhow::Result;
use oplogsync_benches::Kind;
use oplogsync_store_sled::{Durability, Options, SledStore};

use super::apply::Ours;
use crate::{
    engines::{self, Engine, Sled, SledSorted, SledSortedFlushed},
    row::Row,
};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for kind in [Kind::Mix, Kind::Inserts] {
        rows.push(row::<Sled>(kind, Durability::None, "raw-sled", "as the operations come, without a flush"));
        rows.push(row::<SledSorted>(kind, Durability::None, "raw-sled-sorted", "sorted by key, without a flush"));
        let peer = "sorted by key, with sled's flush (no fsync) after each, against our fsync after each";
        rows.push(row::<SledSortedFlushed>(kind, Durability::Fsync, "raw-sled-flushed", peer));
    }
    rows
}

/// Opens our store.
pub(super) fn open(folder: &Path, durability: Durability) -> Result<SledStore> {
    Ok(SledStore::open(folder.join("ours"), "bench", Options { durability })?)
}

fn row<E: Engine + 'static>(kind: Kind, durability: Durability, peer: &str, how: &str) -> Row {
    let store = if durability == Durability::Fsync { "sled-fsync" } else { "sled" };
    let name = format!("apply/{store}/{} vs {peer}", kind.as_str());
    let doc = format!(
        "Prepared batches of 1000 applied to our store, against the same operations in raw sled batches {how}."
    );
    Row::new(name, doc, move |context| {
        let ours = Ours { kind, open: |folder: &Path| open(folder, durability) };
        ours.against(context, engines::run::<E>)
    })
}
