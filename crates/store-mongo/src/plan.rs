//! [`Plan`]: which write each change of a batch becomes.

use std::collections::HashSet;

use oplogsync_core::{
    apply::Existence,
    batch::{Batch, Change},
    doc_id::DocId,
    entry::{Kind, Operation},
    namespace::Namespace,
};

use crate::{apply::Pass, bulk::Action};

/// The writes of a batch. Those of each part commute.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Plan<'a> {
    pub(crate) first: Vec<(&'a Change, Action)>,
    /// Only when all of `first` is done.
    pub(crate) then: Vec<(&'a Change, Action)>,
}

/// Plans the writes of `changes`, the fold of `batch`.
pub(crate) fn plan<'a>(batch: &Batch, changes: &'a [Change], pass: Pass) -> Plan<'a> {
    let reborn = reborn(batch);
    let mut plan = Plan::default();
    for change in changes {
        match (change.before, &change.after) {
            (Existence::Absent, Some(_)) => plan.first.push((change, Action::Insert)),
            // A replacement keeps the type of the old id, of which the new one may be another.
            (Existence::Present, Some(_)) if reborn.contains(&(&change.ns, change.id.clone())) => {
                plan.first.push((change, Action::Delete));
                plan.then.push((change, Action::Insert));
            }
            (Existence::Present, Some(_)) if pass == Pass::Steps => plan.first.push((change, Action::Put)),
            (Existence::Present, Some(_)) => plan.first.push((change, Action::Replace)),
            (Existence::Present, None) => plan.first.push((change, Action::Delete)),
            (Existence::Absent, None) if pass == Pass::Steps => plan.first.push((change, Action::Delete)),
            (Existence::Absent, None) => {}
        }
    }
    plan
}

/// The documents that the batch inserts, at their first time or again.
fn reborn(batch: &Batch) -> HashSet<(&Namespace, DocId)> {
    let deletes = batch.entries().iter().any(|entry| entry.operation().kind() == Kind::Delete);
    let inserted = |entry: &'_ oplogsync_core::entry::Entry| matches!(entry.operation(), Operation::Insert { .. });
    let entries = batch.entries().iter().filter(|entry| deletes && inserted(entry));
    entries.filter_map(|entry| Some((entry.operation().namespace()?, entry.operation().doc_id()?))).collect()
}
