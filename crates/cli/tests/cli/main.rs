//! The program as users meet it: the real binary, its output and its exit codes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::format_push_string)]

#[cfg(feature = "mongo")]
mod application;
mod bad_input;
mod configuration;
#[cfg(feature = "mongo")]
mod damaged_oplog;
mod demo;
mod embedded;
mod grammar;
mod hostile;
mod program;
mod secrets;
#[cfg(feature = "mongo")]
mod servers;
mod sim;
#[cfg(feature = "mongo")]
mod streams;
#[cfg(feature = "mongo")]
mod survival;
#[cfg(feature = "mongo")]
mod unreplicable;
mod verify;
