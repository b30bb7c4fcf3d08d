//! [`InitialSync`]: copies what a source holds into a target, from where entries take over.
//!
//! The position comes first, then the copy: whatever changes meanwhile is in an entry behind the
//! position. Collections are copied in parts, several at once, in pieces that are remembered with the
//! documents, so that a copy that was cut off goes on where it was. What entries do about documents
//! that were copied at different times is [`CatchUp`](crate::catch_up::CatchUp)'s matter.

mod copier;
mod error;
mod observer;
mod options;
mod source;
mod state;
mod target;
#[cfg(test)]
mod tests;

use std::{future::Future, pin::pin};

use self::copier::Copier;
pub(crate) use self::state::{CollectionState, State};
pub use self::{
    error::SyncError,
    observer::{SyncEvent, SyncObserver, SyncProgress},
    options::SyncOptions,
    source::{Got, Listed, Listing, LogSource, Part, Read, Start, SyncSource},
    state::{Phase, StateError, Unreadable},
    target::{Note, Piece, SyncTarget},
};
use crate::{
    catch_up::{Clock, Moment},
    checkpoint::Resume,
    command::Action,
    feed::Feed,
    filter::Unnameable,
    host::Host,
    ids::OwnerId,
    lease::{HeldLease, Lease, LeaseName},
    namespace::Namespace,
    store_error::{Fault, StoreError},
};

/// How far an initial sync of `target` has come; `None` when there is none under way.
///
/// # Errors
/// When the target cannot be read.
pub async fn phase(target: &impl SyncTarget) -> Result<Option<Phase>, SyncError> {
    Ok(progress(target).await?.map(|(phase, _)| phase))
}

/// The same, with what is copied so far. Who copies is not asked, but what he has noted in the target.
///
/// # Errors
/// When the target cannot be read.
pub async fn progress(target: &impl SyncTarget) -> Result<Option<(Phase, SyncProgress)>, SyncError> {
    Ok(State::read(&target.notes().await?)?.map(|state| (state.phase, state.progress())))
}

/// Copies what a source holds into one target.
#[derive(Debug)]
pub struct InitialSync<'a, F, S, T, H> {
    name: &'a str,
    feed: &'a F,
    source: &'a S,
    target: &'a T,
    host: &'a H,
    options: &'a SyncOptions,
    owner: OwnerId,
    hands_on: bool,
}

/// How a piece of work under the lease ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It is done.
    Done,
    /// A stop was asked for before.
    Stopped,
}

