//! What an applier owes a target that was copied: commands change what is remembered of the copy, and
//! in the end the indexes are built.

use std::collections::BTreeSet;

use super::Applier;
use crate::{
    catalog::Index,
    catch_up::{Clock, Moment},
    clock::OpTime,
    command::Action,
    entry::Entry,
    initial_sync::{CollectionState, Note, State, SyncTarget},
    namespace::{DatabaseName, Namespace},
    position::Anchor,
    replicator::ReplicateError,
    store_error::StoreError,
    view::Seen,
};

impl<D: SyncTarget + Clone> Applier<D> {
    /// Does what the command in `entry` wants beside the batch, before the batch is applied. All of it can
    /// be done again.
    pub(super) async fn heed_command(&mut self, entry: &Entry) -> Result<(), ReplicateError> {
        match self.view.command(entry) {
            None | Some(Seen::Skip) => Ok(()),
            Some(Seen::Recopy(names)) => {
                Err(ReplicateError::CopyAgain { target: self.name.clone(), names, at: entry.position() })
            }
            Some(Seen::Run { source, .. }) => {
                Ok(self.remember(&entry.anchor(), |state, at| state.follow(&source, at)).await?)
            }
            Some(Seen::Defer(source)) => Ok(self.remember(&entry.anchor(), |state, _| state.defer(&source)).await?),
            Some(Seen::Clear(database)) => Ok(self.clear(&database, entry).await?),
        }
    }

    /// Drops what came from a database of the source, but for what was copied later.
    async fn clear(&mut self, database: &DatabaseName, entry: &Entry) -> Result<(), StoreError> {
        let catch_up = self.view.catch_up().cloned();
        let goes = |ns: &Namespace| {
            ns.database() == database.as_str() && !catch_up.as_ref().is_some_and(|it| it.is_from_later(ns, entry))
        };
        let mut names: BTreeSet<Namespace> = self.target.namespaces().await?.into_iter().collect();
        names.extend(self.target.collections().await?.into_iter().map(|collection| collection.ns));
        for ns in names {
            if self.view.filter().origin(&ns).is_some_and(|origin| goes(&origin)) {
                self.target.run(&Action::Drop { ns }, self.owner).await?;
            }
        }
        self.remember(&entry.anchor(), |state, _| state.forget_all(goes)).await
    }

    /// Changes what is remembered of the copy by a command at an anchor.
    async fn remember(
        &mut self,
        anchor: &Anchor,
        change: impl FnOnce(&mut State, Moment) -> Vec<Note>,
    ) -> Result<(), StoreError> {
        let Some(state) = &mut self.copied else { return Ok(()) };
        let at = state.clock.moment(anchor);
        let notes = change(state, at);
        if notes.is_empty() {
            return Ok(());
        }
        self.view = self.view.clone().catching_up(state.catch_up().map(Into::into));
        self.target.put_notes(&notes, self.owner).await
    }

    /// Ends the catch-up when it is reached: builds the indexes and the views, and forgets the copy. `next` is
    /// the optime of the entry that follows, if one is known.
    pub(crate) async fn end_catch_up(&mut self, next: Option<OpTime>) -> Result<(), StoreError> {
        let Some((catch_up, checkpoint)) = self.view.catch_up().zip(self.checkpoint) else { return Ok(()) };
        // What follows of the same transaction is as old as what was copied.
        let goes_on = catch_up.clock == Clock::OpTime && next == Some(checkpoint.anchor.optime);
        if goes_on || !catch_up.is_reached(&checkpoint.anchor) {
            return Ok(());
        }
        let Some(state) = &self.copied else { return Ok(()) };
        for (ns, copied) in &state.collections {
            let (Some(collection), Some(ns)) = (&copied.collection, self.view.filter().map(ns)) else { continue };
            if collection.options.is_view() {
                let options = collection.options.clone();
                self.target.run(&Action::Create { ns: ns.clone(), options }, self.owner).await?;
            }
            if !collection.indexes.is_empty() {
                let indexes = collection.indexes.iter().map(Index::on_replica).collect();
                self.target.run(&Action::CreateIndexes { ns, indexes }, self.owner).await?;
            }
        }
        let gone: Vec<Note> = state.all_notes().into_iter().map(|name| Note { name, document: None }).collect();
        self.target.put_notes(&gone, self.owner).await?;
        self.copied = None;
        self.view = self.view.clone().catching_up(None);
        Ok(())
    }
}

/// What commands make of what is remembered, told as the notes that change. Each command may have been
/// heeded before, and cut off before it was applied.
impl State {
    /// By a command of the moment `at` that is run.
    fn follow(&mut self, action: &Action, at: Moment) -> Vec<Note> {
        match action {
            // One that was found is there: what a source says once more changes nothing.
            Action::Create { ns, .. } if self.collections.get(ns).is_some_and(|it| it.collection.is_some()) => {
                Vec::new()
            }
            // What comes into being now is none of what was copied.
            Action::Drop { ns } | Action::Create { ns, .. } => self.forget(ns),
            Action::Rename { ns, to, .. } => self.rename(ns, to, at),
            Action::DropDatabase { .. }
            | Action::CreateIndexes { .. }
            | Action::DropIndexes { .. }
            | Action::Modify { .. } => Vec::new(),
        }
    }

    fn rename(&mut self, ns: &Namespace, to: &Namespace, at: Moment) -> Vec<Note> {
        let is_moved = |state: &CollectionState| state.renamed_at == Some(at);
        if self.collections.get(to).is_some_and(is_moved) {
            return self.forget(ns);
        }
        let mut notes = self.forget(to);
        if let Some(mut moved) = self.collections.get(ns).cloned() {
            // Its documents are all from before: of the parts nothing is to be remembered.
            moved.ranges.clear();
            moved.splits.clear();
            moved.renamed_at = Some(at);
            if let Some(collection) = &mut moved.collection {
                collection.ns = to.clone();
            }
            self.collections.insert(to.clone(), moved);
            notes.push(self.collection_note(to));
        }
        notes.extend(self.forget(ns));
        notes
    }

    /// By a command that changes what is made in the end.
    fn defer(&mut self, action: &Action) -> Vec<Note> {
        let Some(ns) = action.namespace() else { return Vec::new() };
        let known = self.collections.get_mut(ns).and_then(|state| state.collection.as_mut());
        match (known, action) {
            (Some(collection), Action::CreateIndexes { indexes, .. }) => collection.create_indexes(indexes),
            (Some(collection), Action::DropIndexes { names, .. }) => collection.drop_indexes(names),
            (Some(collection), Action::Modify { changes, .. }) => collection.modify(changes),
            _ => return Vec::new(),
        }
        vec![self.collection_note(ns)]
    }

    fn forget(&mut self, ns: &Namespace) -> Vec<Note> {
        let Some(gone) = self.collections.remove(ns) else { return Vec::new() };
        gone.notes(ns).into_iter().map(|name| Note { name, document: None }).collect()
    }

    fn forget_all(&mut self, goes: impl Fn(&Namespace) -> bool) -> Vec<Note> {
        let names: Vec<Namespace> = self.collections.keys().filter(|ns| goes(ns)).cloned().collect();
        names.iter().flat_map(|ns| self.forget(ns)).collect()
    }
}
