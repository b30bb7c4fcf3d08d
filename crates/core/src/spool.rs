//! [`SpoolLog`]: the trait of a store that keeps a copy of what another feed yields.

use std::future::Future;

use crate::{
    batch::Batch,
    checkpoint::{Checkpoint, Resume},
    ids::OwnerId,
    log::Log,
    store_error::StoreError,
};

/// A log whose entries come from another feed, with the positions and the hashes that the feed gave
/// them: a durable copy of a source's history, for replicas that are slower or away for longer than
/// the source remembers.
pub trait SpoolLog: Log {
    /// Up to where entries were captured, and where the feed goes on; `None` when nothing was ever begun.
    fn captured(&self) -> impl Future<Output = Result<Option<(Checkpoint, Resume)>, StoreError>> + Send;

    /// Begins the log of a feed, at a checkpoint of it: its first entry is the one that follows.
    ///
    /// # To ensure correctness
    /// - `owner` holds the lease of the log.
    /// - A log that was begun for the same feed stays as it is; one of another feed, or that a primary
    ///   has written, is [`Fault::Occupied`](crate::store_error::Fault).
    /// - From then on the log takes no entries of a primary: [`Log::create_log`] and [`Log::append`], also of
    ///   nothing, are [`Fault::Occupied`](crate::store_error::Fault).
    fn begin_capture(
        &self,
        checkpoint: Checkpoint,
        resume: &Resume,
        owner: OwnerId,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Appends a batch of the feed, with what stands beside it.
    ///
    /// # To ensure correctness
    /// - `owner` holds the lease of the log, and the batch follows what was captured last, else
    ///   [`Fault::CheckpointMoved`](crate::store_error::Fault).
    /// - Entries and resume are one atomic write, durable when it returns.
    /// - An operation id that the log holds already is a [`Fault::Defect`](crate::store_error::Fault) of the feed.
    fn capture(&self, batch: &Batch, owner: OwnerId) -> impl Future<Output = Result<(), StoreError>> + Send;
}
