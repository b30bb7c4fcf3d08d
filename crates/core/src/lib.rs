//! The rules of oplogsync: what an oplog is, how its entries are applied, and how a primary and
//! its replicas use it. No I/O, no engine, no clock, no environment: stores implement the traits
//! [`Log`](log::Log), [`Documents`](documents::Documents) and [`Leases`](lease::Leases), and a
//! [`Host`](host::Host) supplies time and randomness.
//!
//! A node's documents are a fold of its log. Everything else follows from that.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

mod applier;
pub mod apply;
pub mod batch;
pub mod checkpoint;
pub mod clock;
pub mod codec;
mod decimal;
pub mod digest;
pub mod doc_id;
pub mod document;
pub mod documents;
mod element;
pub mod entry;
pub mod excerpt;
pub mod feed;
pub mod hash;
pub mod host;
pub mod ids;
pub mod lease;
pub mod limits;
pub mod log;
pub mod memory;
pub mod namespace;
mod number_key;
#[cfg(feature = "testing")]
pub mod planted;
#[cfg(not(feature = "testing"))]
mod planted;
pub mod position;
pub mod prepare;
pub mod primary;
pub mod progress;
mod raw_check;
pub mod replicator;
pub mod retention;
pub mod retry;
#[cfg(test)]
mod schedule_tests;
mod sort_key;
pub mod store_error;
#[cfg(any(feature = "testing", feature = "simulator"))]
pub mod testing;
pub mod update;
pub mod verify;
pub mod write;
