//! Applying a batch to a node: as one atomic write, as the embedded store does, or in steps, as a
//! standalone server needs it: a note of what is about to be written, the documents in any order
//! and in parallel, and at last the checkpoint.

use super::{
    client::SimStore,
    network::{Access, DEADLINE},
    node::{Change as Made, State},
    server::{Server, check_owner},
    world::Micros,
};
use crate::{
    apply::Existence,
    batch::{Batch, Change},
    checkpoint::Checkpoint,
    document::Document,
    documents::Applied,
    entry::Entry,
    ids::OwnerId,
    planted::{Bug, is_planted},
    store_error::Fault,
};

/// What a bulk of writes came to: those whose document was not as it must be, with what it was.
type Drifted = Vec<(Change, Option<Document>)>;

impl SimStore {
    pub(super) async fn apply_batch(&self, batch: &Batch, owner: OwnerId) -> Result<Applied, Fault> {
        let changes = batch.fold().map_err(|found| Fault::from(&found))?;
        let target = Target { owner, follows: batch_start(batch), ends: batch_end(batch) };
        if self.is_atomic() {
            return self.request(Access::Write, "apply", move |server| server.apply(target, changes.clone())).await;
        }
        let checked = changes.clone();
        let unfinished = self
            .request(Access::Read, "look at the target", move |server| server.check_target(target, checked.clone()))
            .await?;
        // What follows is begun by a deadline that counts from here, so that one who sleeps between
        // the note and the writes does not write behind another's back.
        let until = self.sim().world().now + DEADLINE;
        self.request(Access::Write, "begin a batch", move |server| server.begin(target)).await?;
        if is_planted(Bug::CheckpointBeforeApply) {
            self.finish(target).await?;
        }
        let applied = self.write_documents(&changes, unfinished.is_some(), until).await.map_err(after_a_write)?;
        self.finish(target).await?;
        Ok(applied)
    }

    async fn finish(&self, target: Target) -> Result<(), Fault> {
        let moved = self.request(Access::Write, "move the checkpoint", move |server| server.finish(target));
        moved.await.map_err(after_a_write)
    }

    async fn write_documents(&self, changes: &[Change], again: bool, until: Micros) -> Result<Applied, Fault> {
        // Two bulks at once: the changes of a batch commute.
        let (left, right) = changes.split_at(changes.len() / 2);
        let (left, right) = tokio::join!(self.bulk(left, until), self.bulk(right, until));
        if is_planted(Bug::NothingCommittedIgnored) && left.is_ok() != right.is_ok() {
            return Ok(Applied::default());
        }
        let mut drifted = left?;
        drifted.extend(right?);
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let (repeated, others): (Drifted, Drifted) =
            drifted.into_iter().partition(|(change, found)| again && *found == change.after);
        match others.into_iter().min_by_key(|(change, _)| change.index) {
            Some((change, found)) => Err(drift(&change, found.as_ref()).unwrap_or(Fault::Defect)),
            None => Ok(Applied { changed: count(changes.len() - repeated.len()), repeated: count(repeated.len()) }),
        }
    }

    async fn bulk(&self, changes: &[Change], until: Micros) -> Result<Drifted, Fault> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let changes = changes.to_vec();
        self.request(Access::WriteOnce, "write documents", move |server| server.bulk(changes.clone(), until)).await
    }
}

/// Which step of which target a batch is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    owner: OwnerId,
    follows: Checkpoint,
    ends: Checkpoint,
}

impl Target {
    /// Whether the batch may be applied: to be checked in the same step as what depends on it.
    fn check(&self, state: &State) -> Result<(), Fault> {
        if is_planted(Bug::OverlappingSyncs) {
            return Ok(());
        }
        let origin = Checkpoint { log: self.follows.log, anchor: Entry::origin(self.follows.log) };
        let found = state.checkpoint.unwrap_or(origin);
        if found != self.follows {
            return Err(Fault::CheckpointMoved { found: found.anchor.position });
        }
        check_owner(state, self.owner)?;
        match state.window {
            Some(end) if end != self.ends.anchor.position.index => {
                Err(Fault::CheckpointMoved { found: found.anchor.position })
            }
            _ => Ok(()),
        }
    }
}

impl Server {
    /// Documents and checkpoint as one atomic write.
    async fn apply(self, target: Target, changes: Vec<Change>) -> Result<Applied, Fault> {
        self.think().await;
        self.look(|state| {
            target.check(state)?;
            check_drift(state, &changes)
        })?;
        let applied = Applied { changed: u64::try_from(changes.len()).unwrap_or(u64::MAX), repeated: 0 };
        let documents = changes.into_iter().map(|change| Made::Document((change.ns, change.id), change.after));
        let ticket = self.write(documents.chain([Made::Checkpoint(target.ends), Made::Stop(None)]).collect())?;
        self.settle(ticket).await;
        Ok(applied)
    }

    /// Up to where a batch was begun before. Nothing is written when something cannot be.
    async fn check_target(self, target: Target, changes: Vec<Change>) -> Result<Option<u64>, Fault> {
        self.think().await;
        self.look(|state| {
            target.check(state)?;
            if state.window.is_none() {
                check_drift(state, &changes)?;
            }
            Ok(state.window)
        })
    }

    /// Notes that the batch is begun.
    async fn begin(self, target: Target) -> Result<(), Fault> {
        self.think().await;
        self.look(|state| target.check(state))?;
        let ticket = self.write(vec![Made::Window(Some(target.ends.anchor.position.index))])?;
        self.settle(ticket).await;
        Ok(())
    }

    /// Writes documents one by one, none of them later than `until`.
    async fn bulk(self, changes: Vec<Change>, until: Micros) -> Result<Drifted, Fault> {
        let mut drifted = Vec::new();
        for change in changes {
            self.think().await;
            if self.sim.world().now > until {
                return Err(Fault::Unknown);
            }
            let place = (change.ns.clone(), change.id.clone());
            let found = self.look(|state| state.documents.get(&place).cloned());
            if drift(&change, found.as_ref()).is_none() {
                self.write(vec![Made::Document(place, change.after)])?;
            } else {
                drifted.push((change, found));
            }
        }
        self.settle_all().await;
        Ok(drifted)
    }

    /// Moves the checkpoint.
    async fn finish(self, target: Target) -> Result<(), Fault> {
        self.think().await;
        self.look(|state| target.check(state))?;
        let ticket = self.write(vec![Made::Checkpoint(target.ends), Made::Window(None), Made::Stop(None)])?;
        self.settle(ticket).await;
        Ok(())
    }
}

fn check_drift(state: &State, changes: &[Change]) -> Result<(), Fault> {
    let found = |change: &Change| state.documents.get(&(change.ns.clone(), change.id.clone()));
    changes.iter().find_map(|change| drift(change, found(change))).map_or(Ok(()), Err)
}

fn drift(change: &Change, found: Option<&Document>) -> Option<Fault> {
    change.drift(Existence::of(found))
}

/// Once something is written, a node that does not answer is no proof that nothing was.
fn after_a_write(fault: Fault) -> Fault {
    if fault == Fault::Unavailable { Fault::Unknown } else { fault }
}

fn batch_start(batch: &Batch) -> Checkpoint {
    Checkpoint { log: batch.log(), anchor: *batch.after() }
}

fn batch_end(batch: &Batch) -> Checkpoint {
    Checkpoint { log: batch.log(), anchor: batch.last() }
}
