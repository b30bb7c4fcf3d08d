//! The crate against real processes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests fail by panicking")]

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod fetch;
mod finder;
mod parent_death;
mod replica_set;
mod server;
mod shared;
mod tls;

use bson::{Document, doc};
use mongodb::{Client, error::Error, options::ClientOptions};
use std::time::Duration;

/// A client that gives up within seconds.
async fn client(uri: &str) -> Client {
    let mut options = ClientOptions::parse(uri).await.unwrap();
    options.server_selection_timeout = Some(Duration::from_secs(5));
    options.heartbeat_freq = Some(Duration::from_millis(500));
    Client::with_options(options).unwrap()
}

/// Runs a command on `admin`.
async fn admin(uri: &str, command: Document) -> Result<Document, Error> {
    client(uri).await.database("admin").run_command(command).await
}

async fn insert(uri: &str, id: i32) -> Result<(), Error> {
    let journaled = doc! { "insert": "c", "documents": [{ "_id": id }], "writeConcern": { "w": 1, "j": true } };
    client(uri).await.database("t").run_command(journaled).await.map(drop)
}

async fn count(uri: &str) -> Result<u64, Error> {
    client(uri).await.database("t").collection::<Document>("c").count_documents(doc! {}).await
}
