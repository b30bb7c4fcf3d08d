//! What it means when a server refuses to open or to go on with a change stream.

use oplogsync_core::{clock::OpTime, feed::FeedError, store_error::Fault};

use super::source_id::standalone;
use crate::{
    error::{Access, Failure},
    store::MongoStore,
};

/// A server says with it that opening the stream anew helps.
const RESUMABLE: &str = "ResumableChangeStreamError";

/// What an error of the driver means for a change stream.
pub(crate) fn failure(error: &mongodb::error::Error) -> Failure {
    let mut failure = Failure::from_driver(error, Access::Read);
    let passes = failure.code.is_some_and(is_passing) || error.contains_label(RESUMABLE);
    if passes && failure.fault == Fault::Unexpected {
        failure.fault = Fault::Unavailable;
    }
    explained(failure)
}

/// What passes for a stream, beside what passes for all requests ("Resumable Error" in the drivers' specification of
/// change streams).
fn is_passing(code: i32) -> bool {
    // StaleEpoch, StaleShardVersion, RetryChangeStream, CursorKilled, StaleConfig.
    matches!(code, 150 | 63 | 234 | 237 | 13388)
}

/// Says what to do about the refusals that a person can do something about.
fn explained(failure: Failure) -> Failure {
    match failure.code {
        // Of a server on its own.
        Some(40573) => standalone(),
        // An unknown field, stage or option; options that a feature compatibility version forbids.
        Some(40415 | 40324 | 72 | 6_188_501) => failure.explained(Fault::Incompatible, TOO_OLD),
        // BSONObjectTooLarge.
        Some(10334) => failure.explained(
            Fault::Incompatible,
            "an event has more than 16 MiB: MongoDB 6.0.9 and newer split it; upgrade the server, or leave the \
             collection out by `[filter] exclude`, and sync the replica anew with `oplogsync resync NODE \
             --confirm NODE`",
        ),
        // Unauthorized.
        Some(13) => failure.needing("changeStream and find on what is followed"),
        _ => failure,
    }
}

/// What is to be said of a server without the events that are needed.
pub(super) const TOO_OLD: &str =
    "to follow a change stream needs MongoDB 6.0 or newer, with the feature compatibility version 6.0";

impl MongoStore {
    /// What a failure means to a feed that goes on from `since`.
    pub(crate) fn feed_error(&self, failure: Failure, since: OpTime) -> FeedError {
        let source_node = || self.node().to_owned();
        match failure.code {
            // ChangeStreamHistoryLost, CappedPositionLost.
            Some(286 | 136) => FeedError::HistoryLost { source_node: source_node(), since },
            // ChangeStreamFatalError: the event that the token names is not there.
            Some(280) => FeedError::Rewound {
                source_node: source_node(),
                what: format!("its history has no such event as the one that was followed last, of {since}"),
            },
            // Not hex, not a key string, no `_data`, not for this stream: of a server of another kind.
            Some(9 | 50811 | 40647 | 40649 | 260) => FeedError::OtherSource {
                source_node: source_node(),
                what: format!("it does not take the token of the one that was followed ({})", failure.words()),
            },
            _ => self.store_error("follow the change stream", failure).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_can_mend_is_told_with_the_way_out() {
        let words = |code| {
            let failure = explained(Failure::from_code(code, "Name", "what the server said", Access::Read));
            assert_eq!(failure.fault, Fault::Incompatible, "{code}");
            failure.words()
        };
        assert!(words(40573).contains("rs.initiate()"));
        assert!(words(40415).contains("6.0"));
        assert!(words(40415).contains("what the server said"));
        assert!(words(10334).contains("[filter] exclude"));
    }
}
