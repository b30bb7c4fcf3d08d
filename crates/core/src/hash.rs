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

/// Hashes a sequence of parts, each of known length.
///
/// Short ones are joined and hashed at once, which is faster than piece by piece.
pub(crate) struct Hasher {
    joined: [u8; JOINED_BYTES_MAX],
    length: usize,
    /// In the place of `joined`, when the parts are longer than that.
    pieces: Option<Box<Xxh3>>,
}

/// Longer than most documents.
const JOINED_BYTES_MAX: usize = 1024;

impl Hasher {
    pub(crate) fn new() -> Self {
        Self { joined: [0; JOINED_BYTES_MAX], length: 0, pieces: None }
    }

    /// A part of fixed length.
    pub(crate) fn fixed(&mut self, bytes: &[u8]) -> &mut Self {
        self.take(bytes);
        self
    }

    /// A part of variable length: its length goes in first, so that parts cannot run together.
    pub(crate) fn sized(&mut self, bytes: &[u8]) -> &mut Self {
        self.take(&(bytes.len() as u64).to_be_bytes());
        self.take(bytes);
        self
    }

    pub(crate) fn finish(&self) -> Hash {
        match &self.pieces {
            Some(pieces) => Hash(pieces.digest128().to_be_bytes()),
            None => Hash::of(self.joined()),
        }
    }

    fn joined(&self) -> &[u8] {
        self.joined.get(..self.length).unwrap_or_default()
    }

    fn take(&mut self, bytes: &[u8]) {
        if let Some(pieces) = &mut self.pieces {
            pieces.update(bytes);
            return;
        }
        if let Some(room) = self.joined.get_mut(self.length..self.length + bytes.len()) {
            room.copy_from_slice(bytes);
            self.length += bytes.len();
            return;
        }
        let mut pieces = Box::new(Xxh3::new());
        pieces.update(self.joined());
        pieces.update(bytes);
        self.pieces = Some(pieces);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_the_hash_of_what_they_are_together_however_long_they_are() {
        for first in [0, 1, 57, 500, JOINED_BYTES_MAX - 9, JOINED_BYTES_MAX - 8, JOINED_BYTES_MAX, 3000] {
            for second in [0, 1, 7, 8, 9, 300, 2000] {
                let (first, second) = (vec![7; first], vec![9; second]);
                let together = [&first[..], &(second.len() as u64).to_be_bytes(), &second].concat();
                let found = Hasher::new().fixed(&first).sized(&second).finish();
                let mut pieces = Xxh3::new();
                together.chunks(7).for_each(|piece| pieces.update(piece));
                let in_pieces = Hash(pieces.digest128().to_be_bytes());
                let at_once = Hash::of(&together);
                assert_eq!([found, in_pieces], [at_once; 2], "{} and {} bytes", first.len(), second.len());
            }
        }
    }
}
