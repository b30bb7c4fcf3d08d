//! The embedded store of oplogsync: a log, documents and checkpoints in one [sled] tree.
//!
//! It is hardened where sled alone would lose data: an open survives a kill in the middle of an
//! earlier open, an acknowledged write is on the disk and not only handed to the kernel, every
//! record carries its own checksum, and a panic inside the engine becomes an error.
//!
//! One process uses a folder at a time. Within it a [`SledStore`] is a cheap handle, to be cloned.
//!
//! [sled]: https://docs.rs/sled/0.34.7

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

mod check;
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
mod record;
mod step;
mod store;
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
