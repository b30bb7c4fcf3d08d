//! Hostile documents, namespaces and entries at every door of the core: each is refused, or taken
//! where a mongod takes it too, in a bounded time and memory, on the stack of a worker thread, and
//! nothing that is refused changes a document.
//!
//! Which documents are taken stands in `testing::hostile`, beside each. Measured is the time on the
//! processor, so that a busy machine does not matter, and the growth of the resident set.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod alone;
mod byte_log;
mod cost;
mod decoding;
mod replicating;
mod writing;
