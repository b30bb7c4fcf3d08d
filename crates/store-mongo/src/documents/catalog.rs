//! The collections of a node: their names, options, indexes and sizes.

use bson::{Bson, RawBsonRef, RawDocument, RawDocumentBuf, raw::cstr, rawdoc};
use futures_util::{StreamExt, TryStreamExt, stream};
use oplogsync_core::{
    catalog::{CatalogError, Collection, CollectionOptions, Index},
    documents::Size,
    filter::Filter,
    namespace::{DatabaseName, Namespace, NamespaceError},
    store_error::{Fault, StoreError},
};

use crate::{
    error::{Access, Failure},
    query::Flow,
    scope::Place,
    store::MongoStore,
};

/// How many collections are asked for their indexes at once.
const LANES: usize = 8;
const NAMESPACE_NOT_FOUND: i32 = 26;
const NOT_ON_A_VIEW: i32 = 166;

/// All collections and views of a node, but for those that are never replicated.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalog {
    /// Those that can be replicated, in the order of their names.
    pub collections: Vec<Collection>,
    /// The others: they have to be excluded.
    pub others: Vec<Unreplicable>,
}

/// A collection that cannot be replicated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreplicable {
    /// Its name, `database.collection`, as the log would call it.
    pub name: String,
    /// Why not.
    pub why: Obstacle,
}

/// Why a collection cannot be replicated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Obstacle {
    /// Its name.
    #[error(transparent)]
    Name(#[from] NamespaceError),
    /// Its kind, an option or an index.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// What a server lists.
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) is_collection: bool,
    pub(crate) options: RawDocumentBuf,
}

impl MongoStore {
    /// All collections and views, also those that cannot be replicated, with the reason.
    ///
    /// # Errors
    /// When the server cannot be read.
    pub async fn catalog(&self) -> Result<Catalog, StoreError> {
        self.read_catalog().await.map_err(|failure| self.store_error("list the collections", failure))
    }

    /// Refuses a node with something that `filter` lets pass and no target can hold.
    ///
    /// # Errors
    /// [`Fault::Unreplicable`] with the first of those by its name; and when the server cannot be read.
    pub async fn must_be_replicable(&self, filter: &Filter) -> Result<(), StoreError> {
        let others = self.catalog().await?.others;
        let Some(other) = others.into_iter().find(|other| filter.includes(&other.name)) else { return Ok(()) };
        let failure = Failure::new(Fault::Unreplicable { name: other.name }).because(other.why);
        Err(self.store_error("be followed", failure))
    }

    async fn read_catalog(&self) -> Result<Catalog, Failure> {
        let mut catalog = Catalog::default();
        let mut all = Vec::new();
        for database in self.databases().await? {
            for found in self.list_collections(&database).await? {
                let place = Place { database: database.clone(), collection: found.name.clone() };
                let name = self.inner.scope.name(&place);
                match Namespace::new(&name) {
                    Ok(ns) => all.push((ns, place, found)),
                    Err(NamespaceError::Forbidden { .. }) => {}
                    Err(why) => catalog.others.push(Unreplicable { name, why: why.into() }),
                }
            }
        }
        let described = all.into_iter().map(|(ns, place, found)| async move {
            let described = self.describe(&ns, &place, &found).await?;
            Ok::<_, Failure>((ns, described))
        });
        let mut described = stream::iter(described).buffer_unordered(LANES);
        while let Some((ns, described)) = described.try_next().await? {
            match described {
                Some(Ok(collection)) => catalog.collections.push(collection),
                Some(Err(why)) => catalog.others.push(Unreplicable { name: ns.to_string(), why }),
                // It was dropped meanwhile.
                None => {}
            }
        }
        catalog.collections.sort_by(|a, b| a.ns.cmp(&b.ns));
        catalog.others.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(catalog)
    }

    async fn describe(
        &self,
        ns: &Namespace,
        place: &Place,
        found: &Found,
    ) -> Result<Option<Result<Collection, Obstacle>>, Failure> {
        let options = match CollectionOptions::new(&found.options) {
            Ok(options) => options,
            Err(why) => return Ok(Some(Err(why.into()))),
        };
        let indexes = if options.is_view() { Some(Ok(Vec::new())) } else { self.list_indexes(place).await? };
        let collection = |indexes| Collection { ns: ns.clone(), options, indexes };
        Ok(indexes.map(|indexes| indexes.map(collection).map_err(Obstacle::from)))
    }

    /// The indexes of a collection but that on `_id`, by name; `None` when it is not there.
    pub(crate) async fn list_indexes(
        &self,
        place: &Place,
    ) -> Result<Option<Result<Vec<Index>, CatalogError>>, Failure> {
        let command = rawdoc! { "listIndexes": place.collection.as_str(), "maxTimeMS": self.max_time_ms() };
        let mut indexes = Ok(Vec::new());
        let listed = self.query(&place.database, command, |raw| {
            match (&mut indexes, Index::new(raw)) {
                (Ok(indexes), Ok(index)) if !index.is_on_id() => indexes.push(index),
                (Ok(_), Err(why)) => indexes = Err(why),
                _ => {}
            }
            Ok(Flow::More)
        });
        match listed.await {
            // It was dropped meanwhile, or is a view by now.
            Err(failure) if matches!(failure.code, Some(NAMESPACE_NOT_FOUND | NOT_ON_A_VIEW)) => return Ok(None),
            listed => listed?,
        }
        if let Ok(indexes) = &mut indexes {
            indexes.sort_by(|a, b| a.name().cmp(b.name()));
        }
        Ok(Some(indexes))
    }

