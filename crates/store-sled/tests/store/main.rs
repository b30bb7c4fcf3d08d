//! The embedded store on sled, as its users and its disasters meet it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a test fails by panicking")]

mod engine;
mod format;
mod leftovers;
#[path = "../../../store-embedded/tests/suite/mod.rs"]
mod suite;
