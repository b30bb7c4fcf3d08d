//! A replica set whose applications know nothing of us is followed by its change stream, into a store in memory.

mod drift;
mod every_event;
mod failover;
mod faults;
pub(crate) mod follower;
mod history;
mod levels;
pub(crate) mod load;
mod network;
mod quiet;
mod refusals;
mod resume;
pub(crate) mod source;
mod standalone;
mod transactions;
