//! What the instruction counts are taken of: a thousand entries, the same in every run.

#![forbid(unsafe_code)]

use bson::{RawDocumentBuf, rawdoc};
use oplogsync_core::{
    batch::Batch,
    codec,
    entry::Entry,
    position::Anchor,
    testing::{
        chain::{Chain, log_id},
        documents::{id, namespace},
    },
};

/// How many entries every count is of.
pub const ENTRIES: i32 = 1000;

/// A document of about 200 bytes.
fn document(id: i32, version: i32) -> RawDocumentBuf {
    rawdoc! {
        "_id": id, "version": version, "customer": "0123456789abcdef", "status": "shipped",
        "lines": [{ "sku": "A-1000", "qty": 2, "price": 19.9 }, { "sku": "B-2000", "qty": 1, "price": 5.5 }],
        "note": "leave it at the door, please",
    }
}

/// Entries behind the origin of a log: of ten, six inserts, three updates and one delete. The updates are
/// of `documents` documents, in turn.
pub fn entries(documents: i32) -> Vec<Entry> {
    let mut chain = Chain::new(log_id(1));
    let ns = namespace("orders");
    for n in 0..ENTRIES {
        match n % 10 {
            2 | 5 | 8 => chain.update(&ns, document(-1 - n % documents, n)),
            9 => chain.delete(&ns, id(n - 2)),
            _ => chain.insert(&ns, document(n, 0)),
        };
    }
    chain.take()
}

/// The bytes of each of [`entries`], of a hundred documents.
pub fn encoded() -> Vec<Vec<u8>> {
    let of = |entry: &Entry| {
        let mut bytes = Vec::new();
        codec::encode(entry, &mut bytes);
        bytes
    };
    entries(100).iter().map(of).collect()
}

/// What stands before [`entries`].
pub fn origin() -> Anchor {
    Entry::origin(log_id(1))
}

/// [`entries`] as one batch.
///
/// # Panics
/// Never: the entries form a log.
#[expect(clippy::expect_used, reason = "the entries were sealed one behind the other")]
pub fn batch(documents: i32) -> Batch {
    Batch::new(log_id(1), origin(), entries(documents)).expect("the entries form a log")
}
