//! [`Log`]: the trait of a store that holds an oplog.

use std::future::Future;

use crate::{
    entry::Entry,
    ids::{LogId, OpId},
    limits::Limits,
    position::{Anchor, Position},
    store_error::StoreError,
};

/// The two ends of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEnds {
    /// Which log.
    pub log: LogId,
    /// The newest entry that was trimmed away; [`Entry::origin`] when none was.
    pub floor: Anchor,
    /// The newest entry; equal to the floor when the log holds none.
    pub head: Anchor,
}

/// How far an append came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// All entries are in the log, durably.
    All,
    /// The first `count` entries are in the log, durably. Where the next one belongs stands
    /// another writer's entry, or the floor has passed: read the ends again and start anew.
    Beaten {
        /// How many of the entries are in the log.
        count: usize,
    },
}

/// What a replica has told the log about its progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The replica's name.
    pub replica: String,
    /// The newest entry that it has durably applied.
    pub at: Anchor,
}

/// An oplog: dense, append-only, trimmed from its old end.
///
/// One store holds at most one log.
pub trait Log: Send + Sync {
    /// Creates the log `log` if the store holds none yet, and returns the ends of the one that
    /// the store then holds, which may be an older log with another id.
    ///
    /// # To ensure correctness
    /// - Durable when it returns. Of two creators at once both see the same log afterwards.
    fn create_log(&self, log: LogId) -> impl Future<Output = Result<LogEnds, StoreError>> + Send;

    /// The ends of the log; `None` when the store holds no log.
    fn log_ends(&self) -> impl Future<Output = Result<Option<LogEnds>, StoreError>> + Send;

    /// Appends entries, which follow each other, at their own positions.
    ///
    /// # To ensure correctness
    /// - It is a compare-and-swap: an entry goes in only where no other entry stands and the one
    ///   before it stands, so that the log is dense at every moment, also after a crash in the
    ///   middle. What goes in is a prefix of `entries`.
    /// - An entry that already stands at its position with the same hash counts as appended, so
    ///   that the same call can be made again after [`Fault::Unknown`](crate::store_error::Fault).
    /// - An operation id that the log holds at another position counts as [`Appended::Beaten`].
    /// - When it returns `Ok`, the entries that it counts survive any crash that the store's
    ///   durability covers, and readers see them.
    /// - After an insert the floor is checked: entries at or below it do not count.
    ///
    /// # Errors
    /// [`Fault::Unavailable`](crate::store_error::Fault) only if nothing was appended and nothing will be.
    fn append(&self, entries: &[Entry]) -> impl Future<Output = Result<Appended, StoreError>> + Send;

    /// Entries from index `from` on, in order, within `limits` (at least one if there is one).
    ///
    /// # To ensure correctness
    /// - Every entry's content is checked against its own hash (and checksum): damage is
    ///   [`Fault::Corrupt`](crate::store_error::Fault), unknown kinds, fields and versions are
    ///   [`Fault::Incompatible`](crate::store_error::Fault); nothing is skipped.
    /// - What it yields survives any crash that the store's durability covers: a replica that has
    ///   applied an entry which its source then loses follows a log that never was.
    /// - It starts at the first entry that exists at or after `from`; the caller checks for gaps.
    /// - Memory is bounded by `limits` and one entry.
    fn read(&self, from: u64, limits: Limits) -> impl Future<Output = Result<Vec<Entry>, StoreError>> + Send;

    /// Where the entry with this operation id stands, if the log still holds it.
    fn find(&self, op_id: OpId) -> impl Future<Output = Result<Option<Position>, StoreError>> + Send;

    /// Trims all entries up to and including `floor`.
    ///
    /// # To ensure correctness
    /// - The new floor is durable before the first entry is deleted; a crash in between leaves
    ///   entries below the floor, which nobody reads and the next trim deletes.
    /// - A floor at or below the present one changes nothing. A floor above the head is a
    ///   [`Fault::Defect`](crate::store_error::Fault).
    fn trim(&self, floor: &Anchor) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Remembers, durably, how far a replica has come. Registers it the first time.
    fn acknowledge(&self, acknowledgement: &Acknowledgement) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Completes when the log may have an entry beyond index `index` that it did not have when it was
    /// last read, at once if it has; never, where nobody tells.
    fn appended(&self, index: u64) -> impl Future<Output = ()> + Send;

    /// All registered replicas and their progress, ordered by name.
    fn acknowledgements(&self) -> impl Future<Output = Result<Vec<Acknowledgement>, StoreError>> + Send;
}
