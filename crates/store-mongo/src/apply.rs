//! Applying a batch where data and checkpoint cannot be one write: data first, then the
//! checkpoint, with a durable note before both of what is about to be written.
//!
//! The note is journaled before the data goes out. A note that is merely written before could be
//! lost in a crash of the server of which the client, asleep at that moment, sees nothing.

use std::collections::HashSet;

use oplogsync_core::{
    apply::{Existence, Mode},
    batch::{Batch, Change},
    doc_id::DocId,
    documents::Applied,
    ids::OwnerId,
    namespace::Namespace,
    store_error::Fault,
};

use crate::{
    bulk::{Action, Outcome, action},
    error::Failure,
    node_document::Drifted,
    store::MongoStore,
    target::Step,
};

/// How much of a drift is remembered, so that the note stays a small document.
const DRIFT_REMEMBERED_MAX: usize = 1000;
const DRIFT_REMEMBERED_BYTES_MAX: usize = 4 * 1024 * 1024;

impl MongoStore {
    pub(crate) async fn apply_batch(&self, batch: &Batch, owner: OwnerId) -> Result<Applied, Failure> {
        let changes = batch.fold().map_err(|error| Failure::new(Fault::Corrupt).because(error))?;
        // Nothing may be written when a part of the batch cannot be.
        for change in &changes {
            self.place(&change.ns)?;
        }
        if self.is_transactional()
            && let Some(applied) = self.apply_in_transaction(batch, &changes, owner).await?
        {
            return Ok(applied);
        }
        let before = self.advance(Step::Begin, batch, owner, None).await?;
        let applied = self.apply_noted(batch, &changes, owner, before.applying_through, &before.drift).await;
        applied.map_err(Failure::after_a_write)
    }

    /// Applies a batch that is noted in the node document, which said before that entries up to
    /// `through` may have been written already, and `drift` was found.
    async fn apply_noted(
        &self,
        batch: &Batch,
        changes: &[Change],
        owner: OwnerId,
        through: u64,
        drift: &[Drifted],
    ) -> Result<Applied, Failure> {
        self.check_mended(drift).await?;
        // Which of its entries a batch has written before is not known of each, so if any may have
        // been, all are applied as a replay.
        let mode = if batch.after().next_index() <= through { Mode::Replay } else { Mode::Steady };
        let outcome = self.write_changes(batch, changes, mode).await?;
        if let Some(first) = outcome.drifted.iter().min_by_key(|change| change.index) {
            let failure = drift_failure(first);
            self.remember_drift(owner, &remembered(&outcome.drifted)).await?;
            return Err(failure);
        }
        if let Some((change, error)) = outcome.refused.into_iter().min_by_key(|(change, _)| change.index) {
            return Err(rejected(change).because(error));
        }
        self.advance(Step::Finish, batch, owner, None).await?;
        Ok(Applied { changed: count(outcome.changed), repeated: count(outcome.repeated) })
    }

    /// What an earlier apply found otherwise than the log says must be as the log says by now:
    /// the repeat, which is a replay, would write over it without a word.
    async fn check_mended(&self, drift: &[Drifted]) -> Result<(), Failure> {
        for drifted in drift {
            let place = self.place(&drifted.ns)?;
            let exists = self.existing(&place, std::slice::from_ref(&drifted.id)).await?.contains(&drifted.id);
            if exists != (drifted.needs == Existence::Present) {
                let Drifted { ns, id, needs, index } = drifted.clone();
                return Err(Failure::new(Fault::Drift { ns, id, needs, index }));
            }
        }
        Ok(())
    }

    async fn write_changes<'a>(
        &self,
        batch: &'a Batch,
        changes: &'a [Change],
        mode: Mode,
    ) -> Result<Outcome<'a>, Failure> {
        let lost = if mode == Mode::Steady { self.drifted_already(changes).await? } else { Vec::new() };
        let lost_keys: HashSet<(&Namespace, &DocId)> = lost.iter().map(|change| (&change.ns, &change.id)).collect();
        let planned = changes
            .iter()
            .filter(|change| !lost_keys.contains(&(&change.ns, &change.id)))
            .filter_map(|change| action(change, mode).map(|action| (change, action)));
        let mut outcome = self.run_jobs(self.jobs(planned)?).await?;
        if mode == Mode::Replay && !outcome.drifted.is_empty() {
            // Inserted already: by the run that was cut off, or with an update in between.
            let again = std::mem::take(&mut outcome.drifted);
            let jobs = self.jobs(again.into_iter().map(|change| (change, Action::Put)))?;
            let replaced = self.run_jobs(jobs).await?;
            outcome.changed += replaced.changed;
            outcome.repeated += replaced.repeated;
            outcome.refused.extend(replaced.refused);
        }
        outcome.drifted.extend(lost);
        self.settle_refused(batch, mode, &mut outcome).await?;
        Ok(outcome)
    }

    /// What a write could not tell: deletes whose document is not there, and documents that are
    /// there although the batch both inserts and deletes them.
    pub(crate) async fn drifted_already<'a>(&self, changes: &'a [Change]) -> Result<Vec<&'a Change>, Failure> {
        let mut drifted = Vec::new();
        for group in changes.chunk_by(|a, b| a.ns == b.ns) {
            let gone: Vec<&Change> = group.iter().filter(|change| change.after.is_none()).collect();
            let (Some(first), ids) = (gone.first(), gone.iter().map(|change| change.id.clone()).collect::<Vec<_>>())
            else {
                continue;
            };
            let existing = self.existing(&self.place(&first.ns)?, &ids).await?;
            drifted.extend(
                gone.into_iter()
                    .filter(|change| existing.contains(&change.id) != (change.before == Existence::Present)),
            );
        }
        Ok(drifted)
    }
}

pub(crate) fn count(documents: usize) -> u64 {
    u64::try_from(documents).unwrap_or(u64::MAX)
}

/// The failure that a document is not as the log left it.
pub(crate) fn drift_failure(change: &Change) -> Failure {
    let (ns, id) = (change.ns.clone(), change.id.clone());
    Failure::new(Fault::Drift { ns, id, needs: change.before, index: change.index })
}

/// The failure that the server refuses a document.
pub(crate) fn rejected(change: &Change) -> Failure {
    Failure::new(Fault::Rejected { ns: change.ns.clone(), id: change.id.clone(), index: change.index })
}

/// As much of a drift as is remembered, oldest entries first.
fn remembered(drifted: &[&Change]) -> Vec<Drifted> {
    let mut oldest: Vec<&&Change> = drifted.iter().collect();
    oldest.sort_by_key(|change| change.index);
    let mut bytes = 0;
    oldest
        .into_iter()
        .take(DRIFT_REMEMBERED_MAX)
        .take_while(|change| {
            bytes += change.id.key().len();
            bytes <= DRIFT_REMEMBERED_BYTES_MAX
        })
        .map(|change| {
            let (ns, id) = (change.ns.clone(), change.id.clone());
            Drifted { ns, id, needs: change.before, index: change.index }
        })
        .collect()
}
