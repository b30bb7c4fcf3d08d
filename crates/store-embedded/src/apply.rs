//! Applying a batch: documents, collections, digests and checkpoint in one atomic write.

use oplogsync_core::{
    apply::Existence,
    batch::{Batch, Change, Contradiction},
    checkpoint::{Checkpoint, Resume},
    command::Action,
    documents::Applied,
    entry::Entry,
    ids::{LogId, OwnerId},
    lease::LeaseName,
    position::Anchor,
    store_error::{Fault, StoreError},
};

use crate::{
    contents::{Contents, check_id},
    engine::Engine,
    key::Key,
    keyspace::Keyspace,
    step::Step,
    tree::{View, Writer},
    trouble::Trouble,
};

/// A batch, folded: what is left to do, and between which two checkpoints.
#[derive(Debug)]
pub(crate) struct Folded {
    log: LogId,
    after: Anchor,
    last: Anchor,
    resume: Resume,
    changes: Vec<Change>,
    command: Option<Action>,
}

/// Documents go into a view.
#[derive(Debug, thiserror::Error)]
#[error("it is a view, which has no documents of its own")]
pub(crate) struct IsView;

impl Folded {
    pub(crate) fn new(node: &str, batch: &Batch) -> Result<Self, StoreError> {
        let (log, after, last) = (batch.log(), *batch.after(), batch.last());
        let (resume, command) = (batch.resume(), batch.command());
        let mut folded = Self { log, after, last, resume, changes: Vec::new(), command };
        folded.changes = batch
            .fold()
            .map_err(|why: Contradiction| StoreError::new(node, folded.doing(), Fault::from(&why)).because(why))?;
        Ok(folded)
    }

    fn doing(&self) -> String {
        format!("apply the entries after {} up to {}", self.after.position, self.last.position)
    }

    /// The stored checkpoint must be the one that the batch follows.
    fn check_checkpoint<E: Engine>(&self, view: &View<'_, E>) -> Result<(), Trouble> {
        let expected = Checkpoint { log: self.log, anchor: self.after };
        let origin = || Checkpoint { log: self.log, anchor: Entry::origin(self.log) };
        let found = view.record(&Key::checkpoint())?.unwrap_or_else(origin);
        if found == expected {
            return Ok(());
        }
        Err(Trouble::new(Fault::CheckpointMoved { found: found.anchor.position }))
    }
}

impl<E: Engine> Keyspace<E> {
    /// See [`Documents::apply`](oplogsync_core::documents::Documents::apply).
    ///
    /// # Errors
    /// As there.
    pub fn apply(&self, batch: &Batch, owner: OwnerId) -> Result<Applied, StoreError> {
        self.apply_folded(Folded::new(self.node(), batch)?, owner)
    }

    pub(crate) fn apply_folded(&self, folded: Folded, owner: OwnerId) -> Result<Applied, StoreError> {
        let (doing, has_command) = (folded.doing(), folded.command.is_some());
        let applied = self.write(
            Step::Apply,
            || doing.clone(),
            |writer| {
                folded.check_checkpoint(&writer.view)?;
                writer.leases.check(LeaseName::Documents, owner)?;
                let applied = apply_changes(writer, folded.changes)?;
                if let Some(action) = &folded.command {
                    writer.run(action)?;
                }
                writer.put_checkpoint(&Checkpoint { log: folded.log, anchor: folded.last }, &folded.resume)?;
                Ok(applied)
            },
        )?;
        if has_command {
            self.sweep_all().map_err(|trouble| trouble.on(self.node(), doing))?;
        }
        Ok(applied)
    }
}

impl<E: Engine> Writer<'_, E> {
    /// Moves the checkpoint, with what stands beside it, and forgets a stop.
    pub(crate) fn put_checkpoint(&mut self, checkpoint: &Checkpoint, resume: &Resume) -> Result<(), Trouble> {
        self.put(&Key::checkpoint(), checkpoint)?;
        if resume.is_plain() {
            self.remove(&Key::resume());
        } else {
            self.put(&Key::resume(), resume)?;
        }
        self.remove(&Key::stop());
        Ok(())
    }
}

/// Makes the changes, which are ordered by namespace.
fn apply_changes<E: Engine>(writer: &mut Writer<'_, E>, mut changes: Vec<Change>) -> Result<Applied, Trouble> {
    writer.reserve(changes.len());
    for group in changes.chunk_by_mut(|a, b| a.ns == b.ns) {
        let Some(ns) = group.first().map(|change| change.ns.clone()) else { continue };
        if writer.view.is_view(&ns)?
            && let Some(Change { id, index, .. }) = group.iter().find(|change| change.after.is_some())
        {
            return Err(Trouble::new(Fault::Rejected { ns, id: id.clone(), index: *index }).because(IsView));
        }
        let mut contents = Contents::open(&writer.view, &ns)?;
        for change in group {
            apply_change(writer, &mut contents, change)?;
        }
        contents.close(writer, &ns)?;
    }
    Ok(Applied { changed: changes.len() as u64, repeated: 0 })
}

fn apply_change<E: Engine>(
    writer: &mut Writer<'_, E>,
    contents: &mut Contents,
    change: &mut Change,
) -> Result<(), Trouble> {
    let current = contents.current(writer, &change.ns, &change.id)?;
    let found = if current.is_some() { Existence::Present } else { Existence::Absent };
    if let Some(drift) = change.drift(found) {
        return Err(Trouble::new(drift));
    }
    if !change.patches.is_empty() {
        let base = current.as_ref().map(|current| current.document(change.ns.as_str())).transpose()?;
        change.resolve(base.as_ref()).map_err(|unfit| Trouble::new(Fault::from(&unfit)).because(unfit))?;
    }
    match (&change.after, current) {
        (Some(document), current) => {
            check_id::<E>(&change.ns, &change.id, change.index)?;
            contents.put(writer, &change.id, current, document)?;
        }
        (None, Some(current)) => contents.remove(writer, current),
        (None, None) => {}
    }
    Ok(())
}
