//! [`Keyspace`]: the one tree of a store, with everything that a call needs, without async.

use std::{
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use oplogsync_core::{doc_id::DocId, document::Document, entry::Entry, namespace::Namespace, store_error::StoreError};

use crate::{
    check::check,
    durability::{Durability, Options},
    engine::Engine,
    flusher::Flusher,
    folder::{Files, Folder, unavailable, with_patience},
    group_commit::{GroupCommit, Ticket},
    key::Key,
    leases::LeaseTable,
    record::{Format, Record, Unreadable, seal, unseal},
    step::{Step, Steps},
    trouble::Trouble,
};

/// The version of the layout that this code reads and writes.
pub(crate) const FORMAT: Format = Format(1);
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
    steps: Steps,
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
    pub(crate) fn open(path: &Path, node: &str, options: Options, steps: Steps) -> Result<Self, StoreError> {
        let folder = Folder::take(path, &steps);
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
        let config = sled::Config::new()
            .path(folder.path())
            .cache_capacity(CACHE_BYTES)
            // The engine's own thread hides its failures, and an end that it does not reach blocks the close.
            .flush_every_ms(None);
        let open = || match Engine::open(&config) {
            Err(trouble) if trouble.is_engine_lock() => Ok(None),
            result => result.map(Some),
        };
        let engine = Arc::new(steps.take(Step::Open, unavailable, || with_patience(open))?);
        let files = folder.files()?;
        let start = engine.contain(|tree| check(&View { tree }, &files))?;
        let commit = Arc::new(group_commit(start, &engine, files, steps.clone()));
        let flusher = match durability {
            Durability::Interval(interval) => {
                Some(Flusher::start(interval, Arc::clone(&commit)).map_err(Trouble::syncing)?)
            }
            Durability::Fsync | Durability::None => None,
        };
        let leases = RwLock::default();
        let waits = durability.waits();
        let keyspace = Self { node: node.into(), leases, waits, steps, _flusher: flusher, commit, engine, folder };
        if start == Ticket(0) {
            keyspace.begin(durability)?;
        }
        Ok(keyspace)
    }

    /// Makes an empty tree ours.
    fn begin(&self, durability: Durability) -> Result<(), Trouble> {
        let ((), ticket) = self.change(Step::Begin, |writer| writer.put(&Key::format(), &FORMAT))?;
        if durability == Durability::None {
            return Ok(());
        }
        self.commit.settle(ticket)?;
        let sync = || self.folder.sync_entries().map_err(Trouble::syncing);
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
        step: Step,
        doing: impl FnOnce() -> String,
        work: impl FnOnce(&mut Writer<'_>) -> Result<T, Trouble>,
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
    fn change<T>(
        &self,
        step: Step,
        work: impl FnOnce(&mut Writer<'_>) -> Result<T, Trouble>,
    ) -> Result<(T, Ticket), Trouble> {
        let mut leases = self.leases.write().unwrap_or_else(PoisonError::into_inner);
        self.engine.contain(|tree| {
            let mut writer = Writer { view: View { tree }, leases: &mut leases, batch: None };
            let value = work(&mut writer)?;
            // Without a batch the caller found its data there: it waits until that is durable.
            if writer.batch.is_none() {
                return Ok((value, self.commit.written()));
            }
            writer.put(&Key::commits(), &self.commit.written().next())?;
            let batch = writer.batch.unwrap_or_default();
            self.steps.take(step, Trouble::syncing, || {
                tree.apply_batch(batch).map_err(Trouble::writing)?;
                Ok((value, self.commit.wrote()))
            })
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
fn group_commit(start: Ticket, engine: &Arc<Engine>, files: Files, steps: Steps) -> GroupCommit {
    let engine = Arc::clone(engine);
    let sync = move |covered| {
        engine.contain(|tree| {
            let flush = || tree.flush().map(drop).map_err(Trouble::writing);
            steps.take(Step::Flush, Trouble::syncing, flush)?;
            steps.take(Step::Sync, Trouble::syncing, || files.sync().map_err(Trouble::syncing))?;
            steps.take(Step::Mark, Trouble::syncing, || files.set_mark(covered).map_err(Trouble::syncing))
        })
    };
    GroupCommit::new(start, Box::new(sync))
}

/// One state of the tree.
pub(crate) struct View<'a> {
    pub(crate) tree: &'a sled::Tree,
}

impl View<'_> {
    pub(crate) fn record<R: Record>(&self, key: &Key) -> Result<Option<R>, Trouble> {
        let found = self.tree.get(key.as_bytes()).map_err(Trouble::reading)?;
        found.map(|bytes| R::decode(key.as_bytes(), &bytes)).transpose()
    }

    /// All records under a prefix, in order.
    pub(crate) fn under(&self, prefix: &Key) -> impl Iterator<Item = Result<(sled::IVec, sled::IVec), Trouble>> {
        self.tree.scan_prefix(prefix.as_bytes()).map(|item| item.map_err(Trouble::reading))
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

#[cfg(test)]
mod tests {
    use bson::rawdoc;
    use oplogsync_core::{
        lease::{Lease, LeaseName},
        limits::Limits,
        store_error::Fault,
        testing::{
            chain::{Chain, log_id, owner_id},
            documents::{id, namespace},
        },
    };

    use super::*;

    /// Damages a record of an open store, beside its back.
    fn flip(keyspace: &Keyspace, key: &Key) {
        let flipped = keyspace.engine.contain(|tree| {
            let mut bytes = tree.get(key.as_bytes()).map_err(Trouble::reading)?.unwrap().to_vec();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            tree.insert(key.as_bytes(), bytes).map_err(Trouble::writing)
        });
        flipped.map(drop).unwrap();
    }

    fn assert_damage<T: std::fmt::Debug>(result: Result<T, StoreError>, record: &str) {
        let error = result.unwrap_err();
        assert_eq!((error.fault(), error.node()), (&Fault::Corrupt, "a"));
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(record), "{cause:?} does not name {record:?}");
    }

    #[test]
    fn damage_is_found_by_every_read_and_poisons_nothing_else() {
        let keyspace = Keyspace::memory("a").unwrap();
        let (mut chain, ns, owner) = (Chain::new(log_id(1)), namespace("items"), owner_id(1));
        let lease = Lease { owner, holder: "the test".to_owned(), beat: 0 };
        assert!(keyspace.leases.write().unwrap().swap(LeaseName::Documents, None, Some(lease)));
        let batch = chain.insert(&ns, rawdoc! { "_id": 1 }).insert(&ns, rawdoc! { "_id": 2 }).take_batch();
        keyspace.create_log(chain.log()).unwrap();
        keyspace.append(batch.entries()).unwrap();
        keyspace.apply(&batch, owner).unwrap();
        let all = Limits::default();

        flip(&keyspace, &Key::entry(2));
        assert_damage(keyspace.read_log(1, all), "the log entry at index 2");
        assert_damage(keyspace.append(batch.entries()), "the log entry at index 2");
        let op_id = batch.entries()[0].op_id();
        flip(&keyspace, &Key::operation(op_id));
        assert_damage(keyspace.find(op_id), &format!("the position of operation {op_id}"));
        flip(&keyspace, &Key::document(&ns, &id(2)));
        assert_damage(keyspace.get(&ns, &[id(1), id(2)]), "a document of shop.items");
        assert_damage(keyspace.scan(&ns, None, all), "a document of shop.items");
        let update = chain.update(&ns, rawdoc! { "_id": 2, "n": 1 }).take_batch();
        assert_damage(keyspace.apply(&update, owner), "a document of shop.items");
        assert_eq!(keyspace.checkpoint().unwrap().unwrap().anchor, batch.last());
        flip(&keyspace, &Key::digest(&ns));
        assert_damage(keyspace.digest(&ns), "the digest of shop.items");
        assert_damage(keyspace.namespaces(), "the digest of shop.items");
        flip(&keyspace, &Key::checkpoint());
        assert_damage(keyspace.checkpoint(), "the checkpoint");
        assert_damage(keyspace.apply(&update, owner), "the checkpoint");
        assert_eq!(keyspace.get(&ns, &[id(1)]).unwrap().len(), 1);
        flip(&keyspace, &Key::log());
        assert_damage(keyspace.log_ends(), "the ends of the log");
    }

    #[test]
    fn a_panic_of_the_engine_is_damage_and_poisons_the_store() {
        let keyspace = Keyspace::memory("a").unwrap();
        let result: Result<(), _> = keyspace.read(|| "read".to_owned(), |_| panic!("a page is not what it was"));
        assert_damage(result, "a page is not what it was");
        assert_eq!(*keyspace.log_ends().unwrap_err().fault(), Fault::Poisoned);
    }

    #[test]
    fn the_files_of_a_store_in_memory_are_private_and_gone_with_it() {
        let keyspace = Keyspace::memory("a").unwrap();
        let path = keyspace.folder.path().to_owned();
        assert!(path.join("db").exists());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        }
        drop(keyspace);
        assert!(!path.exists());
    }
}
