//! [`FaultKind`]: what can go wrong, each switchable and counted.

use std::{fmt, str::FromStr};

macro_rules! fault_kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// A kind of fault. Each can be switched off, and each time one happens it is counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FaultKind {
            $($(#[$doc])* $kind,)*
        }

        impl FaultKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Its name on the command line and in reports.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

fault_kinds! {
    /// A process of ours dies between two of its polls, and starts again later.
    ProcessCrash = "process-crash",
    /// A node dies between two steps of what it does, and starts again later.
    NodeCrash = "node-crash",
    /// A node that dies loses writes that it had made visible and not synced yet.
    LostUnsynced = "lost-unsynced",
    /// A node that dies keeps a part of what one request wrote.
    TornBatch = "torn-batch",
    /// A request never arrives.
    RequestLost = "request-lost",
    /// A request is done and its reply is lost: the outcome is unknown.
    ReplyLost = "reply-lost",
    /// A request is done twice, the second time perhaps much later.
    Duplicate = "duplicate",
    /// A request overtakes an earlier one of the same process.
    Reorder = "reorder",
    /// A request or a reply takes far longer than usual, perhaps longer than its sender waits.
    Delay = "delay",
    /// Nothing passes between a process and a node for a while.
    Partition = "partition",
    /// Requests arrive and replies do not, or the other way round.
    OneWayPartition = "one-way-partition",
    /// A node takes a hundred times as long for a while.
    SlowNode = "slow-node",
    /// The wall clock of a process jumps, by seconds or by a year, forward or back.
    ClockJump = "clock-jump",
    /// The clock of a process runs fast or slow, by up to a tenth.
    ClockDrift = "clock-drift",
    /// A process stands still, for longer than its leases live, and then goes on.
    Pause = "pause",
    /// A second primary writes the same log.
    SecondWriter = "second-writer",
    /// A replicator finds that another one holds its target.
    RivalReplicator = "rival-replicator",
    /// The log is trimmed while a reader or a writer is at it.
    RetentionRace = "retention-race",
    /// A node has no space left for a while.
    FullDisk = "full-disk",
    /// A caller goes away in the middle of its write.
    AbandonedWrite = "abandoned-write",
}

impl FaultKind {
    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Not the name of a fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no fault")]
pub struct UnknownFault(String);

impl FromStr for FaultKind {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let found = Self::ALL.iter().find(|kind| kind.name() == text);
        found.copied().ok_or_else(|| UnknownFault(text.to_owned()))
    }
}

/// A set of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults(u32);

impl Faults {
    /// No faults.
    pub const NONE: Self = Self(0);

    /// All of them.
    pub fn all() -> Self {
        FaultKind::ALL.iter().copied().collect()
    }

    /// Whether `kind` is in it.
    pub fn contains(self, kind: FaultKind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// The same without `kind`.
    #[must_use]
    pub fn without(self, kind: FaultKind) -> Self {
        Self(self.0 & !kind.bit())
    }

    /// Those that are in it.
    pub fn iter(self) -> impl Iterator<Item = FaultKind> {
        FaultKind::ALL.iter().copied().filter(move |kind| self.contains(*kind))
    }
}

impl FromIterator<FaultKind> for Faults {
    fn from_iter<I: IntoIterator<Item = FaultKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |set, kind| set | kind.bit()))
    }
}

/// How often each fault happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts([u64; FaultKind::ALL.len()]);

impl Counts {
    /// How often `kind` happened.
    pub fn of(&self, kind: FaultKind) -> u64 {
        self.0.get(kind as usize).copied().unwrap_or(0)
    }

    /// One more.
    pub(super) fn count(&mut self, kind: FaultKind) {
        if let Some(count) = self.0.get_mut(kind as usize) {
            *count += 1;
        }
    }

    /// Those of another run as well.
    pub(super) fn add(&mut self, other: &Self) {
        for (sum, count) in self.0.iter_mut().zip(other.0) {
            *sum += count;
        }
    }
}
