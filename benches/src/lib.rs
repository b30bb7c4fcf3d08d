//! What the benchmarks share: a workload that is the same in every run.

#![forbid(unsafe_code)]

use bson::{RawBson, rawdoc};
use oplogsync_core::{
    batch::Batch,
    documents::Documents,
    entry::Entry,
    ids::OwnerId,
    lease::{Lease, LeaseName, Leases},
    limits::Limits,
    namespace::Namespace,
    testing::{
        chain::{Chain, log_id, owner_id},
        documents::{id, namespace},
    },
};

/// Who applies in a benchmark.
pub fn owner() -> OwnerId {
    owner_id(1)
}

/// Where a benchmark writes.
pub fn orders() -> Namespace {
    namespace("orders")
}

/// A document of about 200 bytes.
pub fn document(id: i32, version: i32) -> bson::RawDocumentBuf {
    rawdoc! {
        "_id": id, "version": version, "customer": "0123456789abcdef", "status": "shipped",
        "lines": [{ "sku": "A-1000", "qty": 2, "price": 19.9 }, { "sku": "B-2000", "qty": 1, "price": 5.5 }],
        "note": "leave it at the door, please",
    }
}

/// `count` entries: of ten, six inserts, three updates and one delete, over ids in no order.
///
/// # Panics
/// Never: the entries form a valid log.
pub fn mixed_entries(chain: &mut Chain, count: i32) -> Vec<Entry> {
    let ns = orders();
    // An odd factor modulo a power of two visits every id once, in an order that looks random.
    let scattered = |n: i32| n.wrapping_mul(0x0135_7935) & 0x7FFF_FFFF;
    let (mut inserted, mut deleted) = (0, 0);
    for n in 0..count {
        match n % 10 {
            0 | 1 | 3 | 4 | 6 | 7 => {
                chain.insert(&ns, document(scattered(inserted), 0));
                inserted += 1;
            }
            9 => {
                chain.delete(&ns, id(RawBson::Int32(scattered(deleted))));
                deleted += 1;
            }
            _ => {
                let target = deleted + n % (inserted - deleted);
                chain.update(&ns, document(scattered(target), n));
            }
        }
    }
    chain.take()
}

/// The mixed workload as batches of `batch` entries.
///
/// # Panics
/// Never: the entries form a valid log.
#[expect(clippy::expect_used, reason = "the entries were sealed one behind the other")]
pub fn mixed_batches(count: i32, batch: usize) -> Vec<Batch> {
    let mut chain = Chain::new(log_id(1));
    let after = chain.last();
    let entries = mixed_entries(&mut chain, count);
    let limits = Limits { entries_max: batch, bytes_max: usize::MAX };
    Batch::split(log_id(1), after, entries, limits).expect("the entries form a log")
}

/// Takes the target's lease, so that it accepts batches.
///
/// # Panics
/// When the store fails.
#[expect(clippy::expect_used, reason = "a benchmark that cannot begin ends")]
pub async fn take_lease(store: &(impl Documents + Leases)) {
    let lease = Lease { owner: owner(), holder: "benchmark".to_owned(), beat: 0 };
    let taken = store.swap_lease(LeaseName::Documents, None, Some(&lease)).await.expect("the store works");
    assert!(taken, "the store is new");
}
