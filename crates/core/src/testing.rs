//! What tests of stores, of this crate and of the program share (feature `testing`): the
//! conformance suite that every store passes, a wrapper that makes any store fail on demand, a
//! machine under the test's control, strategies for property tests, and the simulator (feature
//! `simulator`, for the program too).

#[cfg(feature = "testing")]
pub mod backlog;
#[cfg(feature = "testing")]
pub mod chain;
#[cfg(feature = "testing")]
pub mod documents;
#[cfg(feature = "testing")]
pub mod faulty;
#[cfg(feature = "testing")]
pub mod foreign;
#[cfg(feature = "testing")]
pub mod fuzzing;
#[cfg(feature = "testing")]
pub mod hostile;
#[cfg(feature = "testing")]
pub mod manual_host;
#[cfg(feature = "testing")]
pub mod model_source;
#[cfg(feature = "testing")]
pub mod peak;
pub mod random;
#[cfg(feature = "testing")]
pub mod read_only;
#[cfg(feature = "testing")]
pub mod ready;
pub mod sim;
#[cfg(feature = "testing")]
pub mod strategies;
#[cfg(feature = "testing")]
pub mod suite;
