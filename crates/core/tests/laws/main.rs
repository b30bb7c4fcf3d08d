//! The laws of ARCHITECTURE.md as tests, on the reference store and on the embedded one.

mod conformance;
