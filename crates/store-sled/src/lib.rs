//! The embedded store of oplogsync: a log, documents, collections and checkpoints in one [sled] tree.
//!
//! It is hardened where sled alone would lose data: an open survives a kill in the middle of an
//! earlier open, an acknowledged write is on the disk and not only handed to the kernel, every
//! record carries its own checksum, and a panic inside the engine becomes an error.
//!
//! One process uses a folder at a time. Within it a [`SledStore`] is a cheap handle, to be cloned.
//!
//! It can be a primary, a replica, a target of an initial sync, and a spool: a durable copy of what the change
//! stream of a replica set tells, which replicas follow in its place.
//!
//! Collections keep their options and indexes as the source has them, so that they can be compared and
//! copied on. Nothing is done with them: documents are found by `_id` only, validators do not judge them,
//! and unique indexes are not enforced. A source has enforced its own before an entry comes here.
//!
//! [sled]: https://docs.rs/sled/0.34.7

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

mod apply;
mod check;
mod commands;
mod contents;
mod copy;
mod documents;
mod durability;
mod engine;
mod flusher;
mod folder;
#[cfg(any(test, feature = "testing"))]
pub mod fuzzing;
mod group_commit;
mod key;
mod keyspace;
mod leases;
mod log;
mod mark;
mod place;
mod record;
mod spool;
mod step;
mod store;
mod sum;
mod sweep;
mod tree;
mod trouble;

/// The README's example is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

pub use durability::{Durability, Options};
#[doc(hidden)]
pub use keyspace::Keyspace;
#[doc(hidden)]
pub use step::{Moment, Step, Watch};
pub use store::SledStore;
