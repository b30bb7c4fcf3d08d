//! The bounds of everything that could grow.

/// Largest document in bytes: MongoDB's 16 MiB less 64 KiB, so that the entry that carries it
/// still is a document that a server stores.
pub const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024 - 64 * 1024;

/// Deepest nesting of a document; the document itself is level 1. MongoDB's own limit.
pub const DOCUMENT_DEPTH_MAX: usize = 100;

/// Largest diff of an update in bytes: more than a document, because a diff has more around the
/// same values, and little enough that the entry that carries it still is a document.
pub const DIFF_BYTES_MAX: usize = DOCUMENT_BYTES_MAX + 32 * 1024;

/// Deepest nesting of a diff: that of a document, and the section around a field of the innermost.
pub const DIFF_DEPTH_MAX: usize = DOCUMENT_DEPTH_MAX + 1;

/// Most items of an array that a diff may speak of. No document has room for more.
pub const ARRAY_ITEMS_MAX: usize = 2_000_000;

/// How much one batch may hold, in entries and in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most entries in a batch; at least 1.
    pub entries_max: usize,
    /// Most bytes of documents in a batch. A single entry above it is a batch of its own.
    pub bytes_max: usize,
}

impl Limits {
    /// No bounds.
    pub const NONE: Self = Self { entries_max: usize::MAX, bytes_max: usize::MAX };

    /// The narrower bounds of both.
    #[must_use]
    pub fn at_most(self, other: Self) -> Self {
        Self { entries_max: self.entries_max.min(other.entries_max), bytes_max: self.bytes_max.min(other.bytes_max) }
    }
}

impl Default for Limits {
    /// A thousand entries, 4 MiB.
    fn default() -> Self {
        Self { entries_max: 1000, bytes_max: 4 * 1024 * 1024 }
    }
}
