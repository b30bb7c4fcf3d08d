//! What a replicator asks its feed for, and when.

use std::time::Duration;

use super::{ReplicateError, Replicator, Seat};
use crate::{
    batch::Batch,
    checkpoint::{Checkpoint, Token},
    command::Action,
    documents::Applied,
    entry::Operation,
    feed::{Feed, FeedError, Fetch},
    filter::Unnameable,
    host::Host,
    initial_sync::SyncTarget,
    limits::Limits,
    position::Anchor,
    store_error::{Fault, StoreError},
};

/// How much less is asked for at a time once something is damaged: three steps from ten thousand to one,
/// for a damaged entry can be long, and is read with each.
const NARROWING: usize = 32;

impl<F, D, H> Replicator<F, D, H>
where
    F: Feed,
    D: SyncTarget + Clone,
    H: Host,
{
    /// The next batch. Where something is damaged fewer entries are asked for, so that all before the
    /// damage is applied first, and the target stops at the entry before it.
    pub(super) async fn fetch(&self, seat: &Seat<D>) -> Result<Fetch, FeedError> {
        let mut window = seat.applier.window(self.pace.limits(), self.alone);
        let mut damage = None;
        loop {
            match (self.ask(seat.applier.checkpoint(), seat.applier.token(), window).await, damage) {
                // An unfinished batch is applied as it was begun, or not at all.
                (Err(error), _) if error.is_damage() && window.entries_max > 1 && !seat.applier.is_unfinished() => {
                    window.entries_max = (window.entries_max / NARROWING).max(1);
                    damage = Some(error);
                }
                // Nothing is left in which the damage could be: it came and went, and is told all the same.
                (Ok(fetch), Some(error)) if fetch.batch.as_ref().is_none_or(|batch| batch.last() == fetch.head) => {
                    return Err(error);
                }
                (fetched, _) => return fetched,
            }
        }
    }

    /// Fetches from the feed, and refuses what the filter lets pass under a name that there cannot be.
    async fn ask(
        &self,
        checkpoint: Option<Checkpoint>,
        token: Option<&Token>,
        limits: Limits,
    ) -> Result<Fetch, FeedError> {
        let fetch = self.feed.fetch(checkpoint, token, limits).await?;
        let filter = &self.options.filter;
        if filter.is_everything() {
            return Ok(fetch);
        }
        let entries = fetch.batch.iter().flat_map(Batch::entries);
        let mut named = entries.flat_map(|entry| {
            let names = match entry.operation() {
                Operation::Command(command) => match command.action() {
                    Action::Rename { ns, to, .. } => [Some(ns), Some(to)],
                    other => [other.namespace(), None],
                },
                other => [other.namespace(), None],
            };
            names.into_iter().flatten().map(move |ns| (entry, ns))
        });
        let found = named.find(|(_, ns)| filter.is_unnameable(ns));
        let found = found.map(|(entry, ns)| (entry.position(), ns.to_string()));
        drop(named);
        match found {
            None => Ok(fetch),
            Some((at, name)) => {
                let refused =
                    StoreError::new(&self.name, format!("follow its feed at {at}"), Fault::Unreplicable { name });
                Err(refused.because(Unnameable).into())
            }
        }
    }

    /// Applies a batch and meanwhile fetches the next one, if more is known to be there.
    pub(super) async fn apply_and_fetch(
        &self,
        seat: &mut Seat<D>,
        batch: Batch,
        head: Anchor,
    ) -> Result<(Applied, Option<Duration>), ReplicateError> {
        let within = batch.after().next_index()..=batch.last().position.index;
        let images = self.images.range(within);
        let batch = images.fold(batch, |batch, (index, image)| batch.with_image(*index, image.clone()));
        let last = batch.last();
        let began = self.host.now();
        let took = || self.host.now().duration_since(began).ok();
        if self.alone.is_some() || head.position.index <= last.position.index {
            return Ok((seat.applier.apply(batch).await?, took()));
        }
        let after = Checkpoint { log: batch.log(), anchor: last };
        let (token, view) = (batch.token().cloned(), seat.applier.view().clone());
        let apply = async {
            let applied = seat.applier.apply(batch).await;
            applied.map(|applied| (applied, took()))
        };
        let fetch = async {
            let mut fetch = self.ask(Some(after), token.as_ref(), self.pace.limits()).await?;
            // Beside an apply that waits for its store, this costs no time.
            fetch.batch = fetch.batch.map(|batch| batch.seen(view)).inspect(Batch::fold_ahead);
            Ok(fetch)
        };
        let (applied, fetched) = tokio::join!(apply, fetch);
        seat.fetched = Some(fetched);
        applied
    }
}
