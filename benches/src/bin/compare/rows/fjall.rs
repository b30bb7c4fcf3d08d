//! Our store on fjall against fjall alone, and against sled alone.
//!
//! The store is not part of the workspace yet: these rows say so. When it is, it gets its `impl Embedded` here, and
//! [`row`] becomes `apply::row::<FjallStore>`.

use oplogsync_benches::Kind;

use super::{apply::Peer, sled};
use crate::{engines::Fjall, row::Row};

/// Why there are no figures.
pub(super) const MISSING: &str = "oplogsync-store-fjall is not part of the workspace yet";

/// fjall alone.
pub(super) fn raw() -> Peer {
    Peer::of::<Fjall>("raw-fjall", "raw fjall batches as it opens by default")
}

pub(super) fn rows() -> Vec<Row> {
    let rows = [Kind::Mix, Kind::Inserts].map(|kind| [row(kind, raw()), row(kind, sled::unsorted())]);
    rows.into_iter().flatten().collect()
}

/// Our store against a peer.
pub(super) fn row(kind: Kind, peer: Peer) -> Row {
    Row::missing(peer.row_name("fjall", kind), peer.doc(), MISSING)
}
