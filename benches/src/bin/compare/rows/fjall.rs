//! Our store on fjall against fjall alone, and against sled alone.
//!
//! The store is not part of the workspace yet: these rows say so. When it is, [`MISSING`] goes, and the rows are
//! those of `sled.rs` with its `open`.

use crate::row::Row;

/// Why there are no figures.
pub(super) const MISSING: &str = "oplogsync-store-fjall is not part of the workspace yet";

pub(super) fn rows() -> Vec<Row> {
    let doc = |peer| format!("Prepared batches of 1000 applied to our store on fjall, against the same in raw {peer}.");
    let mut rows = Vec::new();
    for kind in ["mix", "inserts"] {
        rows.push(Row::missing(format!("apply/fjall/{kind} vs raw-fjall"), doc("fjall batches"), MISSING));
        rows.push(Row::missing(format!("apply/fjall/{kind} vs raw-sled"), doc("sled batches"), MISSING));
    }
    rows
}
