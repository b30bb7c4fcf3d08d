//! [`Follower`]: copies a target if it has to be copied, then keeps it in step with its feed.

use std::{future::Future, pin::pin, time::Duration};

use crate::{
    checkpoint::Stop,
    feed::Feed,
    host::Host,
    ids::OwnerId,
    initial_sync::{
        self, Ended, InitialSync, Phase, SyncError, SyncEvent, SyncObserver, SyncOptions, SyncSource, SyncTarget,
    },
    lease::LeaseName,
    namespace::Namespace,
    position::Position,
    replicator::{Observer, ReplicateError, Replicator, ReplicatorOptions, error_chain},
    retry::{Decision, backoff, decide_sync},
    store_error::StoreError,
};

/// Follows one source with one target: an initial sync if there has to be one, or goes on with one that
/// was cut off, then replication; and copies single collections again when a command makes that necessary.
#[derive(Debug)]
pub struct Follower<F, S, T, H> {
    name: String,
    feed: F,
    source: S,
    target: T,
    host: H,
    replication: ReplicatorOptions,
    sync: SyncOptions,
}

/// Why a target does not follow.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// It could not be copied.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// It could not be brought further.
    #[error(transparent)]
    Replicate(#[from] ReplicateError),
}

/// How a stage of following ended that did not fail.
enum Stage {
    /// A stop was asked for.
    Stopped,
    /// These collections have to be copied again, because of the command at this position.
    CopyAgain(Vec<Namespace>, Position),
}

/// As whom a follower takes its target's lease, and whether a stage has handed it on.
struct Turn {
    owner: OwnerId,
    holds: bool,
}

