//! The MongoDB store of oplogsync: the managed oplog, the documents with their checkpoint, and
//! leases, on stock servers from 4.2 on, standalone or replica set, through the official driver.
//!
//! A replica set from 6.0 on can be followed although its applications know nothing of us: a
//! [`ChangeStreamFeed`] yields what happens as entries, with the diffs of the server's own oplog, and a
//! [`SnapshotSource`] shows what was there, as it was at known cluster times. Nothing is written there.
//!
//! Everything that oplogsync itself keeps lives in collections beside the data, `oplog`, `node` and,
//! during an initial sync, `sync` (where exactly is the [`Scope`]'s to say), as documents that people
//! can read.
//!
//! On a replica set the documents of a batch and the checkpoint are one transaction. A standalone
//! server has none: there the data goes first, journaled, then the checkpoint, by a compare-and-swap
//! on its former value and its owner, and a durable note of what is about to be written lets a
//! repeat after a crash know what it may find. So it is for a command, on a replica set too: none can
//! be part of a transaction with the checkpoint.
//!
//! On a standalone server an entry can be seen shortly before it is journaled, and a crash of the
//! server can take it back until then. A reader of the log waits for the journal.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

mod apply;
mod bulk;
mod change_stream;
mod command;
mod connect;
mod copy;
mod documents;
mod entry_document;
mod error;
mod facts;
mod fields;
#[cfg(any(test, feature = "testing"))]
pub mod fuzzing;
mod hold;
mod journal;
mod leases;
mod log;
mod node_document;
mod options;
mod plan;
mod query;
mod scope;
mod server;
mod session;
mod snapshot;
mod store;
mod structure;
mod target;
mod tls;
mod transaction;
mod unique;
mod uri;

pub use change_stream::{ChangeStreamFeed, ChangeStreamOptions};
pub use documents::catalog::{Catalog, Obstacle, Unreplicable};
pub use facts::{
    Capped, ClockSkew, CollectionFacts, CollectionKind, CollectionSize, DatabaseFacts, DiskSpace, Facts, IndexFacts,
    Login, OplogWindow, Resource, ServerFacts, ServerVersion, Topology,
};
pub use options::Options;
pub use scope::Scope;
pub use snapshot::SnapshotSource;
pub use store::MongoStore;
pub use uri::{MalformedUri, check_uri, database, redact};
