//! [`ManualHost`]: a machine whose clock and randomness the test controls.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::sync::watch;

use super::random::Random;
use crate::host::Host;

/// A machine whose clock the test controls and whose randomness comes from a seed: the same test
/// runs the same way each time. Clones share it.
#[derive(Debug, Clone)]
pub struct ManualHost {
    clock: watch::Sender<SystemTime>,
    random: Arc<Mutex<Random>>,
    hurried: bool,
}

/// Where every [`ManualHost`] begins: some day in November 2023.
const START: Duration = Duration::from_secs(1_700_000_000);

impl ManualHost {
    /// A machine on which time passes only by waiting: whoever sleeps moves the clock to the end
    /// of the sleep, and lets others run once.
    pub fn hurried(seed: u64) -> Self {
        Self::new(seed, true)
    }

    /// A machine on which time stands still until [`ManualHost::advance`].
    pub fn standing(seed: u64) -> Self {
        Self::new(seed, false)
    }

    fn new(seed: u64, hurried: bool) -> Self {
        let clock = watch::Sender::new(SystemTime::UNIX_EPOCH + START);
        Self { clock, random: Arc::new(Mutex::new(Random::new(seed))), hurried }
    }

    /// Moves the clock forward, and wakes those whose sleep is over.
    pub fn advance(&self, by: Duration) {
        self.clock.send_modify(|now| *now += by);
    }

    /// Sets the clock, also backward, as people and time servers do.
    pub fn set_clock(&self, now: SystemTime) {
        self.clock.send_replace(now);
    }
}

impl Host for ManualHost {
    fn now(&self) -> SystemTime {
        *self.clock.borrow()
    }

    fn random(&self) -> [u8; 16] {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let bits = u128::from(random.draw()) << 64 | u128::from(random.draw());
        bits.to_be_bytes()
    }

    async fn sleep(&self, duration: Duration) {
        let mut clock = self.clock.subscribe();
        let end = self.now() + duration;
        if self.hurried {
            let_others_run().await;
            self.clock.send_if_modified(|now| {
                let earlier = *now < end;
                *now = end.max(*now);
                earlier
            });
        }
        // The sender lives as long as `self`.
        let _ = clock.wait_for(|now| *now >= end).await;
    }
}

/// Returns to the executor once.
pub(crate) async fn let_others_run() {
    let mut ran = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut ran, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
