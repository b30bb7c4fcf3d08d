//! [`ModelSource`]: a server with change events and snapshots, as small as it can be, that goes on
//! writing while it is read: what a feed and a copy of a replica set are tested against.

mod feed;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use self::world::Seen;
use self::world::{DATABASES, World};
use crate::{
    catch_up::{Clock, Moment},
    checkpoint::{Checkpoint, Token},
    clock::OpTime,
    doc_id::DocId,
    documents::Size,
    entry::{Entry, Operation},
    feed::FeedError,
    ids::LogId,
    initial_sync::{Got, Listed, Listing, Part, Read, Start, SyncSource},
    limits::Limits,
    namespace::Namespace,
    position::Anchor,
    store_error::StoreError,
};

/// A source that makes up writes from a seed: documents, transactions, collections and indexes, some of them
/// whenever somebody reads. Clones share it.
#[derive(Debug, Clone)]
pub struct ModelSource(Arc<Mutex<World>>);

impl ModelSource {
    /// A source that makes up to `writes` writes, a third of them before anybody looks.
    pub fn new(seed: u64, writes: usize) -> Self {
        let mut world = World::new(seed, writes);
        for _ in 0..writes / 3 {
            world.write();
        }
        Self(Arc::new(Mutex::new(world)))
    }

    /// Makes all writes that are left.
    pub fn finish(&self) {
        while self.world().write() {}
    }

    /// Makes so many writes beside those that were to be made.
    pub fn go_on(&self, writes: usize) {
        self.world().left += writes;
        self.finish();
    }

    /// What there is now.
    pub fn seen(&self) -> Seen {
        self.world().seen()
    }

    /// What there was at a time.
    pub fn seen_at(&self, at: OpTime) -> Seen {
        self.world().seen_at(at)
    }

    /// Everything that was ever done.
    pub fn operations(&self) -> Vec<(OpTime, Operation)> {
        self.world().operations.clone()
    }

    /// The optime of the newest write.
    pub fn newest(&self) -> OpTime {
        self.world().now
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log() -> LogId {
        LogId::from_bytes([7; 16])
    }

    /// Now and then somebody writes before the next read.
    fn live(&self) {
        let mut world = self.world();
        for _ in 0..world.random.below(3) {
            world.write();
        }
    }
}

fn token(operations: usize) -> Token {
    Token::new((operations as u64).to_be_bytes().to_vec())
}

impl SyncSource for ModelSource {
    fn clock(&self) -> Clock {
        Clock::OpTime
    }

    async fn has_to_be_copied(&self) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn start(&self) -> Result<Start, FeedError> {
        self.live();
        let world = self.world();
        let origin = Anchor { optime: world.now, ..Entry::origin(Self::log()) };
        let checkpoint = Checkpoint { log: Self::log(), anchor: origin };
        Ok(Start { checkpoint, token: Some(token(world.operations.len())) })
    }

    async fn list(&self) -> Result<Listing, StoreError> {
        let at = Moment::of_optime(self.world().now);
        let mut collections = Vec::new();
        // As a server is asked: for the collections of each database, then for the indexes of each of them.
        for database in DATABASES {
            self.live();
            let inside: Vec<_> =
                self.world().collections().filter(|(found, _)| found.ns.database() == database).collect();
            for (mut collection, documents) in inside {
                self.live();
                let indexes = self.world().collections().find(|(later, _)| later.ns == collection.ns);
                collection.indexes = indexes.map(|(later, _)| later.indexes).unwrap_or_default();
                collections.push(Listed { collection, size: Size { documents, bytes: 0 } });
            }
        }
        self.live();
        Ok(Listing { at, until: Moment::of_optime(self.world().now), collections })
    }

    async fn split(&self, ns: &Namespace, parts: usize) -> Result<Vec<DocId>, StoreError> {
        self.live();
        let ids: Vec<DocId> = self.world().documents_at(ns, None).into_iter().map(|document| document.id()).collect();
        let step = (ids.len() / parts.max(1)).max(1);
        Ok(ids.into_iter().skip(step).step_by(step).take(parts.saturating_sub(1)).collect())
    }

    async fn read(&self, part: Part<'_>, at: Option<Moment>, limits: Limits) -> Result<Read, StoreError> {
        self.live();
        let mut world = self.world();
        // Now and then the past is forgotten.
        let forgotten = world.random.below(5) == 0;
        let at = match at.filter(|_| !forgotten) {
            Some(at) => at,
            None => Moment::of_optime(world.majority_time()),
        };
        let mut documents = world.documents_at(part.ns, Some(at.to_optime()));
        documents.retain(|document| {
            let id = document.id();
            part.after.is_none_or(|after| id > *after) && part.until.is_none_or(|until| id <= *until)
        });
        // Whoever reads no further than to the end of a part need not see that it is one.
        let is_seen = documents.len() < limits.entries_max || world.random.below(2) == 0;
        let is_end = documents.len() <= limits.entries_max && is_seen;
        documents.truncate(limits.entries_max);
        Ok(Read { documents, at, is_end })
    }

    async fn get(&self, ns: &Namespace, ids: &[DocId], at: Option<Moment>) -> Result<Got, StoreError> {
        self.live();
        let mut world = self.world();
        let forgotten = world.random.below(5) == 0;
        let at = at.filter(|_| !forgotten).unwrap_or(Moment::of_optime(world.now));
        let all = world.documents_at(ns, Some(at.to_optime()));
        let find = |id: &DocId| all.iter().find(|document| document.id() == *id).cloned();
        Ok(Got { documents: ids.iter().map(find).collect(), at })
    }

    async fn now(&self) -> Result<Moment, StoreError> {
        self.live();
        let mut world = self.world();
        // A server writes entries of its own too, which it tells nobody.
        if world.random.below(2) == 0 {
            world.tick();
        }
        Ok(Moment::of_optime(world.now))
    }
}
