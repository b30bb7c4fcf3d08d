//! The arguments of `demo`.

use std::{path::PathBuf, time::Duration};

use clap::{Args as ClapArgs, ValueEnum};

use crate::config::duration;

#[derive(Debug, ClapArgs)]
pub(crate) struct DemoArgs {
    /// How long to write
    #[arg(long, value_parser = duration, default_value = "8s")]
    pub(crate) duration: Duration,
    /// A write every so often
    #[arg(long, value_parser = duration, default_value = "100ms")]
    pub(crate) write_every: Duration,
    /// A poll every so often
    #[arg(long, value_parser = duration, default_value = "500ms")]
    pub(crate) poll_every: Duration,
    /// The timing of the original demo: a `Val-###` every 7 s, polls every 5 s, until Ctrl-C
    #[arg(long, conflicts_with_all = ["duration", "write_every", "poll_every", "ops"])]
    pub(crate) classic: bool,
    /// What to write
    #[arg(long, value_enum, default_value_t = DemoOps::Mixed)]
    pub(crate) ops: DemoOps,
    /// How many replicas
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub(crate) replicas: u8,
    /// The seed of what is written
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Keep the nodes' folders in DIR, which must be empty or absent
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// Three real mongod servers on 27019, 27018 and 27017 instead, started and stopped by the demo
    #[arg(long, conflicts_with = "keep")]
    pub(crate) mongo: bool,
    /// With --mongo: any free ports
    #[arg(long, requires = "mongo")]
    pub(crate) free_ports: bool,
}

impl DemoArgs {
    /// The time from one write to the next.
    pub(crate) fn write_every(&self) -> Duration {
        if self.classic { Duration::from_secs(7) } else { self.write_every }
    }

    /// The time from one poll to the next.
    pub(crate) fn poll_every(&self) -> Duration {
        if self.classic { Duration::from_secs(5) } else { self.poll_every }
    }
}

/// What the demo writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DemoOps {
    Insert,
    Mixed,
}
