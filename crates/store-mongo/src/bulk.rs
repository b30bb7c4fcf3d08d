//! [`Job`]: changes of one kind on one collection that go out as one unordered write command.

use std::pin::Pin;

use bson::{RawArrayBuf, RawDocumentBuf, raw::cstr, rawdoc};
use futures_util::{StreamExt, stream};
use mongodb::ClientSession;
use oplogsync_core::{batch::Change, doc_id::DocId, document::Document, store_error::Fault};

use crate::{
    command::{Verb, WriteError, WriteReply},
    error::Failure,
    hold::Hold,
    scope::Place,
    store::MongoStore,
};

/// Commands that are under way at once.
const LANES: usize = 4;
/// Changes in one command. A batch of the default size keeps two lanes busy.
const JOB_CHANGES_MAX: usize = 500;

/// What a job does with its documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// Deletes those that exist.
    Delete,
    /// Replaces those that exist.
    Replace,
    /// Replaces or inserts.
    Put,
    /// Inserts those that do not exist.
    Insert,
}

/// Changes that go out together.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) place: Place,
    pub(crate) action: Action,
    pub(crate) changes: Vec<&'a Change>,
}

/// What came of a job.
#[derive(Debug, Default)]
pub(crate) struct Outcome<'a> {
    /// Documents that are different now.
    pub(crate) changed: usize,
    /// Documents that already were as they should be.
    pub(crate) repeated: usize,
    /// Changes whose document was not there, or already was.
    pub(crate) drifted: Vec<&'a Change>,
    /// Changes that the server refuses.
    pub(crate) refused: Vec<Refused<'a>>,
}

/// A change that the server refuses, and what was tried.
#[derive(Debug)]
pub(crate) struct Refused<'a> {
    pub(crate) change: &'a Change,
    pub(crate) action: Action,
    pub(crate) error: WriteError,
}

/// A job on its way.
type Request<'s, 'a> = Pin<Box<dyn Future<Output = Result<Outcome<'a>, Failure>> + Send + 's>>;

impl Outcome<'_> {
    pub(crate) fn absorb(&mut self, other: Self) {
        self.changed += other.changed;
        self.repeated += other.repeated;
        self.drifted.extend(other.drifted);
        self.refused.extend(other.refused);
    }
}

/// The filter that matches exactly the document with this id, whatever the id is made of.
pub(crate) fn by_id(id: &DocId) -> RawDocumentBuf {
    let mut literally = RawDocumentBuf::new();
    literally.append(cstr!("$eq"), id.value());
    rawdoc! { "_id": literally }
}

/// One statement of an update or delete command.
fn statement(action: Action, change: &Change) -> RawDocumentBuf {
    let mut statement = rawdoc! { "q": by_id(&change.id) };
    match (action, &change.after) {
        (Action::Delete, _) | (_, None) => statement.append(cstr!("limit"), 1),
        (_, Some(after)) => {
            if has_dollar_field(after) {
                let literally = rawdoc! { "$replaceWith": { "$literal": after.as_raw().to_owned() } };
                statement.append(cstr!("u"), bson::RawArrayBuf::from_iter([literally]));
            } else {
                statement.append(cstr!("u"), after.as_raw());
            }
            statement.append(cstr!("upsert"), action == Action::Put);
        }
    }
    statement
}

/// Whether a field of the document itself starts with `$`: servers insert such a document, but do
/// not take it as a replacement.
fn has_dollar_field(document: &Document) -> bool {
    // Every element is well formed: a `Document` was checked.
    document.as_raw().iter_elements().flatten().any(|field| field.key().as_str().starts_with('$'))
}

