//! The embedded store on sled, as its users and its disasters meet it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a test fails by panicking")]

/// The one that the program has: how much memory a store takes is asked of both.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod engine;
mod format;
mod leftovers;
#[path = "../../../store-embedded/tests/suite/mod.rs"]
mod suite;
