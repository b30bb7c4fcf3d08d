//! The embedded store on an engine, as its users and its disasters meet it: the same tests for each.
//!
//! The crate of an engine includes this folder in its own tests, and tells in a module `engine` what the store is
//! called there, which files it has, and how to get at the records beside the store's back.

mod conformance;
pub(crate) mod copy;
mod crash_points;
mod damage;
mod durability;
mod failing_disk;
mod full_disk;
pub(crate) mod history;
mod kill;
mod long_ids;
mod memory;
mod opening;
mod oracle;
mod pair;
pub(crate) mod raw;
mod rot;
mod script;
mod scripted;
pub(crate) mod tell;
mod whole;
mod writes;
