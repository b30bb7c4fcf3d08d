//! The embedded store of oplogsync on [fjall]: a log, documents, collections and checkpoints in one keyspace.
//!
//! It is for those who need speed, and little memory for much data. What it can do, and what holds on every
//! engine, stands at [`oplogsync_store_embedded`].
//!
//! fjall writes batches to a journal, and what it has in memory to tables, in threads of its own. Its sync is an
//! `fsync` of the journal. A journal that was cut off in the middle of a batch is opened without that batch.
//!
//! [fjall]: https://docs.rs/fjall/3.1

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod engine;
mod leftovers;

pub use engine::{Bytes, Fjall};
pub use oplogsync_store_embedded::{Durability, Options};
#[doc(hidden)]
pub use oplogsync_store_embedded::{Moment, Step, Watch};

/// An embedded store on fjall.
pub type FjallStore = oplogsync_store_embedded::EmbeddedStore<Fjall>;

/// What is under the traits of a [`FjallStore`]: for benchmarks.
#[doc(hidden)]
pub type Keyspace = oplogsync_store_embedded::Keyspace<Fjall>;
