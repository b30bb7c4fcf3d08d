//! Applying a batch where data and checkpoint cannot be one write: data first, then the
//! checkpoint, with a durable note before both of what is about to be written.
//!
//! The note is journaled before the data goes out. A note that is merely written before could be
//! lost in a crash of the server of which the client, asleep at that moment, sees nothing.

use oplogsync_core::{
    apply::Existence,
    batch::{Batch, Change},
    doc_id::DocId,
    documents::Applied,
    ids::OwnerId,
    store_error::Fault,
};

use crate::{
    bulk::{Action, Outcome},
    error::Failure,
    hold::Hold,
    node_document::DocumentsState,
    plan::plan,
    store::MongoStore,
};

/// What the documents of a batch may be found as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// As the entries before the batch left them.
    First,
    /// So, or as the batch leaves them: it was begun before.
    Again,
    /// Anything: the documents were taken through their steps one by one.
    Steps,
}

impl MongoStore {
    pub(crate) async fn apply_batch(&self, batch: &Batch, owner: OwnerId) -> Result<Applied, Failure> {
        let changes = batch.fold().map_err(|contradiction| {
            let (ns, id) = (contradiction.ns.clone(), contradiction.id.clone());
            let (needs, index) = (contradiction.needs, contradiction.position.index);
            Failure::new(Fault::Drift { ns, id, needs, index }).because(contradiction)
        })?;
        // Nothing may be written when a part of the batch cannot be.
        for change in &changes {
            self.place(&change.ns)?;
        }
        let state = self.check_target(batch, owner).await?;
        let first_pass = state.unfinished().is_none();
        if first_pass && let Some(drifted) = self.drifted_already(&changes).await? {
            return Err(drift_failure(drifted));
        }
        if first_pass
            && self.is_transactional()
            && let Some(applied) = self.apply_in_transaction(&state, batch, &changes, owner).await?
        {
            return Ok(applied);
        }
        let hold = Hold::new(batch, owner);
        self.begin(&state, batch, owner, state.applying.is_some_and(|window| window.steps)).await?;
        self.apply_begun(&state, batch, &changes, &hold).await.map_err(Failure::after_a_write)
    }

    /// Applies a batch that is noted as begun. `state` is from before the note.
    async fn apply_begun(
        &self,
        state: &DocumentsState,
        batch: &Batch,
        changes: &[Change],
        hold: &Hold<'_>,
    ) -> Result<Applied, Failure> {
        let pass = match state.unfinished() {
            None => Pass::First,
            Some(window) if window.steps => Pass::Steps,
            Some(_) => Pass::Again,
        };
        let mut outcome = self.write_changes(hold, changes, pass).await?;
        if !outcome.refused.is_empty() {
            self.settle_refused(state, batch, hold, &mut outcome).await?;
        }
        if let Some(first) = outcome.drifted.iter().min_by_key(|change| change.index) {
            return Err(drift_failure(first));
        }
        if let Some(refused) = outcome.refused.into_iter().min_by_key(|refused| refused.change.index) {
            return Err(rejected(refused.change).because(refused.error));
        }
        self.finish(state, batch, hold.owner(), None).await?;
        Ok(Applied { changed: count(outcome.changed), repeated: count(outcome.repeated) })
    }

    async fn write_changes<'a>(
        &self,
        hold: &Hold<'_>,
        changes: &'a [Change],
        pass: Pass,
    ) -> Result<Outcome<'a>, Failure> {
        let mut outcome = self.run_jobs(hold, self.jobs(plan(changes, pass))?).await?;
        if pass == Pass::First {
            return Ok(outcome);
        }
        let there = std::mem::take(&mut outcome.drifted);
        let (repeated, drifted) = self.split_repeated(there).await?;
        outcome.repeated += repeated.len();
        match pass {
            Pass::Steps => {
                let jobs = self.jobs(drifted.into_iter().map(|change| (change, Action::Put)))?;
                outcome.absorb(self.run_jobs(hold, jobs).await?);
            }
            Pass::First | Pass::Again => outcome.drifted = drifted,
        }
        Ok(outcome)
    }

    /// Splits changes by whether their document is what they make of it already, byte for byte.
    async fn split_repeated<'a>(
        &self,
        changes: Vec<&'a Change>,
    ) -> Result<(Vec<&'a Change>, Vec<&'a Change>), Failure> {
        let (mut repeated, mut others) = (Vec::new(), Vec::new());
        for group in changes.chunk_by(|a, b| a.ns == b.ns) {
            let Some(first) = group.first() else { continue };
            let ids: Vec<DocId> = group.iter().map(|change| change.id.clone()).collect();
            let found = self.read_by_ids(&first.ns, &ids).await?;
            for (change, found) in group.iter().zip(found) {
                if found.is_some() && found == change.after { repeated.push(*change) } else { others.push(*change) }
            }
        }
        Ok((repeated, others))
    }

    /// What the writes could not tell without having written already: a delete whose document is
    /// not there, and a document that is there although the batch both inserts and deletes it. The
    /// oldest one.
    async fn drifted_already<'a>(&self, changes: &'a [Change]) -> Result<Option<&'a Change>, Failure> {
        let mut oldest: Option<&Change> = None;
        for group in changes.chunk_by(|a, b| a.ns == b.ns) {
            let gone: Vec<&Change> = group.iter().filter(|change| change.after.is_none()).collect();
            let Some(first) = gone.first() else { continue };
            let ids: Vec<DocId> = gone.iter().map(|change| change.id.clone()).collect();
            let existing = self.existing(&self.place(&first.ns)?, &ids).await?;
            let drifted = |change: &&Change| existing.contains(&change.id) != (change.before == Existence::Present);
            oldest = gone.into_iter().filter(drifted).chain(oldest).min_by_key(|change| change.index);
        }
        Ok(oldest)
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
