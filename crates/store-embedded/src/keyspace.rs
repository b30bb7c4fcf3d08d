//! [`Keyspace`]: the one tree of a store, with everything that a call needs, without async.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use oplogsync_core::store_error::StoreError;
use tokio::sync::Notify;

use crate::{
    check::{Opened, check},
    contained::Contained,
    durability::{Durability, Options},
    engine::Engine,
    flusher::Flusher,
    folder::{Folder, unavailable, with_patience},
    group_commit::{GroupCommit, Ticket},
    key::Key,
    leases::LeaseTable,
    mark::Mark,
    presence::Presence,
    record::Format,
    step::{Step, Steps},
    sum::Sum,
    tree::{View, Writer},
    trouble::Trouble,
};

/// The version of the layout that this code writes.
pub(crate) const FORMAT: Format = Format(2);
/// The version before, which has no places and no record of a collection. It is read, and becomes the
/// present one when the folder is opened.
pub(crate) const OLD_FORMAT: Format = Format(1);

/// One tree in one folder. Every method is a plain function that blocks; the traits of the store
/// run them on threads that may.
///
/// Calls that write hold `leases` exclusively from their first read until the engine has taken
/// their one atomic batch: a check and what depends on it are one step. The sync to the disk comes
/// after it, outside, so that it can be shared.
// The fields are dropped in this order: the last sync, the engine, and only then the lock.
pub struct Keyspace<E> {
    node: Box<str>,
    leases: RwLock<LeaseTable>,
    /// Who holds `leases` exclusively holds this too.
    presence: Mutex<Presence>,
    /// Wakes those that wait for entries of the log.
    appended: Notify,
    waits: bool,
    steps: Steps,
    _flusher: Option<Flusher>,
    commit: Arc<GroupCommit>,
    engine: Arc<Contained<E>>,
    folder: Folder,
}

impl<E: Engine> Keyspace<E> {
    /// Opens the folder at `path`; see [`EmbeddedStore::open`](crate::EmbeddedStore::open).
    ///
    /// # Errors
    /// As there.
    pub(crate) fn open(path: &Path, node: &str, options: Options, steps: Steps) -> Result<Self, StoreError> {
        let folder = Folder::take::<E>(path, &steps);
        let opened = folder.and_then(|folder| Self::start(folder, node, options.durability, steps));
        opened.map_err(|trouble| trouble.on(node, format!("open the folder {}", path.display())))
    }

