//! The arguments of `sim`.

use clap::{Args as ClapArgs, ValueEnum};
use oplogsync_core::testing::sim::{Algorithm, Faults, Schedule};

use crate::fault_list::FaultList;

/// The greatest seed: far enough from the end of the numbers that none of a run's seeds overflows.
const SEED_MAX: u64 = u64::MAX / 2;
/// How many schedules one run may take, and how many steps one schedule.
const SCHEDULES_MAX: u64 = 1_000_000_000;
const STEPS_MAX: u64 = 100_000;
/// How many schedules are run when nobody says.
const SCHEDULES: u64 = 1000;

#[derive(Debug, Clone, Copy, ClapArgs)]
pub(crate) struct SimArgs {
    /// Watch the one schedule that comes of this seed; with --schedules: the first seed, else 0
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=SEED_MAX))]
    seed: Option<u64>,
    /// How many schedules, on all cores, until one breaks a law [default: 1000]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=SCHEDULES_MAX))]
    schedules: Option<u64>,
    /// What is simulated: oplogsync, or the Node.js demo that it began with
    #[arg(long, value_enum, default_value_t = Simulated::Oplogsync)]
    algorithm: Simulated,
    /// These faults, separated by commas, or `none`; else those that the seed says
    #[arg(long, value_name = "FAULTS")]
    faults: Option<FaultList>,
    /// Not these faults
    #[arg(long, value_name = "FAULTS")]
    without: Option<FaultList>,
    /// For how many steps of a schedule things go wrong [default: 800 to 4000, as the seed says]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=STEPS_MAX))]
    steps: Option<u64>,
}

/// What is simulated, by the name that people type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Simulated {
    Oplogsync,
    Seed,
}

impl SimArgs {
    /// The one schedule to watch, if that is what is asked for.
    pub(crate) fn watched(&self) -> Option<Schedule> {
        self.seed.filter(|_| self.schedules.is_none()).map(|seed| self.schedule(seed))
    }

    /// The first seed of many.
    pub(crate) fn first(&self) -> u64 {
        self.seed.unwrap_or(0)
    }

    /// How many schedules.
    pub(crate) fn count(&self) -> u64 {
        self.schedules.unwrap_or(SCHEDULES)
    }

    /// The schedule of a seed.
    pub(crate) fn schedule(&self, seed: u64) -> Schedule {
        let usual = Schedule::new(seed);
        Schedule {
            steps: self.steps.unwrap_or(usual.steps),
            faults: self.faults(usual.faults),
            algorithm: self.simulated().into(),
            ..usual
        }
    }

    /// What may go wrong, where `usual` may unless told otherwise.
    pub(crate) fn faults(&self, usual: Faults) -> Faults {
        let only = self.faults.map_or(usual, |list| list.0);
        let without = self.without.map_or(Faults::NONE, |list| list.0);
        without.iter().fold(only, Faults::without)
    }

    /// Whether the laws are checked, and all outcomes known: the seed's algorithm is asked for its
    /// losses only.
    pub(crate) fn is_judged(&self) -> bool {
        self.algorithm.is_judged()
    }

    /// What is simulated.
    pub(crate) fn simulated(&self) -> Simulated {
        self.algorithm
    }
}

impl Simulated {
    /// See [`SimArgs::is_judged`].
    pub(crate) fn is_judged(self) -> bool {
        self == Self::Oplogsync
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Oplogsync => "oplogsync",
            Self::Seed => "seed",
        }
    }
}

impl From<Simulated> for Algorithm {
    fn from(simulated: Simulated) -> Self {
        match simulated {
            Simulated::Oplogsync => Self::Oplogsync,
            Simulated::Seed => Self::Seed,
        }
    }
}

impl From<Algorithm> for Simulated {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Oplogsync => Self::Oplogsync,
            Algorithm::Seed => Self::Seed,
        }
    }
}
