//! The plan of a batch: which write each of its changes becomes. They commute.

use oplogsync_core::{apply::Existence, batch::Change};

use crate::{apply::Pass, bulk::Action};

/// Plans the writes of `changes`, the fold of a batch.
///
/// A document that comes back under an equal id of another type is replaced like any other: a
/// server stores the new id as it is given.
pub(crate) fn plan(changes: &[Change], pass: Pass) -> Vec<(&Change, Action)> {
    let planned = |change| action(change, pass).map(|action| (change, action));
    changes.iter().filter_map(planned).collect()
}

fn action(change: &Change, pass: Pass) -> Option<Action> {
    match (change.before, &change.after) {
        (Existence::Absent, Some(_)) => Some(Action::Insert),
        (Existence::Present, Some(_)) if pass == Pass::Steps => Some(Action::Put),
        (Existence::Present, Some(_)) => Some(Action::Replace),
        (Existence::Present, None) => Some(Action::Delete),
        (Existence::Absent, None) => (pass == Pass::Steps).then_some(Action::Delete),
    }
}
