//! Applying a batch in one transaction: data and checkpoint become visible and durable as one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mongodb::{
    ClientSession,
    options::{Acknowledgment, ReadConcern, TransactionOptions, WriteConcern},
};
use oplogsync_core::{
    batch::{Batch, Change},
    documents::Applied,
    ids::OwnerId,
    store_error::Fault,
};

use crate::{
    apply::{Pass, Patched, count, drift_failure, rejected, resolve},
    bulk::{Action, JOB_CHANGES_MAX, Job},
    command::WriteError,
    error::{Access, Failure},
    node_document::DocumentsState,
    plan::plan,
    store::MongoStore,
};

/// How often a transaction is tried that loses against another one or meets a passing fault; more
/// patience is the caller's.
const TRIES_MAX: u32 = 3;
/// The pause before a transaction that lost against another one is tried again, and the first one before a
/// commit is asked for again.
const PAUSE: Duration = Duration::from_millis(10);

/// What one transaction is to do.
struct Work<'a> {
    state: &'a DocumentsState,
    batch: &'a Batch,
    changes: &'a [Arc<Change>],
    patched: &'a Patched,
    owner: OwnerId,
    /// Whether validators are to be passed by.
    bypass: bool,
}

/// How a try ended that did not fail.
enum Tried {
    /// So many documents are written.
    Done(usize),
    /// The batch cannot be applied in a transaction.
    Unsuitable,
    /// A validator has refused a document, and ended the transaction.
    Invalid,
    /// Some documents of this job did not exist; nothing was written.
    Missing(Job),
}

impl MongoStore {
    /// Applies a batch in a transaction; `None` when it has to be applied without one.
    pub(crate) async fn apply_in_transaction(
        &self,
        state: &DocumentsState,
        batch: &Batch,
        changes: &[Arc<Change>],
        patched: &Patched,
        owner: OwnerId,
    ) -> Result<Option<Applied>, Failure> {
        let work = Work { state, batch, changes, patched, owner, bypass: false };
        let mut session = self.take_session().await?;
        let applied = self.try_some_times(work, &mut session).await;
        self.keep_session(session).await;
        applied
    }

