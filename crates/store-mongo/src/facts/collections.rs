//! [`DatabaseFacts`] and [`CollectionFacts`]: what a node's collections are, and how large.

use bson::{Bson, Document, RawDocument, RawDocumentBuf, raw::cstr, rawdoc};
use futures_util::{StreamExt, stream};
use oplogsync_core::{namespace::Namespace, store_error::StoreError};

use super::{CollectionSize, malformed, whole};
use crate::{error::Failure, query::Flow, scope::Place, store::MongoStore};

/// How many collections are looked at at once.
const AT_ONCE: usize = 8;

/// A database, and what it holds.
#[derive(Debug)]
pub struct DatabaseFacts {
    /// Its name on the server.
    pub database: String,
    /// Its collections, in the order of their names.
    pub collections: Result<Vec<CollectionFacts>, StoreError>,
}

/// What a collection is. Its size and its indexes may be denied each on its own.
#[derive(Debug)]
pub struct CollectionFacts {
    /// Its name in the log.
    pub ns: Namespace,
    /// Whether it holds documents at all.
    pub kind: CollectionKind,
    /// Bounded by size, so that inserts push out the oldest documents.
    pub capped: Option<Capped>,
    /// Its documents are kept in the order of their `_id`, without an index of it.
    pub clustered: bool,
    /// Fields are encrypted by its clients ("queryable encryption"); it has helpers called `enxcol_.*`.
    pub encrypted: bool,
    /// Its options as the server tells them.
    pub options: Document,
    /// How large it is; nothing for views and time series.
    pub size: Result<CollectionSize, StoreError>,
    /// Its indexes, that of `_id` too; none for views and time series.
    pub indexes: Result<Vec<IndexFacts>, StoreError>,
}

impl CollectionFacts {
    /// Unique indexes besides that of `_id`: what two documents swap may meet them half-way.
    pub fn unique_indexes(&self) -> impl Iterator<Item = &IndexFacts> {
        self.indexes.iter().flatten().filter(|index| index.unique && !index.is_of_id())
    }
}

/// The kinds of what a server lists as collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CollectionKind {
    /// Documents.
    Collection,
    /// A query under a name.
    View,
    /// Measurements, which the server keeps in buckets of a form of its own.
    TimeSeries,
    /// Something that is not known here.
    Other,
}

/// The bounds of a capped collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capped {
    /// Most bytes.
    pub bytes_max: u64,
    /// Most documents, if they are bounded.
    pub documents_max: Option<u64>,
}

/// An index.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexFacts {
    /// Its name.
    pub name: String,
    /// Its fields.
    pub key: Document,
    /// Whether no two documents may have the same key.
    pub unique: bool,
    /// All that the server tells of it.
    pub spec: Document,
}

impl IndexFacts {
    fn is_of_id(&self) -> bool {
        self.key.len() == 1 && self.key.contains_key("_id")
    }
}

/// A collection as it is listed.
struct Listed {
    ns: Namespace,
    place: Place,
    kind: CollectionKind,
    options: Document,
}

impl MongoStore {
    /// The databases of the node, in the order of their names, with their collections: without those that
    /// are never replicated, and without those that the user may not know of, who may not `listDatabases`.
    ///
    /// # Errors
    /// [`StoreError`] when the server does not answer. What is denied of a database or a collection is an error in
    /// its place: without the actions `listCollections`, `collStats` and `listIndexes`.
    pub async fn database_facts(&self) -> Result<Vec<DatabaseFacts>, StoreError> {
        let mut databases = match self.inner.scope.only_database() {
            Some(database) => vec![database.to_owned()],
            None => self.list_databases().await.map_err(|failure| self.store_error("list the databases", failure))?,
        };
        databases.sort_unstable();
        let mut facts = Vec::with_capacity(databases.len());
        for database in databases {
            let collections = self.collection_facts(&database).await;
            facts.push(DatabaseFacts { database, collections });
        }
        Ok(facts)
    }

    async fn collection_facts(&self, database: &str) -> Result<Vec<CollectionFacts>, StoreError> {
        let listed = self.listed(database).await;
        let listed =
            listed.map_err(|failure| self.store_error(format!("list the collections of {database}"), failure))?;
        let facts = listed.into_iter().map(|listed| Box::pin(self.facts_of(listed)));
        Ok(stream::iter(facts).buffered(AT_ONCE).collect().await)
    }

    async fn facts_of(&self, listed: Listed) -> CollectionFacts {
        let Listed { ns, place, kind, options } = listed;
        let (size, indexes) = if kind == CollectionKind::Collection {
            (self.size(&place).await, self.indexes(&place).await)
        } else {
            (Ok(CollectionSize::default()), Ok(Vec::new()))
        };
        CollectionFacts {
            kind,
            capped: capped(&options),
            clustered: options.contains_key("clusteredIndex"),
            encrypted: options.contains_key("encryptedFields"),
            options,
            size: size.map_err(|failure| self.store_error(format!("read the size of {place}"), failure)),
            indexes: indexes.map_err(|failure| self.store_error(format!("list the indexes of {place}"), failure)),
            ns,
        }
    }

    async fn listed(&self, database: &str) -> Result<Vec<Listed>, Failure> {
        let command = rawdoc! { "listCollections": 1, "maxTimeMS": self.max_time_ms() };
        let mut listed = Vec::new();
        let take = |one: &RawDocument| {
            let one = Document::try_from(one).map_err(|_| malformed("listCollections"))?;
            let name = one.get_str("name").map_err(|_| malformed("listCollections has no name"))?;
            let place = Place { database: database.to_owned(), collection: name.to_owned() };
            let Some(ns) = self.inner.scope.logical(&place) else { return Ok(Flow::More) };
            let kind = match one.get_str("type") {
                Ok("collection") => CollectionKind::Collection,
                Ok("view") => CollectionKind::View,
                Ok("timeseries") => CollectionKind::TimeSeries,
                _ => CollectionKind::Other,
            };
            let options = one.get_document("options").cloned().unwrap_or_default();
            listed.push(Listed { ns, place, kind, options });
            Ok(Flow::More)
        };
        let done = self.query(database, command, take).await;
        done.map_err(|failure| failure.needing(&format!("listCollections on the database {database}")))?;
        listed.sort_by(|a, b| a.ns.cmp(&b.ns));
        Ok(listed)
    }

    async fn indexes(&self, place: &Place) -> Result<Vec<IndexFacts>, Failure> {
        let mut command = RawDocumentBuf::new();
        command.append(cstr!("listIndexes"), place.collection.as_str());
        command.append(cstr!("maxTimeMS"), self.max_time_ms());
        let mut indexes = Vec::new();
        let take = |spec: &RawDocument| {
            let spec = Document::try_from(spec).map_err(|_| malformed("listIndexes"))?;
            let name = spec.get_str("name").map_err(|_| malformed("an index has no name"))?.to_owned();
            let key = spec.get_document("key").map_err(|_| malformed("an index has no key"))?.clone();
            let unique = matches!(spec.get("unique"), Some(Bson::Boolean(true)));
            indexes.push(IndexFacts { name, key, unique, spec });
            Ok(Flow::More)
        };
        let done = self.query(&place.database, command, take).await;
        done.map_err(|failure| failure.needing(&format!("listIndexes on {place}")))?;
        Ok(indexes)
    }
}

fn capped(options: &Document) -> Option<Capped> {
    options.get_bool("capped").unwrap_or(false).then(|| Capped {
        bytes_max: whole(options.get("size")).unwrap_or_default(),
        documents_max: whole(options.get("max")).filter(|most| *most > 0),
    })
}
