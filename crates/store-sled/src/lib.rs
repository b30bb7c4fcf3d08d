//! The embedded store of oplogsync on [sled]: a log, documents, collections and checkpoints in one tree.
//!
//! It is hardened where sled alone would lose data: an open survives a kill in the middle of an
//! earlier open, an acknowledged write is on the disk and not only handed to the kernel, every
//! record carries its own checksum, and a panic inside the engine becomes an error. What it can do, and
//! what holds on every engine, stands at [`oplogsync_store_embedded`].
//!
//! [sled]: https://docs.rs/sled/0.34.7

#![forbid(unsafe_code)]

mod blobs;
mod engine;

/// The README's example is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

#[doc(hidden)]
pub use engine::free_garbage;
pub use engine::{Bytes, Sled};
pub use oplogsync_store_embedded::{Durability, Options};
#[doc(hidden)]
pub use oplogsync_store_embedded::{Moment, Step, Watch};

/// An embedded store on sled.
pub type SledStore = oplogsync_store_embedded::EmbeddedStore<Sled>;

/// What is under the traits of a [`SledStore`]: for benchmarks.
#[doc(hidden)]
pub type Keyspace = oplogsync_store_embedded::Keyspace<Sled>;
