//! An embedded store of oplogsync over any ordered key-value engine that has atomic batches: a log, documents,
//! collections and checkpoints under the keys of one tree.
//!
//! It trusts no [`Engine`] further than it must: an acknowledged write was synced, every record carries its own
//! checksum, the count of writes is kept beside the engine and all records are checked when a folder is opened,
//! and a panic of the engine becomes an error.
//!
//! One process uses a folder at a time. Within it an [`EmbeddedStore`] is a cheap handle, to be cloned.
//!
//! It can be a primary, a replica, a target of an initial sync, and a spool: a durable copy of what the change
//! stream of a replica set tells, which replicas follow in its place.
//!
//! Collections keep their options and indexes as the source has them, so that they can be compared and
//! copied on. Nothing is done with them: documents are found by `_id` only, validators do not judge them,
//! and unique indexes are not enforced. A source has enforced its own before an entry comes here.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

mod apply;
mod changes;
mod check;
mod commands;
mod contained;
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
mod presence;
mod record;
mod spool;
mod step;
mod store;
mod sum;
mod sweep;
#[cfg(test)]
mod toy;
mod tree;
mod trouble;

pub use oplogsync_core::limits::Limits;

pub use changes::Changes;
pub use durability::{Durability, Options};
pub use engine::{Engine, Failure};
#[doc(hidden)]
pub use keyspace::Keyspace;
pub use place::Range;
#[doc(hidden)]
pub use step::{Moment, Step, Watch};
pub use store::EmbeddedStore;
