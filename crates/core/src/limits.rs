//! The bounds of everything that could grow.

/// Largest document in bytes: MongoDB's 16 MiB less 64 KiB, so that the entry that carries it
/// still is a document that a server stores.
pub const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024 - 64 * 1024;

/// Deepest nesting of a document; the document itself is level 1. MongoDB's own limit.
pub const DOCUMENT_DEPTH_MAX: usize = 100;

/// How much one batch may hold, in entries and in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most entries in a batch; at least 1.
    pub entries_max: usize,
    /// Most bytes of documents in a batch. A single entry above it is a batch of its own.
    pub bytes_max: usize,
}

impl Default for Limits {
    /// A thousand entries, 16 MiB.
    fn default() -> Self {
        Self { entries_max: 1000, bytes_max: 16 * 1024 * 1024 }
    }
}
