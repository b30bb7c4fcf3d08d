//! [`Job`]: changes of one kind on one collection that go out as one unordered write command.

mod collated;
mod statement;

use std::{pin::Pin, sync::Arc};

use futures_util::{StreamExt, stream};
use mongodb::ClientSession;
use oplogsync_core::{batch::Change, doc_id::DocId, store_error::Fault};

pub(crate) use self::{
    collated::is_text,
    statement::{by_id, has_empty_timestamp},
};
use crate::{
    command::{WriteError, WriteReply},
    error::Failure,
    hold::Hold,
    scope::Place,
    store::MongoStore,
};

/// Commands that are under way at once.
const LANES: usize = 4;
/// Changes in one command of what did not end the first time: it has perhaps met a slow server.
pub(crate) const JOB_CHANGES: usize = 500;
/// The most changes of a batch in one command otherwise: so many take tens of milliseconds, beside which a round trip and a sync are little.
pub(crate) const JOB_CHANGES_MAX: usize = 5000;
/// Fewer are not parted.
const JOB_CHANGES_MIN: usize = 1000;
/// The commands for the changes of a batch that are of one kind. Of two, one is worked on while the other is on its way; more are slower.
const JOBS: usize = 2;

/// How many of so many changes to put into one command.
pub(crate) fn job_size(changes: usize) -> usize {
    changes.div_ceil(JOBS).clamp(JOB_CHANGES_MIN, JOB_CHANGES_MAX)
}

/// What a job does with its documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// Deletes them: they exist.
    Delete,
    /// Deletes those that exist.
    Clear,
    /// Replaces those that exist.
    Replace,
    /// Replaces or inserts.
    Put,
    /// Inserts those that do not exist, and that a server would change if it were told to insert them.
    InsertAsIs,
    /// Inserts those that do not exist.
    Insert,
}

/// Changes that go out together. Those of a batch that is large are made bit by bit, so a job shares them.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) place: Place,
    pub(crate) action: Action,
    pub(crate) changes: Vec<Arc<Change>>,
    /// Whether the collection's validator is to be passed by: the source has taken the documents.
    pub(crate) bypass: bool,
}

/// What came of a job.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Documents that are different now.
    pub(crate) changed: usize,
    /// Documents that already were as they should be.
    pub(crate) repeated: usize,
    /// Changes whose document was not there, or already was.
    pub(crate) drifted: Vec<Arc<Change>>,
    /// Changes that the server refuses.
    pub(crate) refused: Vec<Refused>,
}

/// A change that the server refuses, and what was tried.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) change: Arc<Change>,
    pub(crate) action: Action,
    pub(crate) error: WriteError,
}

/// A job on its way.
type Request<'s> = Pin<Box<dyn Future<Output = Result<Outcome, Failure>> + Send + 's>>;

impl Outcome {
    pub(crate) fn absorb(&mut self, other: Self) {
        self.changed += other.changed;
        self.repeated += other.repeated;
        self.drifted.extend(other.drifted);
        self.refused.extend(other.refused);
    }
}

impl MongoStore {
    /// Sorts changes into jobs of at most so many: deletes first, inserts last, each small enough for one command.
    pub(crate) fn jobs(
        &self,
        changes: impl IntoIterator<Item = (Arc<Change>, Action)>,
        changes_max: usize,
    ) -> Result<Vec<Job>, Failure> {
        let planned = |(change, action): (Arc<Change>, Action)| (statement::exactly(action, &change), change);
        let mut sorted: Vec<(Action, Arc<Change>)> = changes.into_iter().map(planned).collect();
        sorted.sort_by(|(a, x), (b, y)| (a, &x.ns).cmp(&(b, &y.ns)));
        let mut jobs: Vec<Job> = Vec::new();
        let mut rest = sorted.as_slice();
        while let Some((action, first)) = rest.first() {
            let same = rest.iter().take_while(|(a, change)| a == action && change.ns == first.ns).count();
            let sizes = rest.iter().take(same.min(changes_max)).map(|(_, change)| statement::bytes(*action, change));
            let (these, others) = rest.split_at(self.fitting(sizes));
            let changes = these.iter().map(|(_, change)| Arc::clone(change)).collect();
            jobs.push(Job { place: self.place(&first.ns)?, action: *action, changes, bypass: false });
            rest = others;
        }
        Ok(jobs)
    }

