//! [`Keyspace`]: the one tree of a store, with everything that a call needs, without async.

use std::{
    io,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use oplogsync_core::{
    doc_id::DocId,
    document::Document,
    entry::Entry,
    namespace::Namespace,
    store_error::{Fault, StoreError},
};

use crate::{
    durability::{Durability, Options},
    engine::Engine,
    flusher::Flusher,
    folder::{Files, Folder, Fsync, with_patience},
    group_commit::GroupCommit,
    key::Key,
    leases::LeaseTable,
    record::{Format, Record, Unreadable, seal, unseal},
    trouble::Trouble,
};

/// The version of the layout that this code reads and writes.
const FORMAT: Format = Format(1);
/// The engine's default of 1 GiB is too much for several nodes in one process.
const CACHE_BYTES: u64 = 256 * 1024 * 1024;

/// One tree in one folder. Every method is a plain function that blocks; the traits of the store
/// run them on threads that may.
///
/// Calls that write hold `leases` exclusively from their first read until the engine has taken
/// their one atomic batch: a check and what depends on it are one step. The sync to the disk comes
/// after it, outside, so that it can be shared.
// The fields are dropped in this order: the last sync, the engine, and only then the lock.
pub struct Keyspace {
    node: Box<str>,
    leases: RwLock<LeaseTable>,
    waits: bool,
    _flusher: Option<Flusher>,
    commit: Arc<GroupCommit>,
    engine: Arc<Engine>,
    folder: Folder,
}

impl Keyspace {
    /// Opens the folder at `path`; see [`SledStore::open`](crate::SledStore::open).
    ///
    /// # Errors
    /// As there.
    pub fn open(path: &Path, node: &str, options: Options, fsync: Fsync) -> Result<Self, StoreError> {
        let opened = Folder::take(path).and_then(|folder| Self::start(folder, node, options.durability, fsync));
        opened.map_err(|trouble| trouble.on(node, format!("open the folder {}", path.display())))
    }

    /// Opens a new folder that is removed in the end.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn memory(node: &str) -> Result<Self, StoreError> {
        let fsync: Fsync = Box::new(|sync| sync());
        let opened = Folder::temporary().and_then(|folder| Self::start(folder, node, Durability::None, fsync));
        opened.map_err(|trouble| trouble.on(node, "open a store in memory"))
    }

    fn start(folder: Folder, node: &str, durability: Durability, fsync: Fsync) -> Result<Self, Trouble> {
        let config = sled::Config::new()
            .path(folder.path())
            .cache_capacity(CACHE_BYTES)
            // The engine's own thread hides its failures, and an end that it does not reach blocks the close.
            .flush_every_ms(None);
        let engine = Arc::new(with_patience(|| match Engine::open(&config) {
            Err(trouble) if trouble.is_engine_lock() => Ok(None),
            result => result.map(Some),
        })?);
        let files = folder.files()?;
        let commit = Arc::new(group_commit(&engine, files, fsync));
        let flusher = match durability {
            Durability::Interval(interval) => {
                Some(Flusher::start(interval, Arc::clone(&commit)).map_err(Trouble::syncing)?)
            }
            Durability::Fsync | Durability::None => None,
        };
        let leases = RwLock::default();
        let waits = durability.waits();
        let keyspace = Self { node: node.into(), leases, waits, _flusher: flusher, commit, engine, folder };
        keyspace.check_format(durability)?;
        Ok(keyspace)
    }

    /// The folder is new, or holds what this version understands.
    fn check_format(&self, durability: Durability) -> Result<(), Trouble> {
        let found = self.engine.contain(|tree| {
            let view = View { tree };
            match view.record::<Format>(&Key::format())? {
                None if tree.iter().next().transpose().map_err(Trouble::reading)?.is_some() => {
                    Err(Trouble::new(Fault::Incompatible).because(NoFormat))
                }
                found => Ok(found),
            }
        })?;
        match found {
            Some(FORMAT) => Ok(()),
            Some(Format(other)) => Err(Trouble::new(Fault::Incompatible).because(OtherFormat(other))),
            None => {
                let ((), ticket) = self.change(|writer| writer.put(&Key::format(), &FORMAT))?;
                if durability != Durability::None {
                    self.commit.settle(ticket)?;
                    self.folder.sync_entries().map_err(Trouble::syncing)?;
                }
                Ok(())
            }
        }
    }

    /// The node that it belongs to.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Reads one consistent state.
    pub(crate) fn read<T>(
        &self,
        doing: impl FnOnce() -> String,
        work: impl FnOnce(&View<'_>) -> Result<T, Trouble>,
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
        work: impl FnOnce(&View<'_>) -> Result<T, Trouble>,
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
        doing: impl FnOnce() -> String,
        work: impl FnOnce(&mut Writer<'_>) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let written = self.change(work).and_then(|(value, ticket)| {
            if self.waits {
                self.commit.settle(ticket)?;
            }
            Ok(value)
        });
        written.map_err(|trouble| trouble.on(&self.node, doing()))
    }

    /// [`Keyspace::write`] up to where the engine has taken the batch.
    fn change<T>(
        &self,
        work: impl FnOnce(&mut Writer<'_>) -> Result<T, Trouble>,
    ) -> Result<(T, crate::group_commit::Ticket), Trouble> {
        let mut leases = self.leases.write().unwrap_or_else(PoisonError::into_inner);
        self.engine.contain(|tree| {
            let mut writer = Writer { view: View { tree }, leases: &mut leases, batch: None };
            let value = work(&mut writer)?;
            // Without a batch the caller found its data there: it waits until that is durable.
            let Some(batch) = writer.batch else { return Ok((value, self.commit.written())) };
            tree.apply_batch(batch).map_err(Trouble::writing)?;
            Ok((value, self.commit.wrote()))
        })
    }

    pub(crate) fn leases(&self) -> &RwLock<LeaseTable> {
        &self.leases
    }
}

impl std::fmt::Debug for Keyspace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyspace").field("node", &self.node).field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// The sync that concurrent writers share: out of the engine's buffers, then onto the disk.
fn group_commit(engine: &Arc<Engine>, files: Files, fsync: Fsync) -> GroupCommit {
    let engine = Arc::clone(engine);
    GroupCommit::new(Box::new(move || {
        engine.contain(|tree| {
            tree.flush().map_err(Trouble::writing)?;
            fsync(&|| -> io::Result<()> { files.sync() }).map_err(Trouble::syncing)
        })
    }))
}

/// A database without our format record.
#[derive(Debug, thiserror::Error)]
#[error("the folder holds a database that oplogsync has not written: give the node a folder of its own")]
struct NoFormat;

/// A database of another version.
#[derive(Debug, thiserror::Error)]
#[error("the folder has format {0}, this version reads {only}: upgrade oplogsync, or sync the node anew", only = FORMAT.0)]
struct OtherFormat(u32);

/// One state of the tree.
pub(crate) struct View<'a> {
    pub(crate) tree: &'a sled::Tree,
}

impl View<'_> {
    pub(crate) fn record<R: Record>(&self, key: &Key) -> Result<Option<R>, Trouble> {
        let found = self.tree.get(key.as_bytes()).map_err(Trouble::reading)?;
        found.map(|bytes| R::decode(key.as_bytes(), &bytes)).transpose()
    }

    pub(crate) fn document(&self, ns: &Namespace, id: &DocId) -> Result<Option<Document>, Trouble> {
        let key = Key::document(ns, id);
        let found = self.tree.get(key.as_bytes()).map_err(Trouble::reading)?;
        found.map(|bytes| document(key.as_bytes(), &bytes)).transpose()
    }
}

