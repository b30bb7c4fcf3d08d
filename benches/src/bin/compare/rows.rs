//! All rows of the table, one file for each kind of peer.

mod apply;
mod embedded;
mod fjall;
mod initial_sync;
mod long;
mod mongo;
mod null;
mod replica;
mod secondary;
mod seed;
mod sled;

use crate::row::Row;

/// In the order in which they are measured and shown.
pub(crate) fn all() -> Vec<Row> {
    let groups = [
        null::rows(),
        sled::rows(),
        fjall::rows(),
        replica::rows(),
        embedded::rows(),
        mongo::rows(),
        secondary::rows(),
        seed::rows(),
        initial_sync::rows(),
        long::rows(),
    ];
    groups.into_iter().flatten().collect()
}
