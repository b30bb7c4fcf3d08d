//! Strategies for property tests: values, documents and ids of every type, logs that are
//! possible, and writes that succeed often and fail now and then.

mod log;
mod values;
mod writes;

pub use self::{
    log::{entries, limits, operations},
    values::{doc_id, document, namespace, value},
    writes::{update, write},
};
