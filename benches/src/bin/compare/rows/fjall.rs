//! Our store on fjall against fjall alone, and against sled alone.

use std::path::Path;

use anyhow::Result;
use oplogsync_benches::Kind;
use oplogsync_store_fjall::{Durability, FjallStore, Options};

use super::{
    apply::{Embedded, Peer, row},
    sled,
};
use crate::{
    engines::{Fjall, FjallSynced},
    row::Row,
};

impl Embedded for FjallStore {
    const NAME: &'static str = "fjall";

    fn open_in(folder: &Path, durability: Durability) -> Result<Self> {
        Ok(Self::open(folder.join("ours"), "bench", Options { durability })?)
    }
}

/// fjall alone.
pub(super) fn raw() -> Peer {
    Peer::of::<Fjall>("raw-fjall", "raw fjall batches as it opens by default")
}

pub(super) fn rows() -> Vec<Row> {
    let synced = Peer::of::<FjallSynced>("raw-fjall-synced", "raw fjall batches with an fsync after each, as ours");
    let rows = [Kind::Mix, Kind::Inserts].map(|kind| {
        [
            row::<FjallStore>(kind, Durability::None, raw()),
            row::<FjallStore>(kind, Durability::Fsync, synced),
            row::<FjallStore>(kind, Durability::None, sled::unsorted()),
        ]
    });
    rows.into_iter().flatten().collect()
}
