//! Settling what the server refused: folding a batch, and writing it in any order, can put two
//! documents in conflict on a unique index that never were in log order.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use oplogsync_core::{doc_id::DocId, document::Document, namespace::Namespace};

use crate::{
    apply::Begun,
    bulk::{Action, Outcome, Refused},
    error::Failure,
    hold::Hold,
    node_document::Window,
    store::MongoStore,
};

/// A document of a batch.
type Key = (Namespace, DocId);

impl MongoStore {
    /// Tries again, in log order, what a unique index has refused, now that the rest of the batch is
    /// written. What is left in `outcome.refused` stays refused.
    pub(crate) async fn settle_refused(&self, begun: &Begun<'_>, outcome: &mut Outcome) -> Result<(), Failure> {
        let (conflicts, mut refused): (Vec<Refused>, Vec<Refused>) =
            std::mem::take(&mut outcome.refused).into_iter().partition(|refused| refused.error.is_duplicate());
        let mut conflicts = self.retry_in_rounds(&begun.hold, conflicts, outcome).await?;
        if conflicts.len() > 1 && outcome.drifted.is_empty() {
            // They stand in each other's way: a swap. Only their single steps can resolve it; a
            // repeat after a crash must know that documents may be at any of them.
            let window = Window { steps: true, ..begun.window.clone() };
            self.begin(begun.state, begun.batch, begun.hold.owner(), &window).await?;
            self.replay_steps(begun, &conflicts).await?;
            for conflict in &mut conflicts {
                conflict.action = if conflict.change.after.is_some() { Action::Put } else { Action::Clear };
            }
            conflicts = self.retry_in_rounds(&begun.hold, conflicts, outcome).await?;
        }
        refused.append(&mut conflicts);
        outcome.refused = refused;
        Ok(())
    }

    /// Tries the final changes one by one, as long as that helps at least one of them.
    async fn retry_in_rounds(
        &self,
        hold: &Hold<'_>,
        mut conflicts: Vec<Refused>,
        outcome: &mut Outcome,
    ) -> Result<Vec<Refused>, Failure> {
        loop {
            conflicts.sort_by_key(|conflict| conflict.change.index);
            let before = conflicts.len();
            let mut left = Vec::new();
            for conflict in conflicts {
                let mut one = self.run_jobs(hold, self.jobs([(conflict.change, conflict.action)], 1)?).await?;
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
    async fn replay_steps(&self, begun: &Begun<'_>, conflicts: &[Refused]) -> Result<(), Failure> {
        let concerned: HashSet<Key> =
            conflicts.iter().map(|conflict| (conflict.change.ns.clone(), conflict.change.id.clone())).collect();
        let mut images = self.images_now(&concerned).await?;
        for mut step in begun.batch.steps() {
            let key = (step.ns.clone(), step.id.clone());
            let is_taken = begun.next.get(&key).is_some_and(|next| step.index < *next);
            if !concerned.contains(&key) || is_taken {
                continue;
            }
            // One that does not fit was taken before: what the document becomes in the end is known all the same.
            if step.needs_current() && (step.resolve(images.get(&key)).is_err() || step.after.is_none()) {
                continue;
            }
            match &step.after {
                Some(image) => images.insert(key, image.clone()),
                None => images.remove(&key),
            };
            let action = if step.after.is_some() { Action::Put } else { Action::Clear };
            self.run_jobs(&begun.hold, self.jobs([(Arc::new(step), action)], 1)?).await?;
        }
        Ok(())
    }

    /// The documents as they are, which none of the writes so far has changed.
    async fn images_now(&self, concerned: &HashSet<Key>) -> Result<HashMap<Key, Document>, Failure> {
        let mut images = HashMap::new();
        for (ns, id) in concerned {
            let found = self.read_by_ids(ns, std::slice::from_ref(id)).await?.pop().flatten();
            images.extend(found.map(|image| ((ns.clone(), id.clone()), image)));
        }
        Ok(images)
    }
}
