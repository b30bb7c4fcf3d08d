//! [`SyncSource`]: the trait of what documents are copied from, and the one for a node with a log.

use std::future::Future;

use crate::{
    catalog::Collection,
    catch_up::{Clock, Moment},
    checkpoint::{Checkpoint, Token},
    doc_id::DocId,
    document::Document,
    documents::{Documents, Size},
    entry::Entry,
    feed::FeedError,
    limits::Limits,
    log::Log,
    namespace::Namespace,
    store_error::StoreError,
};

/// The collections of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// A moment that is not later than what the listing shows.
    pub at: Moment,
    /// A moment that is not earlier than what the listing shows.
    pub until: Moment,
    /// Everything that may be replicated.
    pub collections: Vec<Listed>,
}

/// A collection of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// What it is.
    pub collection: Collection,
    /// About how large it is.
    pub size: Size,
}

/// Which documents to read.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Of which collection.
    pub ns: &'a Namespace,
    /// Those behind this id; `None` is the beginning.
    pub after: Option<&'a DocId>,
    /// Those up to this id; `None` is the end.
    pub until: Option<&'a DocId>,
}

/// Documents as they were at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// In the order of their ids.
    pub documents: Vec<Document>,
    /// The moment.
    pub at: Moment,
    /// Whether the part holds no more behind them.
    pub is_end: bool,
}

/// Some documents as they were at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Got {
    /// In the order in which they were asked for.
    pub documents: Vec<Option<Document>>,
    /// The moment, where there are snapshots.
    pub at: Moment,
}

/// Where the entries begin that are applied after a copy.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// Everything that is read from now on includes what the entries up to here have done.
    pub checkpoint: Checkpoint,
    /// Where the feed goes on, if a position is not enough.
    pub token: Option<Token>,
}

/// What documents are copied from.
pub trait SyncSource: Send + Sync {
    /// How its moments count: by optime if it has snapshots.
    fn clock(&self) -> Clock;

    /// Whether a new target has to be copied: the feed does not begin with the first document.
    fn has_to_be_copied(&self) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// A position that everything to be read includes.
    ///
    /// # To ensure correctness
    /// - It is taken before anything is read, and the feed yields what follows it.
    fn start(&self) -> impl Future<Output = Result<Start, FeedError>> + Send;

    /// The collections, and a moment that is not later.
    fn list(&self) -> impl Future<Output = Result<Listing, StoreError>> + Send;

    /// Ids that split a collection into about `parts` parts of the same size, in order; fewer where it
    /// is small.
    fn split(&self, ns: &Namespace, parts: usize) -> impl Future<Output = Result<Vec<DocId>, StoreError>> + Send;

    /// The first documents of a part, within `limits` (at least one if there is one).
    ///
    /// # To ensure correctness
    /// - A source with snapshots shows them as they were at exactly the moment that it tells: at `at`
    ///   if that is given and still can be told, at a later one otherwise.
    /// - A collection that is not there has no documents.
    fn read(
        &self,
        part: Part<'_>,
        at: Option<Moment>,
        limits: Limits,
    ) -> impl Future<Output = Result<Read, StoreError>> + Send;

    /// The documents with these ids, in the same order; `None` for one that is not there.
    ///
    /// # To ensure correctness
    /// - A source with snapshots shows them as [`SyncSource::read`] does: as they were at exactly the moment
    ///   that it tells. One without shows each as it is at some moment between the begin of the call and its end.
    fn get(
        &self,
        ns: &Namespace,
        ids: &[DocId],
        at: Option<Moment>,
    ) -> impl Future<Output = Result<Got, StoreError>> + Send;

    /// Where the source is now: nothing that was read is from later.
    fn now(&self) -> impl Future<Output = Result<Moment, StoreError>> + Send;
}

/// A node with a managed oplog as the source of a copy. It has no snapshots: what is read while it
/// changes is put right by its log, whose entries are full images.
#[derive(Debug, Clone)]
pub struct LogSource<S> {
    source: S,
    node: String,
}

impl<S> LogSource<S> {
    /// The documents and the log of `source`; `node` is its name, for messages.
    pub fn new(source: S, node: impl Into<String>) -> Self {
        Self { source, node: node.into() }
    }
}

impl<S: Log + Documents> LogSource<S> {
    /// The documents may be behind the log's head, but never behind their own checkpoint.
    async fn now_applied(&self) -> Result<Moment, StoreError> {
        let applied = self.source.checkpoint().await?.map_or(0, |checkpoint| checkpoint.anchor.position.index);
        Ok(Moment::of_index(applied))
    }
}

impl<S: Log + Documents> SyncSource for LogSource<S> {
    fn clock(&self) -> Clock {
        Clock::Index
    }

    async fn has_to_be_copied(&self) -> Result<bool, StoreError> {
        Ok(self.source.log_ends().await?.is_some_and(|ends| ends.floor.position.index > 0))
    }

    async fn start(&self) -> Result<Start, FeedError> {
        let checkpoint = match self.source.checkpoint().await? {
            Some(checkpoint) => checkpoint,
            None => match self.source.log_ends().await? {
                Some(ends) => Checkpoint { log: ends.log, anchor: Entry::origin(ends.log) },
                None => return Err(FeedError::NoLog { source_node: self.node.clone() }),
            },
        };
        Ok(Start { checkpoint, token: None })
    }

    async fn list(&self) -> Result<Listing, StoreError> {
        let at = self.now_applied().await?;
        let mut found = self.source.collections().await?;
        for ns in self.source.namespaces().await? {
            if found.iter().all(|collection| collection.ns != ns) {
                found.push(Collection::plain(ns));
            }
        }
        let mut collections = Vec::with_capacity(found.len());
        for collection in found {
            let size = self.source.size(&collection.ns).await?;
            collections.push(Listed { collection, size });
        }
        collections.sort_by(|a, b| a.collection.ns.cmp(&b.collection.ns));
        Ok(Listing { at, until: self.now().await?, collections })
    }

    async fn split(&self, _ns: &Namespace, _parts: usize) -> Result<Vec<DocId>, StoreError> {
        // An embedded node reads no faster in parts.
        std::future::ready(Ok(Vec::new())).await
    }

    async fn read(&self, part: Part<'_>, _at: Option<Moment>, limits: Limits) -> Result<Read, StoreError> {
        let mut documents = self.source.scan(part.ns, part.after, limits).await?;
        let mut is_end = documents.is_empty();
        if let Some(until) = part.until {
            let within = documents.iter().take_while(|document| document.id() <= *until).count();
            is_end |= within < documents.len();
            documents.truncate(within);
        }
        Ok(Read { documents, at: Moment::default(), is_end })
    }

    async fn get(&self, ns: &Namespace, ids: &[DocId], _at: Option<Moment>) -> Result<Got, StoreError> {
        let documents = self.source.get(ns, ids).await?;
        Ok(Got { documents, at: Moment::default() })
    }

    async fn now(&self) -> Result<Moment, StoreError> {
        let head = self.source.log_ends().await?.map_or(0, |ends| ends.head.position.index);
        Ok(Moment::of_index(head))
    }
}