    /// Runs jobs side by side; their changes must commute. Where a collation takes different ids for one, what is
    /// deleted makes room for what is inserted, so that goes first.
    pub(crate) async fn run_jobs(&self, hold: &Hold<'_>, mut jobs: Vec<Job>) -> Result<Outcome, Failure> {
        let mut total = Outcome::default();
        for job in self.take_collated(&mut jobs).await? {
            total.absorb(self.delete_exactly(hold, job).await?);
        }
        let mut requests: Vec<Request<'_>> = Vec::new();
        for job in jobs {
            requests.push(Box::pin(self.run_job(hold, job)));
        }
        let mut running = stream::iter(requests).buffer_unordered(LANES);
        let mut failed = None;
        // All are waited for: a request that is under way must not be left to itself.
        while let Some(result) = running.next().await {
            match result {
                Ok(outcome) => total.absorb(outcome),
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        failed.map_or(Ok(total), Err)
    }

    /// Runs a job; what a validator does not let pass is sent once more, past it.
    async fn run_job(&self, hold: &Hold<'_>, mut job: Job) -> Result<Outcome, Failure> {
        let mut outcome = self.try_job(hold, &job).await?;
        let (invalid, refused): (Vec<_>, Vec<_>) =
            std::mem::take(&mut outcome.refused).into_iter().partition(|refused| refused.error.is_invalid());
        outcome.refused = refused;
        if !invalid.is_empty() {
            job.bypass = true;
            job.changes = invalid.into_iter().map(|refused| refused.change).collect();
            outcome.absorb(self.try_job(hold, &job).await?);
        }
        Ok(outcome)
    }

    async fn try_job(&self, hold: &Hold<'_>, job: &Job) -> Result<Outcome, Failure> {
        self.still_holds(hold).await?;
        let reply = self.send(job, None).await.map_err(|failure| too_large(failure, job))?;
        let mut outcome = Outcome::default();
        for error in &reply.errors {
            let failure = Failure::from_write_error(error);
            let change = match job.changes.get(error.index) {
                // It is this document that the server does not take.
                Some(change) if failure.fault == Fault::Unexpected => Arc::clone(change),
                _ => return Err(failure),
            };
            if job.action.is_insert() && error.is_duplicate_of("_id") {
                outcome.drifted.push(change);
            } else {
                outcome.refused.push(Refused { change, action: job.action, error: error.clone() });
            }
        }
        let untouched = job.changes.len().saturating_sub(reply.errors.len() + reply.count);
        match job.action {
            Action::Insert | Action::InsertAsIs => outcome.changed = reply.count,
            Action::Put => {
                outcome.changed = reply.modified;
                outcome.repeated = reply.count.saturating_sub(reply.modified);
            }
            Action::Replace => {
                outcome.changed = reply.count;
                if untouched > 0 {
                    outcome.drifted = self.missing(job).await?;
                }
            }
            Action::Delete | Action::Clear => {
                outcome.changed = reply.count;
                outcome.repeated = untouched;
            }
        }
        Ok(outcome)
    }

    /// Sends a job's command.
    pub(crate) async fn send(&self, job: &Job, session: Option<&mut ClientSession>) -> Result<WriteReply, Failure> {
        self.run_write(&job.place, statement::command(job), session).await
    }

    /// The changes of a job whose documents do not exist.
    pub(crate) async fn missing(&self, job: &Job) -> Result<Vec<Arc<Change>>, Failure> {
        let ids: Vec<DocId> = job.changes.iter().map(|change| change.id.clone()).collect();
        let existing = self.existing(&job.place, &ids).await?;
        Ok(job.changes.iter().filter(|change| !existing.contains(&change.id)).cloned().collect())
    }
}

impl Action {
    pub(crate) fn is_insert(self) -> bool {
        matches!(self, Self::Insert | Self::InsertAsIs)
    }
}

/// A command is too large when the one change in it is: more than one go out only where they fit.
fn too_large(mut failure: Failure, job: &Job) -> Failure {
    if failure.is_too_large()
        && let [change] = job.changes.as_slice()
    {
        failure.fault = Fault::Rejected { ns: change.ns.clone(), id: change.id.clone(), index: change.index };
    }
    failure
}