impl<'a, F, S, T, H> InitialSync<'a, F, S, T, H>
where
    F: Feed,
    S: SyncSource,
    T: SyncTarget + Clone,
    H: Host,
{
    /// A copy into the target named `name`. Nothing is read or written yet.
    pub fn new(
        name: &'a str,
        feed: &'a F,
        source: &'a S,
        target: &'a T,
        host: &'a H,
        options: &'a SyncOptions,
    ) -> Self {
        let owner = OwnerId::from_bytes(host.random());
        Self { name, feed, source, target, host, options, owner, hands_on: false }
    }

    /// Works as `owner`, and does not give the target's lease back once its work is done: whoever goes on as
    /// the same owner has it at once, and nobody comes in between. Work that fails gives it back all the same.
    #[must_use]
    pub fn handing_on(self, owner: OwnerId) -> Self {
        Self { owner, hands_on: true, ..self }
    }

    /// Copies everything, or goes on with a copy that was cut off, until only entries are left to be
    /// applied. Nothing is left to be done about one that has come so far.
    ///
    /// # Errors
    /// [`SyncError`]; what fails in passing while documents are copied is tried again here.
    pub async fn run(&self, observer: &impl SyncObserver) -> Result<(), SyncError> {
        self.run_until(std::future::pending(), observer).await.map(|_ended| ())
    }

    /// The same until `shutdown` completes: a copy is then cut off, and goes on at the next run.
    ///
    /// # Errors
    /// As for [`InitialSync::run`].
    pub async fn run_until(
        &self,
        shutdown: impl Future<Output = ()> + Send,
        observer: &impl SyncObserver,
    ) -> Result<Ended, SyncError> {
        self.with_lease(shutdown, self.copy_all(observer)).await
    }

    /// Asks for everything to be copied anew: what the target holds goes when the copy begins.
    ///
    /// # Errors
    /// When the target cannot be written, or another process works on it.
    pub async fn request(&self) -> Result<(), SyncError> {
        let request = async {
            Ok(self.target.put_notes(&[State::new(self.source.clock(), Phase::Wipe).note()], self.owner).await?)
        };
        self.with_lease(std::future::pending(), request).await.map(|_ended| ())
    }

    /// Asks for some collections of the source to be copied again, the rest of the target being as it
    /// should be at its checkpoint.
    ///
    /// # Errors
    /// When the target cannot be written, or another process works on it.
    pub async fn request_again(&self, names: &[Namespace]) -> Result<(), SyncError> {
        self.with_lease(std::future::pending(), self.note_again(names)).await.map(|_ended| ())
    }

    async fn note_again(&self, names: &[Namespace]) -> Result<(), SyncError> {
        let known = State::read(&self.target.notes().await?)?;
        // Somebody has asked for everything to be copied anew, which these are a part of.
        if known.as_ref().is_some_and(|state| state.phase == Phase::Wipe) {
            return Ok(());
        }
        let mut state = known.unwrap_or_else(|| State::new(self.source.clock(), Phase::Copy));
        state.phase = Phase::Copy;
        let checkpoint = self.target.checkpoint().await?;
        let checkpoint = checkpoint.ok_or_else(|| SyncError::NoCheckpoint { target: self.name.to_owned() })?;
        state.begin = Some((checkpoint, self.target.resume().await?));
        // From here on no entry is applied by what the others say, half of which may be written.
        let mut notes = vec![state.note()];
        for ns in names {
            if let Some(old) = state.collections.insert(ns.clone(), CollectionState::unlisted()) {
                let parts = (0..old.ranges.len()).map(|part| state::without(ns, part));
                notes.extend(parts);
            }
            notes.push(state.collection_note(ns));
        }
        Ok(self.target.put_notes(&notes, self.owner).await?)
    }

    /// Works under the lease of the target, which is given back in the end unless the work was cut off, or is
    /// gone on with.
    async fn with_lease(
        &self,
        shutdown: impl Future<Output = ()> + Send,
        work: impl Future<Output = Result<(), SyncError>>,
    ) -> Result<Ended, SyncError> {
        let mut shutdown = pin!(shutdown);
        let (host, term) = (self.host, self.options.lease_term);
        let mine = Lease { owner: self.owner, holder: self.options.holder.clone(), beat: 0 };
        let lease = tokio::select! {
            biased;
            () = shutdown.as_mut() => return Ok(Ended::Stopped),
            lease = HeldLease::acquire(self.target.clone(), self.name, LeaseName::Documents, mine, host, term) => lease?,
        };
        let result = tokio::select! {
            biased;
            // A write that was cut off may still be done: the lease is not given back, but lapses.
            () = shutdown => return Ok(Ended::Stopped),
            result = work => result.map(|()| Ended::Done),
            lost = lease.keep(host, term) => Err(lost.into()),
        };
        if result.is_err() || !self.hands_on {
            // One that is not given back lapses; what the work came to counts.
            let _lapses = lease.release().await;
        }
        result
    }

    async fn copy_all(&self, observer: &impl SyncObserver) -> Result<(), SyncError> {
        let known = State::read(&self.target.notes().await?)?;
        let mut state = match known {
            Some(state) => state,
            None => self.begin().await?,
        };
        // Nothing of an earlier try can be there once everything was taken away.
        let is_empty = state.phase == Phase::Wipe;
        if is_empty {
            state = self.prepare(&state).await?;
        }
        self.check_filter(&state)?;
        if state.phase == Phase::CatchUp {
            return self.begin_catch_up(&state).await;
        }
        self.list_again(&mut state).await?;
        let copier = Copier::new(self, &state, is_empty);
        copier.run(observer).await?;
        let progress = copier.progress();
        self.finish(copier.into_state()).await?;
        observer.observe_sync(SyncEvent::Ended(progress));
        Ok(())
    }

    /// A copy goes on with the filter that it was begun with.
    fn check_filter(&self, state: &State) -> Result<(), SyncError> {
        let filter = self.options.filter.id();
        match &state.begin {
            Some((_, resume)) if resume.filter != filter => {
                Err(SyncError::OtherFilter { target: self.name.to_owned() })
            }
            _ => Ok(()),
        }
    }

    /// Begins a copy into a target that holds nothing.
    async fn begin(&self) -> Result<State, SyncError> {
        if self.target.checkpoint().await?.is_some() {
            return Err(SyncError::HasCheckpoint { target: self.name.to_owned() });
        }
        if let Some(ns) = self.target.namespaces().await?.into_iter().next() {
            return Err(SyncError::TargetNotEmpty { target: self.name.to_owned(), ns });
        }
        let state = State::new(self.source.clock(), Phase::Wipe);
        self.target.put_notes(&[state.note()], self.owner).await?;
        Ok(state)
    }

    /// Takes the position, lists what there is to be copied, and empties the target.
    async fn prepare(&self, old: &State) -> Result<State, SyncError> {
        let start = self.source.start().await?;
        // The source keeps what follows, as far as it heeds its replicas.
        self.feed.acknowledge(self.name, &start.checkpoint.anchor).await?;
        // Of a source that cannot be copied nothing replaces what the target holds.
        let listing = self.source.list().await?;
        self.check_not_before(Some(self.source.clock().moment(&start.checkpoint.anchor)), listing.at)?;
        let names = listing.collections.iter().map(|listed| &listed.collection.ns);
        if let Some(ns) = names.into_iter().find(|ns| self.options.filter.is_unnameable(ns)) {
            let refused = StoreError::new(self.name, "copy its source", Fault::Unreplicable { name: ns.to_string() });
            return Err(refused.because(Unnameable).into());
        }
        let notes = self.target.notes().await?;
        let others = notes.iter().filter(|note| note.name != old.note().name);
        let gone: Vec<Note> = others.map(|note| Note { name: note.name.clone(), document: None }).collect();
        self.target.put_notes(&gone, self.owner).await?;
        self.target.wipe(self.owner).await?;
        let mut state = State::new(self.source.clock(), Phase::Copy);
        state.begin = Some((start.checkpoint, Resume { filter: self.options.filter.id(), token: start.token }));
        state.listed_at = listing.at;
        state.listed_until = listing.until;
        let mut notes = Vec::new();
        for listed in &listing.collections {
            let ns = listed.collection.ns.clone();
            if self.options.filter.map(&ns).is_some() {
                let collection = self.part(&listing, Some(listed), &ns).await?;
                state.collections.insert(ns.clone(), collection);
                notes.push(state.collection_note(&ns));
            }
        }
        notes.push(state.note());
        self.target.put_notes(&notes, self.owner).await?;
        Ok(state)
    }

    /// Parts a collection for copying.
    async fn part(
        &self,
        listing: &Listing,
        found: Option<&Listed>,
        ns: &Namespace,
    ) -> Result<CollectionState, SyncError> {
        let documents = found.map_or(0, |found| found.size.documents);
        let parts = usize::try_from(documents / self.options.part_documents.max(1)).unwrap_or(usize::MAX);
        let parts = parts.clamp(1, self.options.parts_max.max(1));
        let splits = if parts > 1 { self.source.split(ns, parts).await? } else { Vec::new() };
        Ok(CollectionState::listed(listing.at, listing.until, found.cloned(), splits))
    }

    /// Looks for the collections that are to be copied again, and empties them at the target.
    async fn list_again(&self, state: &mut State) -> Result<(), SyncError> {
        let unlisted =
            |(ns, collection): (&Namespace, &CollectionState)| collection.listed_at.is_none().then(|| ns.clone());
        let names: Vec<Namespace> = state.collections.iter().filter_map(unlisted).collect();
        if names.is_empty() {
            return Ok(());
        }
        for ns in names.iter().filter_map(|ns| self.options.filter.map(ns)) {
            self.target.run(&Action::Drop { ns }, self.owner).await?;
        }
        let listing = self.source.list().await?;
        self.check_not_before(state.begun_at(), listing.at)?;
        for ns in names {
            let found = listing.collections.iter().find(|listed| listed.collection.ns == ns);
            let collection = self.part(&listing, found, &ns).await?;
            state.collections.insert(ns.clone(), collection);
            self.target.put_notes(&[state.collection_note(&ns)], self.owner).await?;
        }
        Ok(())
    }

    /// Whether the source shows what was so at `earliest` or later. After a fail-over a new primary may not know
    /// yet that a majority has what the copy began behind, and the changes before that are in no entry that is
    /// to come. The moments of a source without snapshots tell nothing of what is read.
    fn check_not_before(&self, earliest: Option<Moment>, at: Moment) -> Result<(), StoreError> {
        if self.source.clock() == Clock::Index || earliest.is_none_or(|earliest| at >= earliest) {
            return Ok(());
        }
        let error = StoreError::new(self.name, "copy from its source", Fault::Unavailable);
        Err(error.because("the source shows a time before the one at which the copy began: it has to come further"))
    }

    /// Everything is copied: from here on entries are applied.
    async fn finish(&self, mut state: State) -> Result<(), SyncError> {
        let now = self.source.now().await?;
        let ended = state.collections.values().filter_map(|collection| collection.ended_at).max();
        state.until = state.until.max(ended).max(Some(now));
        state.phase = Phase::CatchUp;
        self.set_begin(&state).await
    }

    /// Everything was copied; the checkpoint may still be to be set.
    async fn begin_catch_up(&self, state: &State) -> Result<(), SyncError> {
        if self.target.checkpoint().await?.is_none() { self.set_begin(state).await } else { Ok(()) }
    }

    async fn set_begin(&self, state: &State) -> Result<(), SyncError> {
        let no_checkpoint = || SyncError::NoCheckpoint { target: self.name.to_owned() };
        let (checkpoint, resume) = state.begin.as_ref().ok_or_else(no_checkpoint)?;
        Ok(self.target.begin_at(*checkpoint, resume, &[state.note()], self.owner).await?)
    }
}
