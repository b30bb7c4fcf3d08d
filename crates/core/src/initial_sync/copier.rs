//! [`Copier`]: copies the parts of all collections, several at once.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use super::{
    InitialSync, Piece, SyncError, SyncEvent, SyncObserver, SyncProgress, SyncSource, SyncTarget,
    source::{Part, Read},
    state::{CollectionState, RangeState, State},
};
use crate::{
    catch_up::{Moment, Segment},
    command::Action,
    doc_id::DocId,
    documents::Size,
    feed::Feed,
    host::Host,
    namespace::Namespace,
    retry::{Decision, backoff, decide_store},
    store_error::StoreError,
};

/// Copies the parts of all collections. What it knows of the copy is in step with the notes.
pub(super) struct Copier<'a, F, S, T, H> {
    sync: &'a InitialSync<'a, F, S, T, H>,
    state: Mutex<State>,
    queue: Mutex<VecDeque<Task>>,
    before: Size,
    /// Whether nothing of an earlier try can be there.
    is_empty: bool,
    has_failed: AtomicBool,
}

/// A part of a collection that is to be copied.
#[derive(Debug, Clone)]
struct Task {
    ns: Namespace,
    target: Namespace,
    part: usize,
    until: Option<DocId>,
    range: RangeState,
}

impl<'a, F, S, T, H> Copier<'a, F, S, T, H>
where
    F: Feed,
    S: SyncSource,
    T: SyncTarget + Clone,
    H: Host,
{
    /// For what is left to be copied; `is_empty` tells that the target holds nothing yet.
    pub(super) fn new(sync: &'a InitialSync<'a, F, S, T, H>, state: &State, is_empty: bool) -> Self {
        let before = state.progress().copied;
        let (state, queue) = (Mutex::new(state.clone()), Mutex::default());
        Self { sync, state, queue, before, is_empty, has_failed: AtomicBool::new(false) }
    }

    pub(super) fn into_state(self) -> State {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies what is left.
    pub(super) async fn run(&self, observer: &impl SyncObserver) -> Result<(), SyncError> {
        self.create_collections(observer).await?;
        self.fill_queue();
        observer.observe_sync(SyncEvent::Begun(self.progress()));
        let lanes = (0..self.sync.options.lanes.max(1)).map(|_| self.lane(observer));
        // Each ends by itself: a write that was cut off could still be done when somebody else has the lease.
        for ended in futures_util::future::join_all(lanes).await {
            ended?;
        }
        // Of some the last part was copied before the copy was cut off.
        let open = |(ns, it): (&Namespace, &CollectionState)| it.ended_at.is_none().then(|| ns.clone());
        let open: Vec<Namespace> = self.state().collections.iter().filter_map(open).collect();
        for ns in open {
            self.end_collection(&ns, observer).await?;
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Task> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    pub(super) fn progress(&self) -> SyncProgress {
        SyncProgress { before: self.before, ..self.state().progress() }
    }

    /// Creates the collections that are not as their first document would make them. Views and indexes
    /// come in the end, when the documents are all from one time.
    async fn create_collections(&self, observer: &impl SyncObserver) -> Result<(), SyncError> {
        let mut actions = Vec::new();
        for (ns, state) in &self.state().collections {
            if let (Some(collection), Some(target), None) =
                (&state.collection, self.sync.options.filter.map(ns), state.ended_at)
            {
                actions.push(Action::Create { ns: target, options: collection.options.clone() });
            }
        }
        for action in actions {
            self.patiently(observer, || self.sync.target.run(&action, self.sync.owner)).await?;
        }
        Ok(())
    }

    fn fill_queue(&self) {
        let state = self.state();
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        for (ns, collection) in &state.collections {
            let Some(target) = self.sync.options.filter.map(ns) else { continue };
            for (part, range) in collection.ranges.iter().enumerate().filter(|(_, range)| !range.is_done) {
                let until = collection.splits.get(part).cloned();
                queue.push_back(Task { ns: ns.clone(), target: target.clone(), part, until, range: range.clone() });
            }
        }
    }

    async fn lane(&self, observer: &impl SyncObserver) -> Result<(), SyncError> {
        while let Some(task) = self.next().filter(|_| !self.has_failed()) {
            let ns = task.ns.clone();
            let ended = async {
                self.copy_part(task, observer).await?;
                self.end_collection(&ns, observer).await
            };
            if let Err(error) = ended.await {
                self.has_failed.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Whether a lane has failed: the others end with what they have in hand.
    fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// Copies one part, piece by piece: while one is written the next is read.
    async fn copy_part(&self, mut task: Task, observer: &impl SyncObserver) -> Result<(), SyncError> {
        let after = if task.part == 0 { None } else { self.split_before(&task) };
        let mut done_to = task.range.done_to.clone().or(after);
        if !self.is_empty {
            self.empty_rest(&task, done_to.as_ref(), observer).await?;
        }
        let mut pinned: Option<(Moment, SystemTime)> = None;
        let mut read = Some(self.read(&task, done_to.as_ref(), &mut pinned, observer).await?);
        while let Some(Read { documents, at, is_end }) = read.take().filter(|_| !self.has_failed()) {
            let last = documents.last().map(crate::document::Document::id);
            let is_end = is_end || (last.is_some() && last == task.until);
            let until = if is_end { task.until.clone() } else { last.clone() };
            let piece = Piece {
                ns: task.target.clone(),
                after: done_to.clone(),
                until: until.clone(),
                documents,
                is_fresh: true,
            };
            task.range.advance(&piece, at, is_end);
            done_to = until;
            if is_end {
                self.write(&task, &piece, observer).await?;
            } else {
                let (written, next) = tokio::join!(
                    self.write(&task, &piece, observer),
                    self.read(&task, done_to.as_ref(), &mut pinned, observer),
                );
                written?;
                read = Some(next?);
            }
            self.note_progress(&task);
            observer.observe_sync(SyncEvent::Copied { ns: &task.ns, progress: self.progress() });
        }
        Ok(())
    }

    /// Takes away what is behind what is known to be copied of a part: a piece that was under way when the
    /// copy was cut off may have been written as far as nobody knows.
    async fn empty_rest(
        &self,
        task: &Task,
        done_to: Option<&DocId>,
        observer: &impl SyncObserver,
    ) -> Result<(), SyncError> {
        let (after, until) = (done_to.cloned(), task.until.clone());
        let rest = Piece { ns: task.target.clone(), after, until, documents: Vec::new(), is_fresh: false };
        self.write(task, &rest, observer).await
    }

    fn split_before(&self, task: &Task) -> Option<DocId> {
        let state = self.state();
        state.collections.get(&task.ns).and_then(|it| it.splits.get(task.part.saturating_sub(1))).cloned()
    }

    /// Documents are from no moment before this: neither from before the entries that are applied later, nor
    /// from before what is known of their collection, of which commands up to then count as copied.
    fn earliest(&self, ns: &Namespace) -> Option<Moment> {
        let state = self.state();
        state.begun_at().max(state.collections.get(ns).and_then(|it| it.listed_at))
    }

    async fn read(
        &self,
        task: &Task,
        after: Option<&DocId>,
        pinned: &mut Option<(Moment, SystemTime)>,
        observer: &impl SyncObserver,
    ) -> Result<Read, SyncError> {
        let now = self.sync.host.now();
        let age = self.sync.options.snapshot_age;
        let at = pinned.filter(|(_, since)| now.duration_since(*since).is_ok_and(|passed| passed < age));
        let part = Part { ns: &task.ns, after, until: task.until.as_ref() };
        let limits = self.sync.options.limits.at_most(self.sync.target.batch_max());
        let at = at.map(|(at, _)| at);
        let earliest = self.earliest(&task.ns);
        let request = || async {
            let read = self.sync.source.read(part, at, limits).await?;
            self.sync.check_not_before(earliest, read.at).map(|()| read)
        };
        let read = self.patiently(observer, request).await?;
        if at != Some(read.at) {
            *pinned = Some((read.at, now));
        }
        Ok(read)
    }

    async fn write(&self, task: &Task, piece: &Piece, observer: &impl SyncObserver) -> Result<(), SyncError> {
        let note = task.range.note(&task.ns, task.part);
        let mut piece = piece.clone();
        let mut attempt = 0;
        loop {
            match self.sync.target.copy(&piece, &note, self.sync.owner).await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    self.wait_or_fail(error, &mut attempt, observer).await?;
                    // A part of it may be there by now.
                    piece.is_fresh = false;
                }
            }
        }
    }

    fn note_progress(&self, task: &Task) {
        let mut state = self.state();
        let place = state.collections.get_mut(&task.ns).and_then(|it| it.ranges.get_mut(task.part));
        if let Some(place) = place {
            *place = task.range.clone();
        }
    }

    /// Notes by when a collection was copied, once all of its parts are.
    async fn end_collection(&self, ns: &Namespace, observer: &impl SyncObserver) -> Result<(), SyncError> {
        let is_done = self.state().collections.get(ns).is_some_and(|it| it.ranges.iter().all(|range| range.is_done));
        if !is_done {
            return Ok(());
        }
        let now = self.patiently(observer, || self.sync.source.now()).await?;
        let note = {
            let mut state = self.state();
            let listed_until = state.listed_until;
            if let Some(collection) = state.collections.get_mut(ns) {
                let read = collection.ranges.iter().flat_map(|range| &range.segments).map(|segment| segment.at).max();
                collection.ended_at = read.max(Some(now)).max(Some(listed_until));
            }
            state.collection_note(ns)
        };
        self.patiently(observer, || self.sync.target.put_notes(std::slice::from_ref(&note), self.sync.owner)).await
    }

    /// Makes a request again while it fails in passing.
    async fn patiently<R, Request>(
        &self,
        observer: &impl SyncObserver,
        mut request: impl FnMut() -> Request,
    ) -> Result<R, SyncError>
    where
        Request: Future<Output = Result<R, StoreError>>,
    {
        let mut attempt = 0;
        loop {
            match request().await {
                Ok(done) => return Ok(done),
                Err(error) => self.wait_or_fail(error, &mut attempt, observer).await?,
            }
        }
    }

    async fn wait_or_fail(
        &self,
        error: StoreError,
        attempt: &mut u32,
        observer: &impl SyncObserver,
    ) -> Result<(), SyncError> {
        if decide_store(&error) != Decision::Retry || self.has_failed() {
            return Err(error.into());
        }
        *attempt = attempt.saturating_add(1);
        let wait = backoff(*attempt, self.sync.host.random());
        observer.observe_sync(SyncEvent::Retrying { attempt: *attempt, wait, error: &error.into() });
        self.sync.host.sleep(wait).await;
        Ok(())
    }
}

impl RangeState {
    /// Takes a piece that was read at `at` behind what is copied.
    fn advance(&mut self, piece: &Piece, at: Moment, is_end: bool) {
        let bytes: usize = piece.documents.iter().map(|document| document.as_bytes().len()).sum();
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        self.copied.add(Size { documents: count(piece.documents.len()), bytes: count(bytes) });
        self.done_to.clone_from(&piece.until);
        self.is_done = is_end;
        let segment = Segment { until: piece.until.clone(), at };
        match self.segments.last_mut() {
            // There was nothing left.
            Some(last) if last.until == segment.until => {}
            Some(last) if last.at == at => *last = segment,
            _ => self.segments.push(segment),
        }
    }
}
