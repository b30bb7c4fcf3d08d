//! Our stores against the engines that one would embed instead, all on the mix and without a sync.

use oplogsync_benches::Kind;
use oplogsync_store_fjall::FjallStore;
use oplogsync_store_sled::{Durability, SledStore};

use super::{
    apply::{Peer, row},
    fjall,
};
use crate::row::Row;

pub(super) fn rows() -> Vec<Row> {
    let on_sled = [fjall::raw(), rocksdb(), lmdb()].map(|peer| row::<SledStore>(Kind::Mix, Durability::None, peer));
    let on_fjall = [rocksdb(), lmdb()].map(|peer| row::<FjallStore>(Kind::Mix, Durability::None, peer));
    on_sled.into_iter().chain(on_fjall).collect()
}

#[cfg(feature = "rocksdb")]
fn rocksdb() -> Peer {
    Peer::of::<crate::engines::RocksDb>("raw-rocksdb", ROCKSDB)
}

#[cfg(not(feature = "rocksdb"))]
fn rocksdb() -> Peer {
    Peer::missing("raw-rocksdb", ROCKSDB, "not built: --features rocksdb")
}

#[cfg(feature = "lmdb")]
fn lmdb() -> Peer {
    Peer::of::<crate::engines::Lmdb>("raw-lmdb", LMDB)
}

#[cfg(not(feature = "lmdb"))]
fn lmdb() -> Peer {
    Peer::missing("raw-lmdb", LMDB, "not built: --features lmdb")
}

const ROCKSDB: &str = "raw RocksDB batches as it opens by default, its log not synced";
const LMDB: &str = "a raw LMDB transaction for each batch, not synced";
