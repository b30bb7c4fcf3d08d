//! [`Workload`]: operations on documents of about 200 bytes, the same in every run.

use bson::{RawBson, rawdoc};
use oplogsync_core::{
    batch::Batch,
    entry::Entry,
    limits::Limits,
    namespace::Namespace,
    testing::{
        chain::{Chain, log_id},
        documents::{id, namespace},
    },
};

/// Which operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of ten, six inserts, three updates and one delete.
    Mix,
    /// Inserts only.
    Inserts,
}

impl Kind {
    /// Its name in those of benchmarks.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mix => "mix",
            Self::Inserts => "inserts",
        }
    }
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

/// A document of about `bytes` bytes.
pub fn large_document(id: i32, version: i32, bytes: usize) -> bson::RawDocumentBuf {
    let mut document = document(id, version);
    let missing = bytes.saturating_sub(document.as_bytes().len());
    if missing > 0 {
        document.append(bson::raw::cstr!("more"), "x".repeat(missing));
    }
    document
}

/// An endless log of operations, over ids in no order.
#[derive(Debug)]
pub struct Workload {
    chain: Chain,
    writer: Writer,
}

impl Workload {
    /// The same operations every time.
    pub fn new(kind: Kind) -> Self {
        Self { chain: Chain::new(log_id(1)), writer: Writer::new(kind) }
    }

    /// The next `count` entries.
    pub fn entries(&mut self, count: usize) -> Vec<Entry> {
        (0..count).for_each(|_| self.writer.push(&mut self.chain));
        self.chain.take()
    }

    /// The next `size` entries as a batch.
    pub fn batch(&mut self, size: usize) -> Batch {
        (0..size).for_each(|_| self.writer.push(&mut self.chain));
        self.chain.take_batch()
    }

    /// The next `count` entries as batches of `size`.
    pub fn batches(&mut self, count: usize, size: usize) -> Vec<Batch> {
        let sizes = (0..count).step_by(size).map(|from| size.min(count - from));
        sizes.map(|size| self.batch(size)).collect()
    }

    /// How many documents there are after the entries so far.
    pub fn documents(&self) -> u64 {
        u64::from((self.writer.inserted - self.writer.deleted).unsigned_abs())
    }
}

/// What comes next.
#[derive(Debug)]
struct Writer {
    kind: Kind,
    count: i32,
    inserted: i32,
    deleted: i32,
}

impl Writer {
    fn new(kind: Kind) -> Self {
        Self { kind, count: 0, inserted: 0, deleted: 0 }
    }

    fn push(&mut self, chain: &mut Chain) {
        let (ns, n) = (orders(), self.count);
        self.count = n.wrapping_add(1);
        match n % 10 {
            9 if self.kind == Kind::Mix => {
                chain.delete(&ns, id(RawBson::Int32(scattered(self.deleted))));
                self.deleted += 1;
            }
            2 | 5 | 8 if self.kind == Kind::Mix => {
                let target = self.deleted + n % (self.inserted - self.deleted);
                chain.update(&ns, document(scattered(target), n));
            }
            _ => {
                chain.insert(&ns, document(scattered(self.inserted), 0));
                self.inserted += 1;
            }
        }
    }
}

/// An odd factor modulo a power of two visits every id once, in an order that looks random.
fn scattered(n: i32) -> i32 {
    n.wrapping_mul(0x0135_7935) & 0x7FFF_FFFF
}

/// `count` entries of the mix, sealed by `chain`.
pub fn mixed_entries(chain: &mut Chain, count: i32) -> Vec<Entry> {
    let mut writer = Writer::new(Kind::Mix);
    (0..count).for_each(|_| writer.push(chain));
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
