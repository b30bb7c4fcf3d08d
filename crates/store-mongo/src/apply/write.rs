//! Writing the changes of a batch, whose patches are resolved.

use std::sync::Arc;

use oplogsync_core::{apply::Existence, batch::Change, doc_id::DocId};

use super::{Begun, Pass};
use crate::{
    bulk::{Action, JOB_CHANGES, Outcome, job_size},
    error::Failure,
    plan::plan,
    store::MongoStore,
};

impl MongoStore {
    pub(super) async fn write_changes(&self, begun: &Begun<'_>, changes: &[Arc<Change>]) -> Result<Outcome, Failure> {
        let size = if begun.pass == Pass::First { job_size(changes.len()) } else { JOB_CHANGES };
        let mut outcome = self.run_jobs(&begun.hold, self.jobs(plan(changes, begun.pass), size)?).await?;
        if begun.pass == Pass::First {
            return Ok(outcome);
        }
        let there = std::mem::take(&mut outcome.drifted);
        let (repeated, drifted) = self.split_repeated(there).await?;
        outcome.repeated += repeated.len();
        match begun.pass {
            Pass::Steps => {
                let jobs = self.jobs(drifted.into_iter().map(|change| (change, Action::Put)), JOB_CHANGES)?;
                outcome.absorb(self.run_jobs(&begun.hold, jobs).await?);
            }
            Pass::First | Pass::Again => outcome.drifted = drifted,
        }
        Ok(outcome)
    }

    /// Splits changes by whether their document is what they make of it already, byte for byte.
    async fn split_repeated(&self, changes: Vec<Arc<Change>>) -> Result<(Vec<Arc<Change>>, Vec<Arc<Change>>), Failure> {
        let (mut repeated, mut others) = (Vec::new(), Vec::new());
        for group in changes.chunk_by(|a, b| a.ns == b.ns) {
            let Some(first) = group.first() else { continue };
            let ids: Vec<DocId> = group.iter().map(|change| change.id.clone()).collect();
            let found = self.read_by_ids(&first.ns, &ids).await?;
            for (change, found) in group.iter().zip(found) {
                let place = if found.is_some() && found == change.after { &mut repeated } else { &mut others };
                place.push(Arc::clone(change));
            }
        }
        Ok((repeated, others))
    }

    /// What the writes could not tell without having written already: a delete whose document is
    /// not there, and a document that is there although the batch both inserts and deletes it. The
    /// oldest one.
    pub(super) async fn drifted_already(&self, changes: &[Arc<Change>]) -> Result<Option<Arc<Change>>, Failure> {
        let mut oldest: Option<&Arc<Change>> = None;
        for group in changes.chunk_by(|a, b| a.ns == b.ns) {
            let is_told = |change: &&Arc<Change>| change.after.is_none() && change.before.is_some();
            let gone: Vec<&Arc<Change>> = group.iter().filter(is_told).collect();
            let Some(first) = gone.first() else { continue };
            let ids: Vec<DocId> = gone.iter().map(|change| change.id.clone()).collect();
            let existing = self.existing(&self.place(&first.ns)?, &ids).await?;
            let drifted = |change: &&Arc<Change>| {
                let found = if existing.contains(&change.id) { Existence::Present } else { Existence::Absent };
                change.drift(found).is_some()
            };
            oldest = gone.into_iter().filter(drifted).chain(oldest).min_by_key(|change| change.index);
        }
        Ok(oldest.cloned())
    }
}
