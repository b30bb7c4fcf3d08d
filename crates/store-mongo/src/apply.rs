//! Applying a batch where data and checkpoint cannot be one write: data first, then the
//! checkpoint, with a durable note before both of what is about to be written.
//!
//! The note is journaled before the data goes out. A note that is merely written before could be
//! lost in a crash of the server of which the client, asleep at that moment, sees nothing.

mod patches;
mod write;

use std::{collections::HashMap, sync::Arc};

use oplogsync_core::{
    apply::Existence,
    batch::{Batch, Change},
    command::Action,
    doc_id::DocId,
    documents::Applied,
    ids::OwnerId,
    namespace::Namespace,
    store_error::Fault,
};

pub(crate) use self::patches::{Patched, resolve};
use crate::{
    bulk::Outcome,
    error::Failure,
    hold::Hold,
    node_document::{DocumentsState, Window},
    store::MongoStore,
};

/// What the documents of a batch may be found as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// As the entries before the batch left them.
    First,
    /// So, or as the batch leaves them: it was begun before.
    Again,
    /// Anything: the documents were taken through their steps one by one.
    Steps,
}

/// A batch that is noted as begun.
pub(crate) struct Begun<'a> {
    /// From before the note.
    pub(crate) state: &'a DocumentsState,
    pub(crate) batch: &'a Batch,
    pub(crate) hold: Hold<'a>,
    pub(crate) pass: Pass,
    pub(crate) window: Window,
    /// Documents that are on their way through their steps already, and the entry that is next.
    pub(crate) next: HashMap<(Namespace, DocId), u64>,
}

impl MongoStore {
    pub(crate) async fn apply_batch(&self, batch: &Batch, owner: OwnerId) -> Result<Applied, Failure> {
        if let Some(action) = batch.command() {
            return self.apply_command(batch, &action, owner).await;
        }
        let mut changes =
            batch.fold().map_err(|contradiction| Failure::new(Fault::from(&contradiction)).because(contradiction))?;
        // Nothing may be written when a part of the batch cannot be.
        for change in &changes {
            self.place(&change.ns)?;
        }
        let patched = Patched::take(&mut changes)?;
        let changes: Vec<Arc<Change>> = changes.into_iter().map(Arc::new).collect();
        let state = self.check_target(batch, owner).await?;
        if let Some(window) = state.unfinished() {
            let pass = if window.steps { Pass::Steps } else { Pass::Again };
            let hold = Hold::new(batch, owner);
            self.begin(&state, batch, owner, window).await?;
            let begun = Begun { state: &state, batch, hold, pass, window: window.clone(), next: HashMap::new() };
            return self.apply_begun(begun, changes, patched).await.map_err(Failure::after_a_write);
        }
        match self.apply_first(&state, batch, changes, patched, owner).await {
            // What seems to be wrong may be the batch itself: a try of our own that was given up, and came late.
            Err(failure) if matches!(failure.fault, Fault::Drift { .. } | Fault::Misfit { .. }) => {
                self.check_target(batch, owner).await?;
                Err(failure)
            }
            applied => applied,
        }
    }

    /// Applies a batch that was not begun before.
    async fn apply_first(
        &self,
        state: &DocumentsState,
        batch: &Batch,
        mut changes: Vec<Arc<Change>>,
        mut patched: Patched,
        owner: OwnerId,
    ) -> Result<Applied, Failure> {
        if let Some(drifted) = self.drifted_already(&changes).await? {
            return Err(drift_failure(&drifted));
        }
        // One write moves the checkpoint. A note of such a batch would bind the next try to the very same entries,
        // and a feed whose entries do nothing has others to tell by then.
        if changes.is_empty() && patched.is_empty() {
            self.finish(state, batch, owner, None).await?;
            return Ok(Applied::default());
        }
        if self.is_transactional()
            && let Some(applied) = self.apply_in_transaction(state, batch, &changes, &patched, owner).await?
        {
            return Ok(applied);
        }
        let (ready, images) = self.foresee(&mut patched).await?;
        changes.extend(ready);
        let hold = Hold::new(batch, owner);
        let window = Window { images, ..Window::of(batch) };
        self.begin(state, batch, owner, &window).await?;
        let begun = Begun { state, batch, hold, pass: Pass::First, window, next: HashMap::new() };
        self.apply_begun(begun, changes, patched).await.map_err(Failure::after_a_write)
    }

    /// Applies a batch that is noted as begun.
    async fn apply_begun(
        &self,
        mut begun: Begun<'_>,
        changes: Vec<Arc<Change>>,
        mut patched: Patched,
    ) -> Result<Applied, Failure> {
        let mut outcome = self.write_changes(&begun, &changes).await?;
        while !patched.is_empty() {
            let (ready, done) = self.resolve_begun(&mut begun, &mut patched).await?;
            outcome.repeated += done;
            outcome.absorb(self.write_changes(&begun, &ready).await?);
        }
        if !outcome.refused.is_empty() {
            self.settle_refused(&begun, &mut outcome).await?;
        }
        conclude(&outcome)?;
        self.finish(begun.state, begun.batch, begun.hold.owner(), None).await?;
        Ok(Applied { changed: count(outcome.changed), repeated: count(outcome.repeated) })
    }

    /// Runs the command that a batch consists of. Between the note and the checkpoint it can be run again.
    async fn apply_command(&self, batch: &Batch, action: &Action, owner: OwnerId) -> Result<Applied, Failure> {
        let state = self.check_target(batch, owner).await?;
        let hold = Hold::new(batch, owner);
        let is_again = state.unfinished().is_some();
        if !is_again {
            self.check_action(action).await?;
        }
        self.begin(&state, batch, owner, &Window::of(batch)).await?;
        let run = async {
            self.still_holds(&hold).await?;
            self.run_checked(action, is_again).await?;
            self.finish(&state, batch, owner, None).await
        };
        run.await.map_err(Failure::after_a_write)?;
        Ok(Applied::default())
    }
}

/// The oldest of what has gone wrong, if anything has.
fn conclude(outcome: &Outcome) -> Result<(), Failure> {
    if let Some(first) = outcome.drifted.iter().min_by_key(|change| change.index) {
        return Err(drift_failure(first));
    }
    match outcome.refused.iter().min_by_key(|refused| refused.change.index) {
        Some(refused) => Err(rejected(&refused.change).because(refused.error.clone())),
        None => Ok(()),
    }
}

pub(crate) fn count(documents: usize) -> u64 {
    u64::try_from(documents).unwrap_or(u64::MAX)
}

/// The failure that a document is not as the log left it.
pub(crate) fn drift_failure(change: &Change) -> Failure {
    let found = match change.before {
        Some(Existence::Present) => Existence::Absent,
        _ => Existence::Present,
    };
    Failure::new(change.drift(found).unwrap_or(Fault::Defect))
}

/// The failure that the server refuses a document.
pub(crate) fn rejected(change: &Change) -> Failure {
    Failure::new(Fault::Rejected { ns: change.ns.clone(), id: change.id.clone(), index: change.index })
}
