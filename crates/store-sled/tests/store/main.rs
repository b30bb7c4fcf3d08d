//! The embedded store, as its users and its disasters meet it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a test fails by panicking")]

mod conformance;
mod damage;
mod durability;
mod history;
mod kill;
mod opening;
mod oracle;
mod raw;
mod writes;
