//! What tests of stores, of this crate and of the program share (feature `testing`): the
//! conformance suite that every store passes, a wrapper that makes any store fail on demand, a
//! machine under the test's control, and strategies for property tests.

pub mod chain;
pub mod documents;
pub mod faulty;
pub mod fuzzing;
pub mod hostile;
pub mod manual_host;
pub mod random;
pub mod ready;
pub mod strategies;
pub mod suite;
