//! Deletes by ids that a collation may take for others.
//!
//! A collection's own collation decides which document a statement means by a text: with one that ignores case,
//! `a` is `A` too. Only the index with that collation finds it fast, so the statements keep to it. What they replace
//! or insert the server checks by the bytes of the id. What they delete is looked up before.

use bson::{RawBsonRef, rawdoc};
use oplogsync_core::doc_id::DocId;

use super::{Action, Job, Outcome};
use crate::{error::Failure, hold::Hold, store::MongoStore};

/// Whether a collation can have a say about an id.
pub(crate) fn is_text(id: &DocId) -> bool {
    matches!(id.value(), RawBsonRef::String(_) | RawBsonRef::Symbol(_) | RawBsonRef::Document(_))
}

impl MongoStore {
    /// Takes those jobs out that delete by ids which a collation may take for others.
    pub(super) async fn take_collated(&self, jobs: &mut Vec<Job>) -> Result<Vec<Job>, Failure> {
        let (mut collated, mut others) = (Vec::new(), Vec::new());
        for job in std::mem::take(jobs) {
            let kind = if self.deletes_collated(&job).await? { &mut collated } else { &mut others };
            kind.push(job);
        }
        *jobs = others;
        Ok(collated)
    }

    /// Deletes documents with exactly these ids.
    pub(super) async fn delete_exactly(&self, hold: &Hold<'_>, job: Job) -> Result<Outcome, Failure> {
        let all = job.changes.len();
        let job = self.only_existing(job).await?;
        let gone = all.saturating_sub(job.changes.len());
        let mut outcome = Outcome { repeated: gone, ..Outcome::default() };
        if !job.changes.is_empty() {
            outcome.absorb(self.run_job(hold, job).await?);
        }
        Ok(outcome)
    }

    /// Whether a job deletes by ids that a collation may take for others. Only for texts the collection is looked at.
    pub(crate) async fn deletes_collated(&self, job: &Job) -> Result<bool, Failure> {
        let is_by_text = matches!(job.action, Action::Delete | Action::Clear)
            && job.changes.iter().any(|change| is_text(&change.id));
        Ok(is_by_text && self.is_collated(&job.place).await?)
    }

    /// The changes of a job whose documents are there, by the bytes of their ids.
    pub(crate) async fn only_existing(&self, mut job: Job) -> Result<Job, Failure> {
        let ids: Vec<DocId> = job.changes.iter().map(|change| change.id.clone()).collect();
        // What an earlier try has written may not have come to a majority yet.
        let existing = self.existing_at(&job.place, &ids, &rawdoc! { "level": "local" }).await?;
        job.changes.retain(|change| existing.contains(&change.id));
        Ok(job)
    }
}