    /// Opens a new folder that is removed in the end.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn memory(node: &str) -> Result<Self, StoreError> {
        let steps = Steps::unwatched();
        let opened = Folder::temporary().and_then(|folder| Self::start(folder, node, Durability::None, steps));
        opened.map_err(|trouble| trouble.on(node, "open a store in memory"))
    }

    fn start(folder: Folder, node: &str, durability: Durability, steps: Steps) -> Result<Self, Trouble> {
        let open = || with_patience(|| Contained::<E>::open(folder.path()));
        let engine = Arc::new(steps.take(Step::Open, unavailable, open)?);
        let mark = folder.mark()?;
        let Opened { format, commits, presence } = engine.contain(|tree| check(&View { tree }, &mark))?;
        let commit = Arc::new(group_commit(commits, &engine, mark, steps.clone()));
        let flusher = match durability {
            Durability::Interval(interval) => {
                Some(Flusher::start(interval, Arc::clone(&commit)).map_err(Trouble::syncing)?)
            }
            Durability::Fsync | Durability::None => None,
        };
        let (leases, appended, waits) = (RwLock::default(), Notify::new(), durability.waits());
        let node = node.into();
        let presence = Mutex::new(presence);
        let keyspace =
            Self { node, leases, presence, appended, waits, steps, _flusher: flusher, commit, engine, folder };
        match format {
            None => keyspace.begin(durability)?,
            Some(FORMAT) => {}
            Some(_) => keyspace.upgrade()?,
        }
        keyspace.sweep_all()?;
        Ok(keyspace)
    }

    /// Makes a tree of the format before one of the present.
    fn upgrade(&self) -> Result<(), Trouble> {
        let mut leases = self.leases.write().unwrap_or_else(PoisonError::into_inner);
        self.engine.contain(|tree| {
            let sum = Sum::of(&View { tree })?;
            let mut presence = self.presence.lock().unwrap_or_else(PoisonError::into_inner);
            let mut writer = Writer::new(View { tree }, &mut leases, &mut presence);
            writer.put(&Key::format(), &FORMAT)?;
            self.take(Step::Upgrade, writer, Some(sum)).map(drop)
        })
    }

    /// Makes an empty tree ours.
    fn begin(&self, durability: Durability) -> Result<(), Trouble> {
        let ((), ticket) = self.change(Step::Begin, |writer| writer.put(&Key::format(), &FORMAT))?;
        if durability == Durability::None {
            return Ok(());
        }
        self.commit.settle(ticket)?;
        let sync = || self.folder.sync_entries::<E>().map_err(Trouble::syncing);
        self.steps.take(Step::SyncFolder, Trouble::syncing, sync)
    }

    /// The node that it belongs to.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Reads one consistent state.
    pub(crate) fn read<T>(
        &self,
        doing: impl FnOnce() -> String,
        work: impl FnOnce(&View<'_, E>) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let _writers_wait = self.leases.read().unwrap_or_else(PoisonError::into_inner);
        let result = self.engine.contain(|tree| work(&View { tree }));
        result.map_err(|trouble| trouble.on(&self.node, doing()))
    }

    /// Reads one consistent state, and returns only when it cannot be lost any more: others act
    /// on a position that they have seen.
    pub(crate) fn read_durable<T>(
        &self,
        doing: impl Fn() -> String,
        work: impl FnOnce(&View<'_, E>) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let mut ticket = None;
        let value = self.read(&doing, |view| {
            ticket = Some(self.commit.written());
            work(view)
        })?;
        if let Some(ticket) = ticket.filter(|_| self.waits) {
            self.commit.settle(ticket).map_err(|trouble| trouble.on(&self.node, doing()))?;
        }
        Ok(value)
    }

    /// Checks and writes as one atomic step, and waits until it is as durable as the store promises.
    /// When `work` fails nothing is written.
    pub(crate) fn write<T>(
        &self,
        step: Step,
        doing: impl FnOnce() -> String,
        work: impl FnOnce(&mut Writer<'_, E>) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let written = self.change(step, work).and_then(|(value, ticket)| {
            if self.waits {
                self.commit.settle(ticket)?;
            }
            Ok(value)
        });
        written.map_err(|trouble| trouble.on(&self.node, doing()))
    }

    /// [`Keyspace::write`] up to where the engine has taken the batch.
    pub(crate) fn change<T>(
        &self,
        step: Step,
        work: impl FnOnce(&mut Writer<'_, E>) -> Result<T, Trouble>,
    ) -> Result<(T, Ticket), Trouble> {
        let mut leases = self.leases.write().unwrap_or_else(PoisonError::into_inner);
        self.engine.contain(|tree| {
            let mut presence = self.presence.lock().unwrap_or_else(PoisonError::into_inner);
            let mut writer = Writer::new(View { tree }, &mut leases, &mut presence);
            let value = work(&mut writer)?;
            Ok((value, self.take(step, writer, None)?))
        })
    }

    /// Lets the engine take what a writer has to write.
    fn take(&self, step: Step, writer: Writer<'_, E>, sum: Option<Sum>) -> Result<Ticket, Trouble> {
        let tree = writer.view.tree;
        // Without changes the caller found its data there: it waits until that is durable.
        let Some(changes) = writer.into_changes(self.commit.written().next(), sum)? else {
            return Ok(self.commit.written());
        };
        self.steps.take(step, Trouble::syncing, || {
            tree.apply(changes).map_err(Trouble::writing)?;
            Ok(self.commit.wrote())
        })
    }

    pub(crate) fn leases(&self) -> &RwLock<LeaseTable> {
        &self.leases
    }

    pub(crate) fn appended(&self) -> &Notify {
        &self.appended
    }
}

impl<E> std::fmt::Debug for Keyspace<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyspace").field("node", &self.node).field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// The sync that concurrent writers share: out of the engine's buffers, then onto the disk.
fn group_commit<E: Engine>(start: Ticket, engine: &Arc<Contained<E>>, mark: Mark, steps: Steps) -> GroupCommit {
    let engine = Arc::clone(engine);
    let sync = move |covered| {
        engine.contain(|tree| {
            let flush = || tree.flush().map_err(Trouble::writing);
            steps.take(Step::Flush, Trouble::syncing, flush)?;
            steps.take(Step::Sync, Trouble::syncing, || tree.sync().map_err(Trouble::writing))?;
            steps.take(Step::Mark, Trouble::syncing, || mark.set(covered).map_err(Trouble::syncing))
        })
    };
    GroupCommit::new(start, Box::new(sync))
}

#[cfg(test)]
mod tests;
