//! The store, and the evaluation of updates, against real servers, standalone and replica set.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::missing_panics_doc)]

mod conformance;
mod connect;
mod crash;
mod differential;
mod fail_command;
mod fixture;
mod journal;
mod kill;
mod large;
mod late;
mod log_form;
mod network;
mod oracle;
mod outside_changes;
mod proxy;
mod punctual;
mod replica;
mod reply_cut;
mod same_id;
mod scope;
mod unique_index;
mod writers;
