//! [`Replicator`]: brings one target in step with one feed.

mod error;
mod fetching;
mod observer;
mod options;
mod pace;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};

use self::pace::Pace;
pub use self::{
    error::ReplicateError,
    observer::{Event, Observer, Step},
    options::ReplicatorOptions,
};
use crate::{
    applier::Applier,
    batch::Batch,
    checkpoint::Stop,
    document::Document,
    documents::Applied,
    excerpt::shortened,
    feed::{Feed, FeedError, Fetch, Image},
    host::Host,
    ids::OwnerId,
    initial_sync::SyncTarget,
    lease::Lease,
    limits::Limits,
    position::{Anchor, Position},
    progress::Progress,
    retry::{Decision, backoff, decide},
    store_error::{Fault, StoreError},
};

/// How often the source is told of progress while there is more to apply.
const ACKNOWLEDGE_EVERY: Duration = Duration::from_secs(1);

/// The most that a target keeps of the reason why it has stopped.
const REASON_BYTES_MAX: usize = 8 * 1024;

/// Brings one target in step with one feed: fetches the next batch while it applies this one.
///
/// One replicator applies to a target at a time: it holds the target's lease.
#[derive(Debug)]
pub struct Replicator<F, D, H> {
    name: String,
    feed: F,
    target: D,
    host: H,
    options: ReplicatorOptions,
    owner: OwnerId,
    /// `None` before the first step and after every failure: what is known is then read again.
    seat: Option<Seat<D>>,
    pace: Pace,
    /// What a step has applied that failed afterwards, so that it is told all the same.
    untold: Option<Step>,
    /// An entry that failed within a batch: it is tried again as a batch of its own.
    alone: Option<u64>,
    /// What the source has told about documents whose patches do not fit, by the index of the entry: a
    /// transaction, which is applied as one, may have several.
    images: BTreeMap<u64, Option<Document>>,
}

/// What a replicator knows while it holds its target's lease.
#[derive(Debug)]
struct Seat<D> {
    applier: Applier<D>,
    /// The fetch that was made while the last batch was applied.
    fetched: Option<Result<Fetch, FeedError>>,
    /// What the source was last told, and when.
    acknowledged: Option<(Anchor, SystemTime)>,
}

