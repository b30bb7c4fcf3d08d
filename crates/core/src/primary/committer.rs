//! [`Committer`]: appends the writes that wait as one group, and applies them.

use std::{collections::VecDeque, future::Future, sync::Arc};

use super::{
    Desk, Job, PrimaryError, Task, WriteError,
    command::{Refusal, try_command},
    current::{find_repeated, read_current, trimmed_up_to},
    group::{Group, Planned},
    seat::Seat,
};
use crate::{
    batch::Batch,
    host::Host,
    initial_sync::SyncTarget,
    log::{Appended, Log},
    planted::{Bug, is_planted},
    replicator::ReplicateError,
    retry::{Decision, backoff, decide_store},
    store_error::StoreError,
    write::Written,
};

/// How often a request that fails in passing is made before the callers are told.
const TRIES: u32 = 5;

/// Commits for all callers, one group after the other. Everything that a group needs is kept
/// here across awaits, so that the next caller finishes it when this one goes away in the middle.
#[derive(Debug)]
pub(super) struct Committer<S> {
    seat: Option<Seat<S>>,
    /// Jobs that were taken from the queue and not answered yet.
    taken: VecDeque<Job>,
    /// Entries that were sealed for jobs and perhaps appended.
    group: Option<Group>,
}

impl<S: Log + SyncTarget + Clone> Committer<S> {
    pub(super) async fn open<H: Host>(desk: &Desk<S, H>) -> Result<Self, PrimaryError> {
        Ok(Self { seat: Some(Seat::take(desk).await?), taken: VecDeque::new(), group: None })
    }

    /// Commits one group: the one that was left unfinished, or a new one of what waits.
    pub(super) async fn commit<H: Host>(&mut self, desk: &Desk<S, H>) {
        if self.group.is_none() {
            if self.taken.is_empty() {
                self.taken = desk.take_jobs();
            }
            if let Err(error) = self.plan(desk).await {
                self.seat = None;
                let error = Arc::new(error);
                for job in self.taken.drain(..) {
                    // An earlier try of a retried write may be in the log.
                    if job.retried {
                        job.answer_unknown(&error);
                    } else {
                        job.answer(Err(WriteError::NotBegun(Arc::clone(&error))));
                    }
                }
            }
        }
        self.append_group(desk).await;
    }

    /// Finishes what is begun and gives the leases back.
    pub(super) async fn close<H: Host>(mut self, desk: &Desk<S, H>) -> Result<(), PrimaryError> {
        while self.group.is_some() || !self.taken.is_empty() {
            self.commit(desk).await;
        }
        match self.seat.take() {
            Some(seat) => Ok(seat.release().await?),
            None => Ok(()),
        }
    }

    /// Evaluates the jobs that were taken, in order, and seals their entries.
    async fn plan<H: Host>(&mut self, desk: &Desk<S, H>) -> Result<(), PrimaryError> {
        if self.taken.is_empty() {
            return Ok(());
        }
        let seat = match self.seat.take() {
            Some(seat) if seat.keep(desk).await.is_ok() => seat,
            // A lease that was lost is taken again, and everything is read again. Why it was lost
            // need not be told: what lasts, taking it meets again and tells; what passed is mended.
            _ => Seat::take(desk).await?,
        };
        let seat = self.seat.insert(seat);
        let repeated = find_repeated(&desk.store, &self.taken).await?;
        let trimmed = trimmed_up_to(&desk.store, &self.taken).await?;
        let mut documents = read_current(&desk.store, &self.taken).await?;
        let mut group = Group::new(seat.head);
        // What does not fit stays for the next group.
        while !group.is_full(desk.options.limits)
            && let Some(job) = self.taken.pop_front()
        {
            if let Some(written) = repeated.get(&job.op_id) {
                job.answer(Ok(written.clone()));
            } else if job.sealed_at > 0 && job.sealed_at <= trimmed {
                let (node, index) = (desk.options.node.clone(), job.sealed_at);
                job.answer_unknown(&Arc::new(PrimaryError::Trimmed { node, index }));
            } else if let Task::Command(action) = &job.task {
                // It begins a group and ends it: what is behind it depends on what it makes of documents.
                if !group.is_empty() {
                    self.taken.push_front(job);
                    break;
                }
                match try_command(&desk.store, action, desk.owner).await {
                    Ok(()) => group.plan(job, seat, &desk.host, &mut documents),
                    Err(Refusal::Wrong(error)) => job.answer(Err(error.into())),
                    Err(Refusal::Failed(error)) => {
                        self.taken.push_front(job);
                        return Err(error.into());
                    }
                }
                break;
            } else {
                group.plan(job, seat, &desk.host, &mut documents);
            }
        }
        if !group.entries.is_empty() {
            self.group = Some(group);
        }
        Ok(())
    }

