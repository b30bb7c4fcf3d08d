//! The plan of a batch: which write each of its changes becomes. They commute.

use std::sync::Arc;

use oplogsync_core::{apply::Existence, batch::Change};

use crate::{apply::Pass, bulk::Action};

/// Plans the writes of changes whose patches are resolved.
///
/// A document that comes back under an equal id of another type is replaced like any other: a
/// server stores the new id as it is given.
pub(crate) fn plan(changes: &[Arc<Change>], pass: Pass) -> Vec<(Arc<Change>, Action)> {
    let planned = |change: &Arc<Change>| action(change, pass).map(|action| (Arc::clone(change), action));
    changes.iter().filter_map(planned).collect()
}

fn action(change: &Change, pass: Pass) -> Option<Action> {
    match (change.before, &change.after) {
        (Some(Existence::Absent), Some(_)) => Some(Action::Insert),
        (Some(Existence::Present), Some(_)) if pass == Pass::Steps => Some(Action::Put),
        (Some(Existence::Present), Some(_)) => Some(Action::Replace),
        // Replayed: it may be there or not.
        (None, Some(_)) => Some(Action::Put),
        (None, None) => Some(Action::Clear),
        (Some(Existence::Present), None) => Some(Action::Delete),
        (Some(Existence::Absent), None) => (pass == Pass::Steps).then_some(Action::Clear),
    }
}
