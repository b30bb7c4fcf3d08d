//! Our stores against the engines that one would embed instead, all on the mix and without a sync.

use std::path::Path;

use anyhow::Result;
use oplogsync_benches::{Kind, RawBatch};
use oplogsync_store_sled::Durability;

use super::{apply::Ours, fjall::MISSING, sled};
use crate::{
    engines::{self, Fjall},
    rounds::Sample,
    row::Row,
};

/// An engine alone; `None` when it was not built.
type Peer = Option<fn(&[RawBatch]) -> Result<Sample>>;

const NOT_BUILT: &str = "not built: --features peers";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let peers: [(&str, Peer); 3] =
        [("raw-fjall", Some(engines::run::<Fjall>)), ("raw-rocksdb", rocksdb()), ("raw-lmdb", lmdb())];
    for (name, peer) in peers {
        rows.push(row(name, peer));
    }
    for name in ["raw-rocksdb", "raw-lmdb"] {
        rows.push(Row::missing(format!("apply/fjall/mix vs {name}"), doc("fjall", name), MISSING));
    }
    rows
}

fn doc(store: &str, peer: &str) -> String {
    format!(
        "Our store on {store} against {peer}, which one would embed instead: what our guarantees and our engine cost."
    )
}

fn row(peer_name: &str, peer: Peer) -> Row {
    let (name, doc) = (format!("apply/sled/mix vs {peer_name}"), doc("sled", peer_name));
    let Some(peer) = peer else { return Row::missing(name, doc, NOT_BUILT) };
    Row::new(name, doc, move |context| {
        let ours = Ours { kind: Kind::Mix, open: |folder: &Path| sled::open(folder, Durability::None) };
        ours.against(context, peer)
    })
}

#[cfg(feature = "peers")]
fn rocksdb() -> Peer {
    Some(engines::run::<engines::RocksDb>)
}

#[cfg(not(feature = "peers"))]
fn rocksdb() -> Peer {
    None
}

#[cfg(feature = "peers")]
fn lmdb() -> Peer {
    Some(engines::run::<engines::Lmdb>)
}

#[cfg(not(feature = "peers"))]
fn lmdb() -> Peer {
    None
}