impl<F, S, T, H> Follower<F, S, T, H>
where
    F: Feed,
    S: SyncSource,
    T: SyncTarget + Clone,
    H: Host,
{
    /// A follower for the target named `name`. Nothing is read or written yet. What is replicated, and
    /// who this process is, `replication` says for both.
    pub fn new(
        name: impl Into<String>,
        feed: F,
        source: S,
        target: T,
        host: H,
        replication: ReplicatorOptions,
        mut sync: SyncOptions,
    ) -> Self {
        sync.holder.clone_from(&replication.holder);
        sync.filter.clone_from(&replication.filter);
        sync.lease_term = replication.lease_term;
        Self { name: name.into(), feed, source, target, host, replication, sync }
    }

    /// The target's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Follows until `shutdown` completes. What passes is tried again. A batch in hand is finished; a
    /// copy is cut off, and goes on at the next run. From one stage to the next the target's lease is handed on,
    /// so that no other process works on the target in between; before a wait it is given back.
    ///
    /// # Errors
    /// The failure that stopped the target.
    pub async fn run(
        &self,
        shutdown: impl Future<Output = ()> + Send,
        observer: &(impl Observer + SyncObserver),
    ) -> Result<(), FollowError> {
        let mut shutdown = pin!(shutdown);
        let (mut again_at, mut times) = (None, 0);
        let mut turn = self.turn();
        loop {
            if self.copy(&mut turn, &mut shutdown, observer).await? == Ended::Stopped {
                return Ok(());
            }
            let (names, at) = match self.replicate(turn.owner, &mut shutdown, observer).await? {
                Stage::Stopped => return Ok(()),
                Stage::CopyAgain(names, at) => (names, at),
            };
            turn.holds = true;
            // A source that is behind its own log has to come further before a copy helps.
            times = if again_at.replace(at) == Some(at) { u32::saturating_add(times, 1) } else { 0 };
            if times > 0 {
                self.give_back(&mut turn).await;
                if self.wait(backoff(times, self.host.random()), &mut shutdown).await == Ended::Stopped {
                    return Ok(());
                }
            }
            observer.observe_sync(SyncEvent::Again { names: &names, at });
            if self.ask_again(&names, &mut turn, &mut shutdown, observer).await? == Ended::Stopped {
                return Ok(());
            }
        }
    }

    /// Asks for everything to be copied anew at the next run: what the target holds goes then.
    ///
    /// # Errors
    /// When the target cannot be written, or another process works on it.
    pub async fn request_copy(&self) -> Result<(), FollowError> {
        Ok(self.initial_sync().request().await?)
    }

    fn turn(&self) -> Turn {
        Turn { owner: OwnerId::from_bytes(self.host.random()), holds: false }
    }

    /// Copies what has to be copied.
    async fn copy(
        &self,
        turn: &mut Turn,
        shutdown: &mut (impl Future<Output = ()> + Send + Unpin),
        observer: &impl SyncObserver,
    ) -> Result<Ended, FollowError> {
        let mut attempt = 0;
        loop {
            match self.copy_if_needed(turn, shutdown, observer).await {
                Ok(ended) => return Ok(ended),
                Err(error) => {
                    self.give_back(turn).await;
                    if self.retry(error, &mut attempt, shutdown, observer).await? == Ended::Stopped {
                        return Ok(Ended::Stopped);
                    }
                }
            }
        }
    }

    /// Gives a lease back that was handed on. One that cannot be given back lapses.
    async fn give_back(&self, turn: &mut Turn) {
        if std::mem::take(&mut turn.holds)
            && let Ok(Some(lease)) = self.target.lease(LeaseName::Documents).await
            && lease.owner == turn.owner
        {
            let _lapses = self.target.swap_lease(LeaseName::Documents, Some(&lease), None).await;
        }
    }

    async fn copy_if_needed(
        &self,
        turn: &mut Turn,
        shutdown: &mut (impl Future<Output = ()> + Send + Unpin),
        observer: &impl SyncObserver,
    ) -> Result<Ended, SyncError> {
        let is_needed = tokio::select! {
            biased;
            () = &mut *shutdown => {
                self.give_back(turn).await;
                return Ok(Ended::Stopped);
            }
            is_needed = self.has_to_be_copied() => is_needed?,
        };
        if !is_needed {
            return Ok(Ended::Done);
        }
        let ended = self.initial_sync().handing_on(turn.owner).run_until(shutdown, observer).await;
        // What a failed try has sent and may still be done comes from another owner.
        if ended.is_err() {
            *turn = self.turn();
        }
        ended
    }

    async fn has_to_be_copied(&self) -> Result<bool, SyncError> {
        let phase = initial_sync::phase(&self.target).await?;
        if phase.is_some_and(|phase| phase != Phase::CatchUp) {
            return Ok(true);
        }
        let has_begun = self.target.checkpoint().await?.is_some() || self.target.unfinished().await?.is_some();
        if has_begun {
            return Ok(false);
        }
        // One that was copied and has no checkpoint yet was cut off in between.
        Ok(phase.is_some() || self.source.has_to_be_copied().await?)
    }

    fn initial_sync(&self) -> InitialSync<'_, F, S, T, H> {
        InitialSync::new(&self.name, &self.feed, &self.source, &self.target, &self.host, &self.sync)
    }

    async fn replicate(
        &self,
        owner: OwnerId,
        shutdown: &mut (impl Future<Output = ()> + Send + Unpin),
        observer: &impl Observer,
    ) -> Result<Stage, FollowError> {
        let (target, host) = (self.target.clone(), self.host.clone());
        let replicator = Replicator::new(&*self.name, &self.feed, target, host, self.replication.clone());
        let mut replicator = replicator.taking_over(owner);
        let ended = replicator.run(shutdown, observer).await;
        if let Err(ReplicateError::CopyAgain { names, at, .. }) = ended {
            return Ok(Stage::CopyAgain(names, at));
        }
        let closed = replicator.close().await;
        match ended {
            // A lease that could not be given back lapses.
            Err(error) => Err(error.into()),
            Ok(()) => closed.map(|()| Stage::Stopped).map_err(|error| ReplicateError::Target(error).into()),
        }
    }

    /// Notes in the target which collections are to be copied again.
    async fn ask_again(
        &self,
        names: &[Namespace],
        turn: &mut Turn,
        shutdown: &mut (impl Future<Output = ()> + Send + Unpin),
        observer: &impl SyncObserver,
    ) -> Result<Ended, FollowError> {
        let mut attempt = 0;
        loop {
            let sync = self.initial_sync().handing_on(turn.owner);
            let Err(error) = sync.request_again(names).await else {
                turn.holds = true;
                return Ok(Ended::Done);
            };
            *turn = self.turn();
            if self.retry(error, &mut attempt, shutdown, observer).await? == Ended::Stopped {
                return Ok(Ended::Stopped);
            }
        }
    }

    /// Waits before what has failed is tried again, or stops for good.
    async fn retry(
        &self,
        error: SyncError,
        attempt: &mut u32,
        shutdown: &mut (impl Future<Output = ()> + Send + Unpin),
        observer: &impl SyncObserver,
    ) -> Result<Ended, FollowError> {
        if decide_sync(&error) != Decision::Retry {
            let told = self.tell_stop(&error).await;
            observer.observe_sync(SyncEvent::Stopped { error: &error, untold: told.as_ref().err() });
            return Err(error.into());
        }
        *attempt = attempt.saturating_add(1);
        let wait = backoff(*attempt, self.host.random());
        observer.observe_sync(SyncEvent::Retrying { attempt: *attempt, wait, error: &error });
        Ok(self.wait(wait, shutdown).await)
    }

    async fn wait(&self, time: Duration, shutdown: &mut (impl Future<Output = ()> + Send + Unpin)) -> Ended {
        tokio::select! {
            biased;
            () = &mut *shutdown => Ended::Stopped,
            () = self.host.sleep(time) => Ended::Done,
        }
    }

    /// Leaves word in the target why it could not be copied, unless another process works on it.
    async fn tell_stop(&self, error: &SyncError) -> Result<(), StoreError> {
        if error.is_busy() {
            return Ok(());
        }
        let too_stale = decide_sync(error) == Decision::Resync;
        self.target.set_stop(&Stop { at: Position::default(), too_stale, reason: error_chain(error) }).await
    }
}

#[cfg(test)]
mod tests;
