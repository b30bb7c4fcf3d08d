//! [`struct@Hash`]: the 128-bit XXH3 hash that chains entries and digests documents.
//!
//! It guards against accidents and unnoticed changes, not against an adversary who
//! constructs collisions.

use std::fmt;

use xxhash_rust::xxh3::Xxh3;

/// A 128-bit hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Hash([u8; 16]);

impl Hash {
    /// The hash from its bytes, as [`Hash::to_bytes`] gives them.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, most significant first.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The hash of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(xxhash_rust::xxh3::xxh3_128(bytes).to_be_bytes())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Hashes a sequence of parts, each of known length, without joining them first.
pub(crate) struct Hasher(Xxh3);

impl Hasher {
    pub(crate) fn new() -> Self {
        Self(Xxh3::new())
    }

    /// A part of fixed length.
    pub(crate) fn fixed(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(bytes);
        self
    }

    /// A part of variable length: its length goes in first, so that parts cannot run together.
    pub(crate) fn sized(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    pub(crate) fn finish(&self) -> Hash {
        Hash(self.0.digest128().to_be_bytes())
    }
}
