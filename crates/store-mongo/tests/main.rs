//! Everything that needs a real mongod.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod differential;
