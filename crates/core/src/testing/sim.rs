//! The simulator: the real [`Primary`](crate::primary::Primary),
//! [`Replicator`](crate::replicator::Replicator) and [`trim`](crate::retention::trim) as processes
//! on a simulated network of simulated nodes, on one thread, under a virtual clock and a seed.
//!
//! Whatever can go wrong between them does: see [`FaultKind`]. After every step an oracle, which
//! knows what was acknowledged, failed or is unknown, compares what is durable and what is visible
//! with the laws; at the end all faults stop and everything has to converge. The same seed makes
//! the same run, down to the hash of its trace. After `FoundationDB`'s simulation, `TigerBeetle`'s
//! VOPR and openraft's turmoil tests.
//!
//! What it does not show: what a real engine or server does with its files and its memory. The
//! stores' own tests do that.

mod apply;
mod client;
mod copy;
mod executor;
mod explore;
mod fault;
mod journal;
mod machine;
mod nemesis;
mod network;
mod node;
mod oracle;
mod process;
mod processes;
mod schedule;
mod seed_algorithm;
mod server;
mod shrink;
mod timeline;
mod workload;
mod world;

pub use self::{
    explore::{Findings, explore},
    fault::{Counts, FaultKind, Faults},
    schedule::{Algorithm, Report, Schedule, VICTIMS, Violation},
    shrink::shrink,
};
