//! The embedded store on fjall, as its users and its disasters meet it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a test fails by panicking")]

mod engine;
mod first_open;
mod memory;
#[path = "../../../store-embedded/tests/suite/mod.rs"]
mod suite;
mod workers;
