//! The MongoDB store of oplogsync: the managed oplog, the documents with their checkpoint, and
//! leases, on stock servers from 4.2 on, standalone or replica set, through the official driver.
//!
//! Everything that oplogsync itself keeps lives in two collections beside the data, `oplog` and
//! `node` (where exactly is the [`Scope`]'s to say), as documents that people can read.
//!
//! On a replica set the documents of a batch and the checkpoint are one transaction. A standalone
//! server has none: there the data goes first, journaled, then the checkpoint, by a compare-and-swap
//! on its former value and its owner, and a durable note of what is about to be written lets a
//! repeat after a crash know what it may find.
//!
//! On a standalone server an entry can be read shortly before it is journaled. A crash of the
//! server in that moment can lose an entry that a replica has seen: its next fetch says so.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

mod apply;
mod bulk;
mod command;
mod connect;
mod documents;
mod entry_document;
mod error;
mod fields;
#[cfg(any(test, feature = "testing"))]
pub mod fuzzing;
mod hold;
mod leases;
mod log;
mod node_document;
mod options;
mod plan;
mod query;
mod scope;
mod server;
mod store;
mod target;
mod transaction;
mod unique;
mod uri;

pub use options::Options;
pub use scope::Scope;
pub use store::MongoStore;
pub use uri::{MalformedUri, check_uri, database, redact};