    async fn try_some_times(
        &self,
        mut work: Work<'_>,
        session: &mut ClientSession,
    ) -> Result<Option<Applied>, Failure> {
        let mut tries = 0;
        loop {
            tries += 1;
            let outcome = self.try_transaction(&work, session).await;
            if let Ok(Tried::Done(written)) = outcome {
                return Ok(Some(Applied { changed: count(written), repeated: 0 }));
            }
            self.abort(session).await;
            match outcome {
                Ok(Tried::Invalid) if !work.bypass => work.bypass = true,
                Ok(Tried::Done(_) | Tried::Unsuitable | Tried::Invalid) => return Ok(None),
                Ok(Tried::Missing(job)) => return Err(self.explain_missing(&job).await?),
                Err(mut failure) => {
                    // What was not committed did not happen, whichever reply was lost.
                    if !failure.commit_unknown && failure.fault == Fault::Unknown {
                        failure.fault = Fault::Unavailable;
                    }
                    let again = failure.transient && !failure.commit_unknown;
                    if again && tries >= TRIES_MAX && failure.is_write_conflict() {
                        // Without another writer this is a cache too small for the transaction.
                        return Ok(None);
                    }
                    if !again || tries >= TRIES_MAX {
                        return Err(failure);
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn try_transaction(&self, work: &Work<'_>, session: &mut ClientSession) -> Result<Tried, Failure> {
        let driver = |error| Failure::from_driver(&error, Access::Write);
        session.start_transaction().with_options(self.transaction_options()).await.map_err(driver)?;
        match self.finish(work.state, work.batch, work.owner, Some(session)).await {
            Err(failure) if is_unsuitable(failure.code) => return Ok(Tried::Unsuitable),
            moved => moved?,
        }
        let mut written = match self.write_in(work, work.changes, session).await? {
            Tried::Done(written) => written,
            other => return Ok(other),
        };
        let mut patched = work.patched.clone();
        while !patched.is_empty() {
            // Read in the transaction: whoever changes such a document meanwhile is found out.
            let bases = self.next_patched(&mut patched, Some(&mut *session)).await?;
            let resolved = bases.into_iter().map(|(change, base)| resolve(change, &base).map(Arc::new));
            match self.write_in(work, &resolved.collect::<Result<Vec<_>, _>>()?, session).await? {
                Tried::Done(more) => written += more,
                other => return Ok(other),
            }
        }
        match self.commit(session).await {
            Err(failure) if !failure.commit_unknown && is_unsuitable(failure.code) => return Ok(Tried::Unsuitable),
            committed => committed?,
        }
        Ok(Tried::Done(written))
    }

    /// Writes some changes in the transaction.
    async fn write_in(
        &self,
        work: &Work<'_>,
        changes: &[Arc<Change>],
        session: &mut ClientSession,
    ) -> Result<Tried, Failure> {
        let mut written = 0;
        // One command after the other, each within the time that a request has.
        for mut job in self.jobs(plan(changes, Pass::First), JOB_CHANGES_MAX)? {
            job.bypass = work.bypass;
            if job.action == Action::Clear && self.deletes_collated(&job).await? {
                job = self.only_existing(job).await?;
                if job.changes.is_empty() {
                    continue;
                }
            }
            let reply = match self.send(&job, Some(&mut *session)).await {
                Err(failure) if is_unsuitable(failure.code) => return Ok(Tried::Unsuitable),
                reply => reply?,
            };
            if let Some(error) = reply.errors.first() {
                return refused(&job, error);
            }
            if reply.count != job.changes.len() && job.action != Action::Clear {
                return Ok(Tried::Missing(job));
            }
            written += reply.count;
        }
        Ok(Tried::Done(written))
    }

    /// Commits, again and again within the deadline while the outcome is unknown, each time after twice the pause.
    async fn commit(&self, session: &mut ClientSession) -> Result<(), Failure> {
        let until = Instant::now() + self.inner.options.request_timeout;
        let mut pause = PAUSE;
        loop {
            let committing = async {
                session.commit_transaction().await.map_err(|error| Failure::from_driver(&error, Access::Write))
            };
            match self.within_deadline(Access::Write, committing).await {
                Ok(()) => return Ok(()),
                Err(failure) if failure.commit_unknown && Instant::now() < until => {
                    tokio::time::sleep(pause.min(until.saturating_duration_since(Instant::now()))).await;
                    pause *= 2;
                }
                Err(mut failure) => {
                    // Only where the server says so is it certain that nothing was committed.
                    if failure.commit_unknown || failure.code.is_none() {
                        failure.fault = Fault::Unknown;
                    }
                    failure.commit_unknown |= failure.fault == Fault::Unknown && !failure.transient;
                    return Err(failure);
                }
            }
        }
    }

    /// Gives the transaction up. The server does so too, so a failure to say it changes nothing.
    async fn abort(&self, session: &mut ClientSession) {
        let aborting = session.abort_transaction();
        drop(tokio::time::timeout(self.inner.options.request_timeout, aborting).await);
    }

    fn transaction_options(&self) -> TransactionOptions {
        let write = WriteConcern::builder().w(Acknowledgment::Majority).journal(self.inner.options.journal).build();
        TransactionOptions::builder()
            .read_concern(ReadConcern::snapshot())
            .write_concern(write)
            .max_commit_time(self.inner.options.request_timeout)
            .build()
    }

    /// Which document was not there. When all are by now, something wrote meanwhile: try again.
    async fn explain_missing(&self, job: &Job) -> Result<Failure, Failure> {
        let missing = self.missing(job).await?;
        Ok(match missing.into_iter().min_by_key(|change| change.index) {
            Some(change) => drift_failure(&change),
            None => Failure::said(Fault::Unavailable, "documents came back while the batch was applied"),
        })
    }
}

/// What it means in a transaction that a document was refused. The transaction is gone.
fn refused(job: &Job, error: &WriteError) -> Result<Tried, Failure> {
    let change = job.changes.get(error.index);
    match change {
        Some(change) if job.action.is_insert() && error.is_duplicate_of("_id") => Err(drift_failure(change)),
        // Another unique index: the order of the writes may be the reason.
        Some(_) if error.is_duplicate() => Ok(Tried::Unsuitable),
        Some(_) if error.is_invalid() && !job.bypass => Ok(Tried::Invalid),
        _ if is_unsuitable(Some(error.code)) => Ok(Tried::Unsuitable),
        _ => Err(match (change, Failure::from_write_error(error)) {
            (Some(change), failure) if failure.fault == Fault::Unexpected => rejected(change).because(error.clone()),
            (_, failure) => failure,
        }),
    }
}

/// Conditions that end a transaction, but not the same writes without one.
fn is_unsuitable(code: Option<i32>) -> bool {
    matches!(
        code,
        // IllegalOperation, OperationNotSupportedInTransaction, TransactionTooLarge (twice), object too large,
        // DollarPrefixedFieldName, DuplicateKey of the whole command.
        Some(20 | 263 | 257 | 388 | 10334 | 52 | 11000)
    )
}