impl<F, D, H> Replicator<F, D, H>
where
    F: Feed,
    D: SyncTarget + Clone,
    H: Host,
{
    /// A replicator for the target named `name`. Nothing is read or written yet.
    pub fn new(name: impl Into<String>, feed: F, target: D, host: H, options: ReplicatorOptions) -> Self {
        let owner = OwnerId::from_bytes(host.random());
        let (name, pace) = (name.into(), Pace::within(options.limits.at_most(target.batch_max())));
        let (seat, untold, alone, images) = (None, None, None, BTreeMap::new());
        Self { name, feed, target, host, options, owner, seat, pace, untold, alone, images }
    }

    /// Takes the target's lease as `owner`, who may hold it already.
    #[must_use]
    pub fn taking_over(self, owner: OwnerId) -> Self {
        Self { owner, ..self }
    }

    /// The target's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Fetches one batch, if there is one, and applies it, with the target's lease kept meanwhile.
    ///
    /// After an error the target's checkpoint is read again by the next step, so a step may be
    /// repeated whatever became of the last one.
    ///
    /// # Errors
    /// [`ReplicateError`]; [`decide`] tells which ones pass. An entry that cannot be applied fails
    /// once everything before it is applied, on a target that writes batch and checkpoint as one.
    pub async fn step(&mut self) -> Result<Step, ReplicateError> {
        loop {
            let mut seat = match self.seat.take() {
                Some(seat) => seat,
                None => self.open().await?,
            };
            let (lease, host, term) = (Arc::clone(seat.applier.lease()), self.host.clone(), self.options.lease_term);
            let result = tokio::select! {
                biased;
                result = self.step_in(&mut seat) => result,
                lost = lease.keep(&host, term) => Err(lost.into()),
            };
            let result = match result {
                Err(error) => Err(seat.applier.judge(&self.name, error).await?),
                step => step,
            };
            let is_over = |error: &ReplicateError| match error {
                ReplicateError::CopyAgain { .. } => true,
                ReplicateError::Feed(_) => decide(error) != Decision::Retry,
                _ => false,
            };
            if result.as_ref().is_err_and(is_over) {
                // Nothing was applied, and the lease is to be given back, or handed on, before others want it.
                self.seat = Some(Seat { fetched: None, ..seat });
            } else if let Err(error) = &result {
                self.pace.restart();
                // The seat is given up: what it knew may no longer hold.
                if self.isolate(seat, error).await? || self.ask_for_image(error).await? {
                    continue;
                }
            } else {
                self.seat = Some(seat);
            }
            return result;
        }
    }

    /// Steps until `shutdown` completes: at the head of the log it waits for the poll interval,
    /// failures that pass are retried with a capped, jittered wait. A batch in hand is finished.
    ///
    /// # Errors
    /// The failure that stopped the target.
    pub async fn run(
        &mut self,
        shutdown: impl Future<Output = ()> + Send,
        observer: &impl Observer,
    ) -> Result<(), ReplicateError> {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut attempt = 0;
        loop {
            let stepped = self.step().await;
            if let (Err(_), Some(applied)) = (&stepped, self.untold.take()) {
                observer.observe(Event::Applied(&applied));
            }
            let wait = match stepped {
                Ok(step) => {
                    attempt = 0;
                    if step.entries > 0 {
                        observer.observe(Event::Applied(&step));
                    }
                    if step.progress.behind == 0 && !step.catching_up {
                        observer.observe(Event::CaughtUp(&step));
                    }
                    // A source may tell of more than it yields yet.
                    let more = step.entries > 0 && step.progress.behind > 0;
                    if more { Duration::ZERO } else { self.options.poll_interval }
                }
                Err(error) if decide(&error) == Decision::Retry => {
                    attempt = u32::saturating_add(attempt, 1);
                    let wait = backoff(attempt, self.host.random());
                    observer.observe(Event::Retrying { attempt, wait, error: &error });
                    wait
                }
                // No reason to stop for good: whoever runs it copies them, and goes on.
                Err(error @ ReplicateError::CopyAgain { .. }) => return Err(error),
                Err(error) => {
                    let told = self.tell_stop(&error).await;
                    observer.observe(Event::Stopped { error: &error, untold: told.as_ref().err() });
                    return Err(error);
                }
            };
            tokio::select! {
                biased;
                () = shutdown.as_mut() => return Ok(()),
                () = self.wait(wait) => {}
            }
        }
    }

    /// Gives the target's lease back.
    ///
    /// # Errors
    /// When the target cannot be written; the lease then lapses by itself.
    pub async fn close(mut self) -> Result<(), StoreError> {
        match self.seat.take() {
            Some(seat) => seat.applier.lease().release().await,
            None => Ok(()),
        }
    }

    async fn open(&self) -> Result<Seat<D>, ReplicateError> {
        let mine = Lease { owner: self.owner, holder: self.options.holder.clone(), beat: 0 };
        let (host, term) = (&self.host, self.options.lease_term);
        let applier = Applier::open(&self.target, &self.name, mine, host, term, &self.options.filter).await?;
        Ok(Seat { applier, fetched: None, acknowledged: None })
    }

    async fn step_in(&mut self, seat: &mut Seat<D>) -> Result<Step, ReplicateError> {
        seat.applier.lease().renew_when_due(&self.host, self.options.lease_term).await?;
        if self.alone.is_some_and(|index| seat.applier.index() >= index) {
            self.alone = None;
        }
        let mut fetch = match seat.fetched.take() {
            Some(Err(error)) if error.is_damage() => self.fetch(seat).await?,
            Some(fetched) => fetched?,
            None => self.fetch(seat).await?,
        };
        seat.applier.check_fetch(&fetch)?;
        seat.applier.end_catch_up(fetch.next()).await?;
        let progress = Progress::new(None, fetch.head, fetch.floor);
        let mut step = Step { entries: 0, applied: Applied::default(), progress, catching_up: false };
        if let Some(batch) = fetch.batch.take() {
            step.entries = batch.entries().len();
            let (applied, took) = self.apply_and_fetch(seat, batch, fetch.head).await?;
            step.applied = applied;
            // A clock that was set back says nothing.
            if let Some(took) = took {
                self.pace.learn(step.entries, took);
            }
            self.images = self.images.split_off(&seat.applier.index().saturating_add(1));
            let is_known = seat.applier.index() >= fetch.head.position.index;
            match &seat.fetched {
                Some(Ok(following)) => seat.applier.end_catch_up(following.next()).await?,
                // At the head the target is to be complete at once.
                None if is_known => seat.applier.end_catch_up(None).await?,
                _ => {}
            }
        }
        let checkpoint = seat.applier.checkpoint().map(|checkpoint| checkpoint.anchor);
        step.progress = Progress::new(checkpoint, fetch.head, fetch.floor);
        step.catching_up = seat.applier.is_catching_up();
        self.untold = (step.entries > 0).then_some(step);
        self.acknowledge(seat, step.progress.behind == 0).await?;
        self.untold = None;
        Ok(step)
    }

    /// Tells the source how far the target has come: at the head, and now and then on the way.
    async fn acknowledge(&self, seat: &mut Seat<D>, at_head: bool) -> Result<(), ReplicateError> {
        let Some(checkpoint) = seat.applier.checkpoint() else { return Ok(()) };
        let now = self.host.now();
        let due = match &seat.acknowledged {
            None => true,
            Some((anchor, _)) if *anchor == checkpoint.anchor => false,
            Some((_, at)) => at_head || now.duration_since(*at).map_or(true, |since| since >= ACKNOWLEDGE_EVERY),
        };
        if due {
            self.feed.acknowledge(&self.name, &checkpoint.anchor).await?;
            seat.acknowledged = Some((checkpoint.anchor, now));
        }
        Ok(())
    }

    /// Whether an entry that failed within a batch can be tried as a batch of its own, so that the
    /// target stops at the entry before it.
    async fn isolate(&mut self, seat: Seat<D>, error: &ReplicateError) -> Result<bool, ReplicateError> {
        let ReplicateError::Target(store) = error else { return Ok(false) };
        let (Fault::Drift { index, .. } | Fault::Rejected { index, .. } | Fault::Misfit { index, .. }) = store.fault()
        else {
            return Ok(false);
        };
        // Under the same lease: whoever keeps it meanwhile would take a new one for a stranger's.
        let seat = Seat { applier: seat.applier.read_again().await?, fetched: None, ..seat };
        // Of a transaction it cannot be parted.
        let is_alone = seat.applier.index().saturating_add(1) >= *index || self.alone == Some(*index);
        if seat.applier.is_unfinished() || is_alone {
            return Ok(false);
        }
        self.alone = Some(*index);
        self.seat = Some(seat);
        Ok(true)
    }

    /// Asks the source for the document that a patch which does not fit has left there, so that the entry
    /// can be tried once more; whether it could tell.
    async fn ask_for_image(&mut self, error: &ReplicateError) -> Result<bool, ReplicateError> {
        let ReplicateError::Target(store) = error else { return Ok(false) };
        let Fault::Misfit { index, .. } = store.fault() else { return Ok(false) };
        if self.images.contains_key(index) {
            return Ok(false);
        }
        let (checkpoint, resume) = (self.target.checkpoint().await?, self.target.resume().await?);
        let limits = Limits { entries_max: usize::MAX, ..self.options.limits };
        let fetch = self.feed.fetch(checkpoint, resume.token.as_ref(), limits).await?;
        let entries = fetch.batch.iter().flat_map(Batch::entries);
        let Some(entry) = entries.into_iter().find(|entry| entry.position().index == *index) else { return Ok(false) };
        match self.feed.image(entry).await? {
            Image::Known(image) => {
                self.images.insert(*index, image);
                Ok(true)
            }
            Image::Unknown => Ok(false),
        }
    }

    /// Waits, with the lease kept, until the time is over or, when the target is at the head, something
    /// comes. Ends early when the lease is lost, which the next step then finds out.
    async fn wait(&self, wait: Duration) {
        let Some(seat) = &self.seat else { return self.host.sleep(wait).await };
        let changed = async {
            match seat.applier.checkpoint() {
                Some(checkpoint) => self.feed.changed(&checkpoint.anchor).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.host.sleep(wait) => {}
            () = changed => {}
            _lost = seat.applier.lease().keep(&self.host, self.options.lease_term) => {}
        }
    }

    /// Leaves word in the target why it has stopped, unless another process works on it by now.
    async fn tell_stop(&self, error: &ReplicateError) -> Result<(), StoreError> {
        if let ReplicateError::Target(store) = error
            && matches!(store.fault(), Fault::Busy { .. })
        {
            return Ok(());
        }
        let checkpoint = self.target.checkpoint().await?;
        let before = checkpoint.map_or_else(Position::default, |checkpoint| checkpoint.anchor.position);
        let at = match error {
            ReplicateError::Feed(FeedError::TooStale { checkpoint, .. }) => *checkpoint,
            ReplicateError::Target(store) => match store.fault() {
                Fault::Drift { index, .. } | Fault::Rejected { index, .. } | Fault::Misfit { index, .. } => {
                    Position { index: *index, ..before }
                }
                _ => Position { index: before.index.saturating_add(1), ..before },
            },
            _ => Position { index: before.index.saturating_add(1), ..before },
        };
        let too_stale = decide(error) == Decision::Resync;
        self.target.set_stop(&Stop { at, too_stale, reason: error_chain(error) }).await
    }
}

/// An error and its causes in one line.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    shortened(&text, REASON_BYTES_MAX).into_owned()
}
