//! Our store on sled against sled alone.

use std::path::Path;

use anyhow::Result;
use oplogsync_benches::Kind;
use oplogsync_store_sled::{Durability, Options, SledStore};

use super::apply::{Embedded, Peer, row};
use crate::{
    engines::{Sled, SledSorted, SledSortedFlushed},
    row::Row,
};

impl Embedded for SledStore {
    const NAME: &'static str = "sled";

    fn open_in(folder: &Path, durability: Durability) -> Result<Self> {
        Ok(Self::open(folder.join("ours"), "bench", Options { durability })?)
    }
}

/// sled as one would write it first.
pub(super) fn unsorted() -> Peer {
    Peer::of::<Sled>("raw-sled", "raw sled batches as they come, without a flush")
}

pub(super) fn rows() -> Vec<Row> {
    let sorted = Peer::of::<SledSorted>("raw-sled-sorted", "raw sled batches sorted by key, without a flush");
    let how = "raw sled batches sorted by key, with sled's flush (no fsync) after each, against our fsync after each";
    let flushed = Peer::of::<SledSortedFlushed>("raw-sled-flushed", how);
    let rows = [Kind::Mix, Kind::Inserts].map(|kind| {
        [
            row::<SledStore>(kind, Durability::None, unsorted()),
            row::<SledStore>(kind, Durability::None, sorted),
            row::<SledStore>(kind, Durability::Fsync, flushed),
        ]
    });
    rows.into_iter().flatten().collect()
}
