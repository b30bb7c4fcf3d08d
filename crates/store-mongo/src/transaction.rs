//! Applying a batch in one transaction: data and checkpoint become visible and durable as one.

use std::time::{Duration, Instant};

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
    apply::{Pass, count, drift_failure, rejected},
    bulk::{Action, Job},
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

/// How a try ended that did not fail.
enum Tried<'a> {
    Done(Applied),
    /// The batch cannot be applied in a transaction.
    Unsuitable,
    /// Some documents of this job did not exist; nothing was written.
    Missing(Job<'a>),
}

impl MongoStore {
    /// Applies a batch in a transaction; `None` when it has to be applied without one.
    pub(crate) async fn apply_in_transaction(
        &self,
        state: &DocumentsState,
        batch: &Batch,
        changes: &[Change],
        owner: OwnerId,
    ) -> Result<Option<Applied>, Failure> {
        let mut tries = 0;
        loop {
            tries += 1;
            let started = self.client().start_session().await;
            let mut session = started.map_err(|error| Failure::from_driver(&error, Access::Read))?;
            match self.try_transaction(state, batch, changes, owner, &mut session).await {
                Ok(Tried::Done(applied)) => return Ok(Some(applied)),
                Ok(Tried::Unsuitable) => {
                    self.abort(&mut session).await;
                    return Ok(None);
                }
                Ok(Tried::Missing(job)) => {
                    self.abort(&mut session).await;
                    return Err(self.explain_missing(&job).await?);
                }
                Err(mut failure) => {
                    self.abort(&mut session).await;
                    // What was not committed did not happen, whichever reply was lost.
                    if !failure.commit_unknown && failure.fault == Fault::Unknown {
                        failure.fault = Fault::Unavailable;
                    }
                    let again = failure.transient && !failure.commit_unknown;
                    if again && tries == TRIES_MAX && failure.is_write_conflict() {
                        // Without another writer this is a cache too small for the transaction.
                        return Ok(None);
                    }
                    if !again || tries == TRIES_MAX {
                        return Err(failure);
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn try_transaction<'a>(
        &self,
        state: &DocumentsState,
        batch: &Batch,
        changes: &'a [Change],
        owner: OwnerId,
        session: &mut ClientSession,
    ) -> Result<Tried<'a>, Failure> {
        let driver = |error| Failure::from_driver(&error, Access::Write);
        session.start_transaction().with_options(self.transaction_options()).await.map_err(driver)?;
        match self.finish(state, batch, owner, Some(session)).await {
            Err(failure) if is_unsuitable(failure.code) => return Ok(Tried::Unsuitable),
            moved => moved?,
        }
        let mut written = 0;
        for job in self.jobs(plan(changes, Pass::First))? {
            let reply = match self.send(&job, Some(session)).await {
                Err(failure) if is_unsuitable(failure.code) => return Ok(Tried::Unsuitable),
                reply => reply?,
            };
            if let Some(error) = reply.errors.first() {
                return refused(&job, error);
            }
            if reply.count != job.changes.len() {
                return Ok(Tried::Missing(job));
            }
            written += reply.count;
        }
        match self.commit(session).await {
            Err(failure) if !failure.commit_unknown && is_unsuitable(failure.code) => return Ok(Tried::Unsuitable),
            committed => committed?,
        }
        Ok(Tried::Done(Applied { changed: count(written), repeated: 0 }))
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
    async fn explain_missing(&self, job: &Job<'_>) -> Result<Failure, Failure> {
        let missing = self.missing(job).await?;
        Ok(match missing.into_iter().min_by_key(|change| change.index) {
            Some(change) => drift_failure(change),
            None => Failure::said(Fault::Unavailable, "documents came back while the batch was applied"),
        })
    }
}

/// What it means in a transaction that a document was refused. The transaction is gone.
fn refused<'a>(job: &Job<'a>, error: &WriteError) -> Result<Tried<'a>, Failure> {
    let change = job.changes.get(error.index);
    match change {
        Some(change) if job.action == Action::Insert && error.is_duplicate_of("_id") => Err(drift_failure(change)),
        // Another unique index: the order of the writes may be the reason.
        Some(_) if error.is_duplicate() => Ok(Tried::Unsuitable),
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
