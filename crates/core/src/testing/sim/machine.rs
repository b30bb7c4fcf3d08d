//! [`Machine`]: the time and the randomness that a simulated process has.

use std::time::{Duration, SystemTime};

use super::{
    process::Process,
    world::{Micros, Sim},
};
use crate::host::Host;

/// What a process runs on: its clock may jump and drift, its waiting is virtual.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    sim: Sim,
    process: Process,
}

/// Where every clock begins: some day in November 2023.
const START: Duration = Duration::from_secs(1_700_000_000);

impl Machine {
    /// Whose machine it is.
    pub(super) fn process(&self) -> Process {
        self.process
    }

    pub(super) fn new(sim: &Sim, process: Process) -> Self {
        Self { sim: sim.clone(), process }
    }
}

impl Host for Machine {
    fn now(&self) -> SystemTime {
        let world = self.sim.world();
        let condition = world.condition(self.process);
        let now = i64::try_from(world.now).unwrap_or(i64::MAX);
        let wrong = condition.clock_offset.saturating_add(now / 1_000 * condition.clock_drift);
        let micros = now.saturating_add(wrong);
        let base = SystemTime::UNIX_EPOCH + START;
        let distance = Duration::from_micros(micros.unsigned_abs());
        let shifted = if micros < 0 { base.checked_sub(distance) } else { base.checked_add(distance) };
        shifted.unwrap_or(base)
    }

    fn random(&self) -> [u8; 16] {
        let random = &mut self.sim.world().random.machine;
        (u128::from(random.draw()) << 64 | u128::from(random.draw())).to_be_bytes()
    }

    async fn sleep(&self, duration: Duration) {
        let drift = self.sim.world().condition(self.process).clock_drift;
        let micros = Micros::try_from(duration.as_micros()).unwrap_or(Micros::MAX);
        // Who counts fast wakes early.
        let counted = micros.saturating_mul(1_000) / 1_000_u64.saturating_add_signed(drift).max(1);
        self.sim.sleep(counted).await;
    }
}
