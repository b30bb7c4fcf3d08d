//! [`Host`]: what the machine gives: time, randomness and waiting.

use std::{
    future::Future,
    time::{Duration, SystemTime},
};

/// What the machine gives; clones share it. Everything else in this crate is a function of its arguments, so a
/// simulator that supplies a host controls a whole run.
pub trait Host: Clone + Send + Sync {
    /// The wall clock.
    fn now(&self) -> SystemTime;

    /// 128 random bits.
    fn random(&self) -> [u8; 16];

    /// Waits for as long as `duration`.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}

/// The machine that the process runs on. The only part of this crate that reads a clock.
#[cfg(feature = "system")]
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemHost;

#[cfg(feature = "system")]
impl Host for SystemHost {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    #[expect(clippy::expect_used, reason = "a machine without randomness cannot name anything safely")]
    fn random(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        bytes
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(duration)
    }
}
