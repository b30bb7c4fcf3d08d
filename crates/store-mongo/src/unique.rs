//! Settling what the server refused: folding a batch, and writing it in any order, can put two
//! documents in conflict on a unique index that never were in log order.

use std::collections::HashMap;

use oplogsync_core::{
    apply::{Existence, Mode},
    batch::{Batch, Change},
    doc_id::DocId,
    entry::Operation,
    namespace::Namespace,
};

use crate::{
    bulk::{Action, Outcome, action},
    command::WriteError,
    error::Failure,
    store::MongoStore,
};

type Refused<'a> = (&'a Change, WriteError);

impl MongoStore {
    /// Tries again, in log order, what a unique index has refused, now that the rest of the batch is
    /// written. What is left in `outcome.refused` stays refused.
    pub(crate) async fn settle_refused<'a>(
        &self,
        batch: &Batch,
        mode: Mode,
        outcome: &mut Outcome<'a>,
    ) -> Result<(), Failure> {
        let (conflicts, mut refused): (Vec<Refused<'a>>, Vec<Refused<'a>>) =
            std::mem::take(&mut outcome.refused).into_iter().partition(|(_, error)| error.is_duplicate());
        let mut conflicts = self.retry_in_rounds(conflicts, mode, outcome).await?;
        if !conflicts.is_empty() {
            // The documents stand in each other's way: a swap. Only their single steps can resolve it.
            self.replay_steps(batch, &conflicts).await?;
            conflicts = self.retry_in_rounds(conflicts, Mode::Replay, outcome).await?;
        }
        refused.append(&mut conflicts);
        outcome.refused = refused;
        Ok(())
    }

    /// Tries the final changes one by one, as long as that helps at least one of them.
    async fn retry_in_rounds<'a>(
        &self,
        mut conflicts: Vec<Refused<'a>>,
        mode: Mode,
        outcome: &mut Outcome<'a>,
    ) -> Result<Vec<Refused<'a>>, Failure> {
        conflicts.sort_by_key(|(change, _)| change.index);
        loop {
            let before = conflicts.len();
            let mut left = Vec::new();
            for (change, _) in conflicts {
                let Some(action) = action(change, mode) else { continue };
                // In a replay the document may be there already, from an earlier step.
                let action = if mode == Mode::Replay && action == Action::Insert { Action::Put } else { action };
                let one = self.run_jobs(self.jobs([(change, action)])?).await?;
                outcome.changed += one.changed;
                outcome.repeated += one.repeated;
                outcome.drifted.extend(one.drifted);
                left.extend(one.refused);
            }
            if left.is_empty() || left.len() == before {
                return Ok(left);
            }
            conflicts = left;
        }
    }

    /// Takes the documents through each of their entries, in log order. A step that is refused
    /// is left out: its place may be taken by what another document became later.
    async fn replay_steps(&self, batch: &Batch, conflicts: &[Refused<'_>]) -> Result<(), Failure> {
        let concerned: HashMap<(&Namespace, &DocId), ()> =
            conflicts.iter().map(|(change, _)| ((&change.ns, &change.id), ())).collect();
        for entry in batch.entries() {
            let operation = entry.operation();
            let (Some(ns), Some(id)) = (operation.namespace(), operation.doc_id()) else { continue };
            if !concerned.contains_key(&(ns, &id)) {
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
            self.run_jobs(self.jobs([(&step, action)])?).await?;
        }
        Ok(())
    }
}
