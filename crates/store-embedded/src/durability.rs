//! [`Durability`]: what an acknowledged write survives.

use std::time::Duration;

/// How a store is opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// What an acknowledged write survives.
    pub durability: Durability,
}

/// What an acknowledged write survives. At every level a batch is whole or absent after a crash,
/// and what is lost is the newest: data and checkpoint go back together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// A kill of the process and a loss of power: it is on the disk before it is acknowledged, and
    /// before a reader of the log sees it. Concurrent writers share one `fsync`.
    #[default]
    Fsync,
    /// What is older than this interval survives both; a kill loses at most what was
    /// written within the last interval. A primary that loses entries which a replica has applied
    /// makes that replica stop with *the source went back in time*.
    Interval(Duration),
    /// It survives an orderly end only. For tests, and for data that can be made again.
    None,
}

impl Durability {
    /// Whether a write waits until it is on the disk.
    pub(crate) fn waits(self) -> bool {
        self == Self::Fsync
    }
}
