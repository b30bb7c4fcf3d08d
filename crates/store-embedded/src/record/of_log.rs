//! The records of a log.

use oplogsync_core::{
    checkpoint::{Checkpoint, Resume},
    clock::OpTime,
    hash::Hash,
    ids::LogId,
    log::LogEnds,
    position::{Anchor, Position},
};
use serde::{Deserialize, Serialize};

use super::{Record, Unreadable, of_documents::StoredResume};

#[derive(Serialize, Deserialize)]
pub(crate) struct StoredAnchor {
    term: u64,
    index: u64,
    seconds: u32,
    increment: u32,
    hash: [u8; 16],
}

pub(super) type StoredCheckpoint = ([u8; 16], StoredAnchor);

impl Record for Anchor {
    type Stored = StoredAnchor;

    fn to_stored(&self) -> StoredAnchor {
        let (seconds, increment) = self.optime.to_timestamp();
        let Position { term, index } = self.position;
        StoredAnchor { term, index, seconds, increment, hash: self.hash.to_bytes() }
    }

    fn from_stored(stored: StoredAnchor) -> Result<Self, Unreadable> {
        Ok(Self {
            position: Position { term: stored.term, index: stored.index },
            optime: OpTime::from_timestamp(stored.seconds, stored.increment),
            hash: Hash::from_bytes(stored.hash),
        })
    }
}

impl Record for LogEnds {
    type Stored = ([u8; 16], StoredAnchor, StoredAnchor);

    fn to_stored(&self) -> Self::Stored {
        (self.log.to_bytes(), self.floor.to_stored(), self.head.to_stored())
    }

    fn from_stored((log, floor, head): Self::Stored) -> Result<Self, Unreadable> {
        let (floor, head) = (Anchor::from_stored(floor)?, Anchor::from_stored(head)?);
        Ok(Self { log: LogId::from_bytes(log), floor, head })
    }
}

impl Record for Position {
    type Stored = (u64, u64);

    fn to_stored(&self) -> Self::Stored {
        (self.term, self.index)
    }

    fn from_stored((term, index): Self::Stored) -> Result<Self, Unreadable> {
        Ok(Self { term, index })
    }
}

/// The ends of a log that is a copy of another one, and where its feed goes on. It stands for the record of
/// the ends alone, which is that of a primary's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Captured {
    pub(crate) ends: LogEnds,
    pub(crate) resume: Resume,
}

impl Captured {
    /// Up to where entries were captured.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint { log: self.ends.log, anchor: self.ends.head }
    }
}

impl Record for Captured {
    type Stored = (<LogEnds as Record>::Stored, StoredResume);

    fn to_stored(&self) -> Self::Stored {
        (self.ends.to_stored(), self.resume.to_stored())
    }

    fn from_stored((ends, resume): Self::Stored) -> Result<Self, Unreadable> {
        Ok(Self { ends: LogEnds::from_stored(ends)?, resume: Resume::from_stored(resume)? })
    }
}
