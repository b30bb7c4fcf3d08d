//! The store, and the evaluation of updates, against real servers, standalone and replica set.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::missing_panics_doc)]

mod appended;
mod auth;
mod change_stream;
mod collation;
mod conformance;
mod connect;
mod copies;
mod crash;
mod cut_commands;
mod differential;
mod facts;
mod fail_command;
mod fixture;
mod journal;
mod kill;
mod large;
mod late;
mod left_open;
mod literal;
mod log_form;
mod memory;
mod network;
mod oracle;
mod outside_changes;
mod pages;
mod patches;
mod proxy;
mod punctual;
mod replica;
mod reply_cut;
mod same_id;
mod scope;
mod snapshot;
mod structure;
mod unique_index;
mod writers;