impl MongoStore {
    /// Sorts changes into jobs: deletes first, inserts last, each small enough for one command.
    pub(crate) fn jobs<'a>(
        &self,
        changes: impl IntoIterator<Item = (&'a Change, Action)>,
    ) -> Result<Vec<Job<'a>>, Failure> {
        let mut sorted: Vec<(Action, &Change)> = changes.into_iter().map(|(change, action)| (action, change)).collect();
        sorted.sort_by(|(a, x), (b, y)| (a, &x.ns).cmp(&(b, &y.ns)));
        let mut jobs: Vec<Job<'_>> = Vec::new();
        let mut rest = sorted.as_slice();
        while let Some((action, first)) = rest.first() {
            let same = rest.iter().take_while(|(a, change)| a == action && change.ns == first.ns).count();
            let sizes = rest.iter().take(same.min(JOB_CHANGES_MAX)).map(|(_, change)| statement_bytes(*action, change));
            let (these, others) = rest.split_at(self.fitting(sizes));
            let changes = these.iter().map(|(_, change)| *change).collect();
            jobs.push(Job { place: self.place(&first.ns)?, action: *action, changes });
            rest = others;
        }
        Ok(jobs)
    }

    /// Runs jobs side by side; their changes must commute.
    pub(crate) async fn run_jobs<'a>(&self, hold: &Hold<'_>, jobs: Vec<Job<'a>>) -> Result<Outcome<'a>, Failure> {
        let mut requests: Vec<Request<'_, 'a>> = Vec::new();
        for job in jobs {
            requests.push(Box::pin(self.run_job(hold, job)));
        }
        let mut running = stream::iter(requests).buffer_unordered(LANES);
        let mut total = Outcome::default();
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

    async fn run_job<'a>(&self, hold: &Hold<'_>, job: Job<'a>) -> Result<Outcome<'a>, Failure> {
        self.still_holds(hold).await?;
        let reply = self.send(&job, None).await.map_err(|failure| too_large(failure, &job))?;
        let mut outcome = Outcome::default();
        for error in &reply.errors {
            let failure = Failure::from_write_error(error);
            let change = match job.changes.get(error.index) {
                // It is this document that the server does not take.
                Some(change) if failure.fault == Fault::Unexpected => *change,
                _ => return Err(failure),
            };
            if job.action == Action::Insert && error.is_duplicate_of("_id") {
                outcome.drifted.push(change);
            } else {
                outcome.refused.push(Refused { change, action: job.action, error: error.clone() });
            }
        }
        let untouched = job.changes.len().saturating_sub(reply.errors.len() + reply.count);
        match job.action {
            Action::Insert => outcome.changed = reply.count,
            Action::Put => {
                outcome.changed = reply.modified;
                outcome.repeated = reply.count.saturating_sub(reply.modified);
            }
            Action::Replace => {
                outcome.changed = reply.count;
                if untouched > 0 {
                    outcome.drifted = self.missing(&job).await?;
                }
            }
            Action::Delete => {
                outcome.changed = reply.count;
                outcome.repeated = untouched;
            }
        }
        Ok(outcome)
    }

    /// Sends a job's command.
    pub(crate) async fn send(&self, job: &Job<'_>, session: Option<&mut ClientSession>) -> Result<WriteReply, Failure> {
        let verb = match job.action {
            Action::Insert => Verb::Insert,
            Action::Replace | Action::Put => Verb::Update,
            Action::Delete => Verb::Delete,
        };
        let statements: RawArrayBuf = match job.action {
            Action::Insert => {
                job.changes.iter().filter_map(|change| change.after.as_ref()).map(Document::as_raw).collect()
            }
            _ => job.changes.iter().map(|change| statement(job.action, change)).collect(),
        };
        self.write(&job.place, verb, statements, false, session).await
    }

    /// The changes of a job whose documents do not exist.
    pub(crate) async fn missing<'a>(&self, job: &Job<'a>) -> Result<Vec<&'a Change>, Failure> {
        let ids: Vec<DocId> = job.changes.iter().map(|change| change.id.clone()).collect();
        let existing = self.existing(&job.place, &ids).await?;
        Ok(job.changes.iter().copied().filter(|change| !existing.contains(&change.id)).collect())
    }
}

/// A command is too large when the one change in it is: more than one go out only where they fit.
fn too_large(mut failure: Failure, job: &Job<'_>) -> Failure {
    if failure.is_too_large()
        && let [change] = job.changes.as_slice()
    {
        failure.fault = Fault::Rejected { ns: change.ns.clone(), id: change.id.clone(), index: change.index };
    }
    failure
}

/// About the size of a statement: enough to keep a command within its limit.
fn statement_bytes(action: Action, change: &Change) -> usize {
    const FRAME: usize = 64;
    let document = change.after.as_ref().map_or(0, |document| document.as_bytes().len());
    match action {
        Action::Insert => document,
        Action::Replace | Action::Put | Action::Delete => FRAME + document + by_id(&change.id).as_bytes().len(),
    }
}
