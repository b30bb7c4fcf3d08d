//! [`Moment`] and [`Clock`]: when something was so at a source.

use serde::{Deserialize, Serialize};

use crate::{clock::OpTime, position::Anchor};

/// A moment in the life of a source, as its [`Clock`] counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

/// How the moments of a source count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Clock {
    /// By optime: the source has snapshots of any of its optimes.
    OpTime,
    /// By the index of its log: it has no snapshots.
    Index,
}

impl Moment {
    /// The moment of an optime.
    pub fn of_optime(optime: OpTime) -> Self {
        let (seconds, increment) = optime.to_timestamp();
        Self(u64::from(seconds) << 32 | u64::from(increment))
    }

    /// The moment at which a log had its entry `index`.
    pub fn of_index(index: u64) -> Self {
        Self(index)
    }

    /// The optime, where moments are optimes.
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of 64 bits")]
    pub fn to_optime(self) -> OpTime {
        OpTime::from_timestamp((self.0 >> 32) as u32, self.0 as u32)
    }

    /// The bits, which order as moments do.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// The moment of these bits.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl Clock {
    /// The moment at which what stands at an anchor had happened.
    pub fn moment(self, anchor: &Anchor) -> Moment {
        match self {
            Self::OpTime => Moment::of_optime(anchor.optime),
            Self::Index => Moment::of_index(anchor.position.index),
        }
    }
}
