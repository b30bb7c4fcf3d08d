//! Replica sets that know nothing of us are followed by their change streams.

mod check;
mod choice;
mod commands;
mod copy;
mod everyday;
mod filter;
mod history;
mod resync;
mod roles;
mod source;
mod spool;
