//! The rules of oplogsync: what an oplog is, how its entries are applied, and how a primary and
//! its replicas use it. No I/O, no engine, no clock, no environment: stores implement the traits
//! [`Log`](log::Log), [`Documents`](documents::Documents), [`Leases`](lease::Leases) and
//! [`SyncTarget`](initial_sync::SyncTarget), and a [`Host`](host::Host) supplies time and randomness.
//!
//! A node's documents are a fold of its log. Everything else follows from that.
//!
//! The log need not be ours. A [`Feed`](feed::Feed) yields entries of any source, a
//! [`SyncSource`](initial_sync::SyncSource) tells what was there before them, and a
//! [`Follower`](follower::Follower) copies a target, lets it catch up, and keeps it in step. A
//! [`Filter`](filter::Filter) says what is replicated, and under which names. What a source may forget too soon
//! a [`Capture`](capture::Capture) keeps; [`verify`] finds what differs, and a [`Repair`](repair::Repair) mends it.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

mod applier;
pub mod apply;
pub mod batch;
pub mod capture;
pub mod catalog;
pub mod catch_up;
pub mod checkpoint;
pub mod clock;
pub mod codec;
pub mod command;
mod decimal;
pub mod diff;
pub mod digest;
pub mod doc_id;
pub mod document;
pub mod documents;
mod element;
pub mod entry;
pub mod excerpt;
pub mod feed;
pub mod filter;
pub mod follower;
pub mod hash;
pub mod host;
pub mod ids;
pub mod initial_sync;
pub mod lease;
pub mod limits;
pub mod log;
pub mod memory;
pub mod namespace;
mod number_key;
pub mod planted;
pub mod position;
pub mod prepare;
pub mod primary;
pub mod progress;
mod raw_check;
pub mod repair;
pub mod replicator;
pub mod retention;
pub mod retry;
mod sort_key;
pub mod spool;
pub mod store_error;
#[cfg(any(feature = "testing", feature = "simulator"))]
pub mod testing;
pub mod update;
pub mod verify;
pub mod view;
pub mod write;
