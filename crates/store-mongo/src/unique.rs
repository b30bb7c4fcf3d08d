//! Settling what the server refused: folding a batch, and writing it in any order, can put two
//! documents in conflict on a unique index that never were in log order.

use std::collections::HashSet;

use oplogsync_core::{
    apply::Existence,
    batch::{Batch, Change},
    doc_id::DocId,
    entry::Operation,
    namespace::Namespace,
};

use crate::{
    bulk::{Action, Outcome, Refused},
    error::Failure,
    hold::Hold,
    node_document::DocumentsState,
    store::MongoStore,
};

impl MongoStore {
    /// Tries again, in log order, what a unique index has refused, now that the rest of the batch is
    /// written. What is left in `outcome.refused` stays refused.
    pub(crate) async fn settle_refused<'a>(
        &self,
        state: &DocumentsState,
        batch: &Batch,
        hold: &Hold<'_>,
        outcome: &mut Outcome<'a>,
    ) -> Result<(), Failure> {
        let (conflicts, mut refused): (Vec<Refused<'a>>, Vec<Refused<'a>>) =
            std::mem::take(&mut outcome.refused).into_iter().partition(|refused| refused.error.is_duplicate());
        let mut conflicts = self.retry_in_rounds(hold, conflicts, outcome).await?;
        if conflicts.len() > 1 && outcome.drifted.is_empty() {
            // They stand in each other's way: a swap. Only their single steps can resolve it; a
            // repeat after a crash must know that documents may be at any of them.
            self.begin(state, batch, hold.owner(), true).await?;
            self.replay_steps(hold, batch, &conflicts).await?;
            for conflict in &mut conflicts {
                conflict.action = if conflict.change.after.is_some() { Action::Put } else { Action::Delete };
            }
            conflicts = self.retry_in_rounds(hold, conflicts, outcome).await?;
        }
        refused.append(&mut conflicts);
        outcome.refused = refused;
        Ok(())
    }

    /// Tries the final changes one by one, as long as that helps at least one of them.
    async fn retry_in_rounds<'a>(
        &self,
        hold: &Hold<'_>,
        mut conflicts: Vec<Refused<'a>>,
        outcome: &mut Outcome<'a>,
    ) -> Result<Vec<Refused<'a>>, Failure> {
        loop {
            conflicts.sort_by_key(|conflict| conflict.change.index);
            let before = conflicts.len();
            let mut left = Vec::new();
            for conflict in conflicts {
                let mut one = self.run_jobs(hold, self.jobs([(conflict.change, conflict.action)])?).await?;
                left.append(&mut one.refused);
                outcome.absorb(one);
            }
            if left.is_empty() || left.len() == before {
                return Ok(left);
            }
            conflicts = left;
        }
    }

    /// Takes the documents through each of their entries, in log order. A step that is refused
    /// is left out: its place may be taken by what another document became later.
    async fn replay_steps(&self, hold: &Hold<'_>, batch: &Batch, conflicts: &[Refused<'_>]) -> Result<(), Failure> {
        let concerned: HashSet<(&Namespace, &DocId)> =
            conflicts.iter().map(|conflict| (&conflict.change.ns, &conflict.change.id)).collect();
        for entry in batch.entries() {
            let operation = entry.operation();
            let (Some(ns), Some(id)) = (operation.namespace(), operation.doc_id()) else { continue };
            if !concerned.contains(&(ns, &id)) {
                continue;
            }
            let (after, action) = match operation {
                Operation::Insert { document, .. } | Operation::Update { document, .. } => {
                    (Some(document.clone()), Action::Put)
                }
                _ => (None, Action::Delete),
            };
            let ns = ns.clone();
            let step = Change { ns, id, before: Existence::before(operation), after, index: entry.position().index };
            self.run_jobs(hold, self.jobs([(&step, action)])?).await?;
        }
        Ok(())
    }
}