    pub(super) async fn list_namespaces(&self) -> Result<Vec<Namespace>, Failure> {
        let mut namespaces = Vec::new();
        for database in self.databases().await? {
            for found in self.list_collections(&database).await?.into_iter().filter(|found| found.is_collection) {
                let place = Place { database: database.clone(), collection: found.name };
                let Some(ns) = self.inner.scope.logical(&place) else { continue };
                if self.find_one(&place, rawdoc! {}, None).await?.is_some() {
                    namespaces.push(ns);
                }
            }
        }
        namespaces.sort();
        Ok(namespaces)
    }

    pub(crate) async fn measure(&self, ns: &Namespace) -> Result<Size, Failure> {
        let place = self.place(ns)?;
        let command = rawdoc! { "collStats": place.collection.as_str(), "scale": 1 };
        let stats = match self.run(&place.database, command, Access::Read, None).await {
            Err(failure) if matches!(failure.code, Some(NAMESPACE_NOT_FOUND | NOT_ON_A_VIEW)) => {
                return Ok(Size::default());
            }
            stats => stats?,
        };
        let malformed = || Failure::said(Fault::Unexpected, "the server's statistics have an unknown form");
        let field = |name| stats.get(name).and_then(whole).ok_or_else(malformed);
        Ok(Size { documents: field("count")?, bytes: field("size")? })
    }

    /// The databases to look into, by their names on the server.
    pub(crate) async fn databases(&self) -> Result<Vec<String>, Failure> {
        if let Some(database) = self.inner.scope.only_database() {
            return Ok(vec![database.to_owned()]);
        }
        self.list_databases().await
    }

    /// Those of a server of which something may be replicated: who may not look into the others need not.
    pub(crate) async fn list_databases(&self) -> Result<Vec<String>, Failure> {
        let command = rawdoc! { "listDatabases": 1, "nameOnly": true };
        let reply = self.run("admin", command, Access::Read, None).await?;
        let malformed = || Failure::said(Fault::Unexpected, "the server's list of databases has an unknown form");
        let databases = reply.get_array("databases").map_err(|_| malformed())?;
        let name = |database: &Bson| {
            let name = database.as_document().and_then(|database| database.get_str("name").ok());
            name.map(str::to_owned).ok_or_else(malformed)
        };
        let mut names = databases.iter().map(name).collect::<Result<Vec<_>, _>>()?;
        // One with a name that is none is looked into: its collections are refused by theirs.
        names.retain(|name| !matches!(DatabaseName::new(name), Err(NamespaceError::Forbidden { .. })));
        Ok(names)
    }

    /// All collections and views of a database.
    pub(crate) async fn list_collections(&self, database: &str) -> Result<Vec<Found>, Failure> {
        self.list(database, rawdoc! {}).await
    }

    /// A collection or view, as it is listed.
    pub(crate) async fn find_collection(&self, place: &Place) -> Result<Option<Found>, Failure> {
        let by_name = rawdoc! { "name": place.collection.as_str() };
        Ok(self.list(&place.database, by_name).await?.pop())
    }

    /// Whether nothing is there but, perhaps, a collection that its documents have left, as good as absent.
    pub(crate) async fn is_bare(&self, ns: &Namespace, place: &Place) -> Result<bool, Failure> {
        let Some(found) = self.find_collection(place).await? else { return Ok(true) };
        match self.describe(ns, place, &found).await? {
            None => return Ok(true),
            Some(Ok(collection)) if collection.is_plain() => {}
            Some(_) => return Ok(false),
        }
        let mut command = rawdoc! { "find": place.collection.as_str(), "limit": 1, "projection": { "_id": 1 } };
        command.append(cstr!("maxTimeMS"), self.max_time_ms());
        let mut is_empty = true;
        self.query(&place.database, command, |_| {
            is_empty = false;
            Ok(Flow::More)
        })
        .await?;
        Ok(is_empty)
    }

    /// Whether a collection has a collation, which its `_id` index has then too.
    pub(crate) async fn is_collated(&self, place: &Place) -> Result<bool, Failure> {
        let found = self.find_collection(place).await?;
        Ok(found.is_some_and(|found| matches!(found.options.get("collation"), Ok(Some(_)))))
    }

    async fn list(&self, database: &str, filter: RawDocumentBuf) -> Result<Vec<Found>, Failure> {
        let mut command = rawdoc! { "listCollections": 1, "filter": filter };
        command.append(cstr!("maxTimeMS"), self.max_time_ms());
        let mut all = Vec::new();
        self.query(database, command, |raw| {
            all.push(found(raw)?);
            Ok(Flow::More)
        })
        .await?;
        Ok(all)
    }
}

fn found(raw: &RawDocument) -> Result<Found, Failure> {
    let malformed = |error| Failure::new(Fault::Unexpected).because(error);
    let name = raw.get_str("name").map_err(malformed)?.to_owned();
    let is_collection = raw.get_str("type").map_err(malformed)? == "collection";
    let options = match raw.get("options") {
        Ok(Some(RawBsonRef::Document(options))) => options.to_owned(),
        _ => RawDocumentBuf::new(),
    };
    Ok(Found { name, is_collection, options })
}

/// A count, whichever type of number it is.
fn whole(value: &Bson) -> Option<u64> {
    match value {
        Bson::Int32(number) => u64::try_from(*number).ok(),
        Bson::Int64(number) => u64::try_from(*number).ok(),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a conversion that saturates")]
        Bson::Double(number) if *number >= 0.0 => Some(*number as u64),
        _ => None,
    }
}