    /// Appends the group, applies it, and answers its jobs.
    async fn append_group<H: Host>(&mut self, desk: &Desk<S, H>) {
        if is_planted(Bug::DataBeforeLog) {
            let count = self.group.as_ref().map_or(0, |group| group.entries.len());
            // What fails here is tried again below.
            let _tried_again = self.apply_group(desk, count).await;
        }
        let Some(group) = &self.group else { return };
        let appended = if is_planted(Bug::RetryUnderNewPosition) {
            desk.store.append(&group.entries).await
        } else {
            retry(desk, || desk.store.append(&group.entries)).await
        };
        let count = match appended {
            Ok(Appended::All) => group.entries.len(),
            Ok(Appended::Beaten { count }) => count,
            Err(error) => {
                let error = Arc::new(PrimaryError::Store(error));
                self.seat = None;
                for planned in self.group.take().into_iter().flat_map(|group| group.planned) {
                    if is_planted(Bug::RetryUnderNewPosition) {
                        self.taken.push_back(Job { retried: false, sealed_at: 0, ..planned.job });
                        continue;
                    }
                    planned.job.answer_unknown(&error);
                }
                return;
            }
        };
        let applied = self.apply_group(desk, count).await;
        if let Some(group) = self.group.take() {
            self.answer_group(desk, group, count, &applied);
        }
    }

    /// Brings the primary's own documents up to the first `count` entries of the group.
    async fn apply_group<H: Host>(&mut self, desk: &Desk<S, H>, count: usize) -> Result<(), Arc<PrimaryError>> {
        let Some(group) = &self.group else { return Ok(()) };
        if count == group.entries.len()
            && let Some(seat) = &mut self.seat
        {
            let batches = Batch::split(seat.log, group.after, group.entries.iter().cloned(), desk.options.limits);
            let batches = batches.map_err(|source| PrimaryError::Defect { node: desk.options.node.clone(), source })?;
            // A failure need not be told: rolling forward applies the same entries, so it meets
            // again what lasts, and tells it, and mends what passes.
            if apply_all(seat, batches).await.is_ok() {
                return Ok(());
            }
        }
        // Somebody else's entries stand behind ours, or an apply failed: read everything again and
        // roll forward from where the documents really are.
        self.seat = None;
        let mut attempt = 1;
        loop {
            match Seat::take(desk).await {
                Ok(seat) => {
                    self.seat = Some(seat);
                    return Ok(());
                }
                Err(PrimaryError::Store(error)) if attempt < TRIES && decide_store(&error) == Decision::Retry => {
                    desk.host.sleep(backoff(attempt, desk.host.random())).await;
                    attempt += 1;
                }
                Err(error) => return Err(Arc::new(error)),
            }
        }
    }

    fn answer_group<H>(
        &mut self,
        desk: &Desk<S, H>,
        mut group: Group,
        count: usize,
        applied: &Result<(), Arc<PrimaryError>>,
    ) {
        for Planned { mut job, answer, entry } in std::mem::take(&mut group.planned) {
            let at = group.position(entry);
            if entry < count {
                job.answer(match (answer, applied) {
                    (Ok(Written { entry: Some((at, _)), .. }), Err(source)) => {
                        Err(WriteError::NotApplied { at, source: Arc::clone(source) })
                    }
                    // What has no entry of its own is answered from the log, which holds.
                    (answer, _) => answer,
                });
                continue;
            }
            job.beaten += 1;
            // Its entry may be in the log all the same: appended by a try whose reply was lost,
            // and trimmed, or its neighbours trimmed, before the next try.
            job.retried = true;
            if job.beaten < TRIES {
                self.taken.push_back(job);
            } else {
                let error = PrimaryError::Beaten { node: desk.options.node.clone(), at, tries: job.beaten };
                job.answer_unknown(&Arc::new(error));
            }
        }
    }
}

impl<S, H> Desk<S, H> {
    /// The next writes that wait, within the bounds of a group.
    fn take_jobs(&self) -> VecDeque<Job> {
        let (mut queue, limits) = (self.queue(), self.options.limits);
        // Nothing was begun for callers that have gone away since.
        queue.retain(|job| !job.reply.is_closed());
        let mut bytes = 0_usize;
        let fits = |job: &Job| {
            bytes = bytes.saturating_add(job.task.bytes());
            bytes <= limits.bytes_max
        };
        let count = queue.iter().take(limits.entries_max).map(fits).take_while(|fits| *fits).count();
        let count = count.max(1).min(queue.len());
        queue.drain(..count).collect()
    }
}

impl Job {
    pub(super) fn answer(self, answer: Result<Written, WriteError>) {
        // A caller that went away does not want the answer.
        let _gone = self.reply.send(answer);
    }

    fn answer_unknown(self, source: &Arc<PrimaryError>) {
        let (op_id, source) = (self.op_id, Arc::clone(source));
        self.answer(Err(WriteError::Unknown { op_id, source }));
    }
}

/// Makes a request again while it fails in passing. Appending is idempotent, so an unknown
/// outcome is answered by the same entries at the same positions.
async fn retry<H: Host, S, T, F: Future<Output = Result<T, StoreError>>>(
    desk: &Desk<S, H>,
    mut request: impl FnMut() -> F,
) -> Result<T, StoreError> {
    let mut attempt = 1;
    loop {
        match request().await {
            Err(error) if attempt < TRIES && decide_store(&error) == Decision::Retry => {
                desk.host.sleep(backoff(attempt, desk.host.random())).await;
                attempt += 1;
            }
            result => return result,
        }
    }
}

async fn apply_all<S: Log + SyncTarget + Clone>(seat: &mut Seat<S>, batches: Vec<Batch>) -> Result<(), ReplicateError> {
    for batch in batches {
        let last = batch.last();
        seat.applier.apply(batch).await?;
        seat.head = last;
    }
    Ok(())
}
