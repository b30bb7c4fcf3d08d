//! [`Injected`]: what a server answers, and what that means.

use bson::{Document, doc};
use oplogsync_core::store_error::Fault;

use super::call::{Call, Kind};

/// How the server fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Injected {
    /// It refuses with this code.
    Code(i32),
    /// It has done it, but not as durably as it should.
    WriteConcern(i32),
    /// It closes the connection.
    Close,
    /// It does not answer before the deadline.
    Block,
}

/// What passes: hosts that are not reached, elections, shutdowns, time limits, conflicts, cursors that are gone.
const PASSING: [i32; 14] = [6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436, 43, 50];
const CONFLICT: i32 = 112;
const DENIED: [i32; 3] = [13, 18, 8000];
const FULL: i32 = 14031;
/// History lost, a duplicate key of a whole command: nothing that one of our commands is told.
const HISTORY_LOST: i32 = 286;
const DUPLICATE: i32 = 11000;

impl Injected {
    /// All that a command of this kind may meet with. Deadlines take their time: not every call waits for one.
    pub(super) fn all_for(call: Call, kind: Kind) -> Vec<Self> {
        let codes = PASSING.into_iter().chain(DENIED).chain([CONFLICT, FULL, HISTORY_LOST, DUPLICATE]);
        let mut all: Vec<_> = codes.map(Self::Code).chain([Self::Close]).collect();
        if kind == Kind::Commit {
            // A server that says so has ended the transaction: one that has not is beyond what happens.
            all.retain(|injected| !matches!(injected, Self::Code(CONFLICT | DUPLICATE)));
        }
        if matches!(call, Call::Append | Call::Apply | Call::Read | Call::Get) {
            all.push(Self::Block);
        }
        if matches!(kind, Kind::Write | Kind::NoWrite | Kind::Commit) {
            all.push(Self::WriteConcern(64));
        }
        all
    }

    /// What it is, for people.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Code(code) if PASSING.contains(&code) => "14 codes that pass",
            Self::Code(CONFLICT) => "112 WriteConflict",
            Self::Code(FULL) => "14031 OutOfDiskSpace",
            Self::Code(code) if DENIED.contains(&code) => "13, 18, 8000 denied",
            Self::Code(_) => "286, 11000 unexpected",
            Self::WriteConcern(_) => "64 as write concern error",
            Self::Close => "connection closed",
            Self::Block => "no answer in time",
        }
    }

    /// The part of the failpoint's data that says so.
    pub(super) fn data(self, block_ms: i32) -> Document {
        match self {
            Self::Code(code) => doc! { "errorCode": code },
            Self::WriteConcern(code) => doc! { "writeConcernError": { "code": code, "errmsg": "not yet durable" } },
            Self::Close => doc! { "closeConnection": true },
            Self::Block => doc! { "blockConnection": true, "blockTimeMS": block_ms },
        }
    }

    /// What the caller is told.
    pub(super) fn expected(self, kind: Kind) -> Fault {
        let passing = match kind {
            Kind::Read | Kind::NoWrite | Kind::InTransaction | Kind::ReadInTransaction => Fault::Unavailable,
            Kind::Write | Kind::ReadAfterWrite | Kind::Commit => Fault::Unknown,
        };
        match (self, kind) {
            // What a transaction cannot do is tried without one, and meets it again.
            (Self::Code(CONFLICT), Kind::InTransaction) => Fault::Unknown,
            (Self::Code(code), _) if PASSING.contains(&code) || code == CONFLICT => passing,
            (Self::Code(code), _) if DENIED.contains(&code) => Fault::Denied,
            (Self::Code(FULL), _) => Fault::Full,
            (Self::Code(_), _) => Fault::Unexpected,
            (Self::WriteConcern(_) | Self::Close | Self::Block, _) => passing,
        }
    }
}
