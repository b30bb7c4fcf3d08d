//! The embedded store, as its users and its disasters meet it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a test fails by panicking")]

mod conformance;
mod copy;
mod crash_points;
mod damage;
mod durability;
mod failing_disk;
mod format;
mod full_disk;
mod history;
mod kill;
mod opening;
mod oracle;
mod pair;
mod raw;
mod rot;
mod script;
mod scripted;
mod tell;
mod whole;
mod writes;
