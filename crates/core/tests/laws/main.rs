//! The laws of the design, as property tests on the reference store and on the embedded one.
//!
//! A failing case is printed in its smallest form, and its seed is kept under
//! `proptest-regressions`, from where every later run repeats it first.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests fail by panicking")]

mod acknowledged;
mod cluster;
mod conformance;
mod converged;
mod copied;
mod fenced;
mod intact;
mod loud;
mod prefix;
mod repaired;
mod repeated;
mod retained;
mod seed_flaws;
mod spooled;
mod verified;