/// The document in the bytes at `key`.
pub(crate) fn document(key: &[u8], bytes: &[u8]) -> Result<Document, Trouble> {
    unseal(key, bytes)
        .and_then(|payload| Ok(Document::from_bytes(payload.to_vec())?))
        .map_err(|why: Unreadable| why.at(key))
}

/// One state of the tree, and what is to be changed in it.
pub(crate) struct Writer<'a> {
    pub(crate) view: View<'a>,
    pub(crate) leases: &'a mut LeaseTable,
    batch: Option<sled::Batch>,
}

impl Writer<'_> {
    pub(crate) fn put<R: Record>(&mut self, key: &Key, record: &R) -> Result<(), Trouble> {
        let bytes = record.encode(key)?;
        self.insert(key, bytes);
        Ok(())
    }

    pub(crate) fn put_document(&mut self, ns: &Namespace, id: &DocId, document: &Document) {
        let key = Key::document(ns, id);
        let bytes = seal(&key, document.as_bytes());
        self.insert(&key, bytes);
    }

    pub(crate) fn put_entry(&mut self, entry: &Entry) {
        let mut bytes = Vec::with_capacity(entry.bytes() + 64);
        oplogsync_core::codec::encode(entry, &mut bytes);
        self.insert(&Key::entry(entry.position().index), bytes);
    }

    pub(crate) fn remove(&mut self, key: &Key) {
        self.batch.get_or_insert_default().remove(key.as_bytes());
    }

    fn insert(&mut self, key: &Key, bytes: Vec<u8>) {
        self.batch.get_or_insert_default().insert(key.as_bytes(), bytes);
    }
}
