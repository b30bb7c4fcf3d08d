//! [`NamespaceDigest`]: an order-free digest of all documents of a namespace.

use crate::{document::Document, hash::Hash};

/// The number of documents and the sum, modulo 2^128, of their hashes.
///
/// Equal sets of documents have equal digests in whatever order they were added; each change
/// updates the digest in constant time. The idea is `LiteFS`'s rolling checksum of a database;
/// a sum instead of an exclusive or, so that a document held twice is not one held never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NamespaceDigest {
    /// How many documents.
    pub count: u64,
    /// The sum of their hashes.
    pub sum: u128,
}

impl NamespaceDigest {
    /// Counts a document in.
    pub fn add(&mut self, document: &Document) {
        self.count = self.count.wrapping_add(1);
        self.sum = self.sum.wrapping_add(hash(document.as_bytes()));
    }

    /// Counts a document out that was counted in, given as its bytes.
    pub fn remove(&mut self, document: &[u8]) {
        self.count = self.count.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(hash(document));
    }
}

fn hash(document: &[u8]) -> u128 {
    u128::from_be_bytes(Hash::of(document).to_bytes())
}
