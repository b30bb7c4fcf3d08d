//! [`Process`]: who is who in a simulation.

use std::fmt;

/// What runs on its own, and can be stopped on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Process {
    /// The wires; they never stop.
    Network,
    /// The server of a node.
    Server(Node),
    /// A program that writes to the log of the first node.
    Primary(usize),
    /// A program that brings a node in step.
    Replicator(usize),
    /// A program that trims the log.
    Retention,
}

/// A node, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Node(pub(super) usize);

impl Node {
    /// Where the log is.
    pub(super) const SOURCE: Self = Self(0);
    /// All nodes.
    pub(super) const ALL: [Self; 3] = [Self(0), Self(1), Self(2)];

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        ["db1", "db2", "db3"].get(self.0).copied().unwrap_or("db?")
    }
}

impl Process {
    /// How many there can be.
    pub(super) const COUNT: usize = 10;
    /// The programs of ours.
    pub(super) const PROGRAMS: [Self; 6] = [
        Self::Primary(0),
        Self::Primary(1),
        Self::Replicator(0),
        Self::Replicator(1),
        Self::Replicator(2),
        Self::Retention,
    ];

    /// A number of its own.
    pub(super) fn index(self) -> usize {
        match self {
            Self::Network => 0,
            Self::Server(Node(node)) => 1 + node,
            Self::Primary(number) => 4 + number,
            Self::Replicator(number) => 6 + number,
            Self::Retention => 9,
        }
    }

    /// The node that a replicator is for: the third one is a rival for the first one's.
    pub(super) fn target(number: usize) -> Node {
        if number == 1 { Node(2) } else { Node(1) }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network => f.write_str("network"),
            Self::Server(node) => f.write_str(node.name()),
            Self::Primary(number) => write!(f, "primary-{}", number + 1),
            Self::Replicator(2) => write!(f, "rival of {}", Self::target(2).name()),
            Self::Replicator(number) => write!(f, "replicator of {}", Self::target(*number).name()),
            Self::Retention => f.write_str("retention"),
        }
    }
}
