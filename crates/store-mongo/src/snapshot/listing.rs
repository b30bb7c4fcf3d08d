//! What there is to be copied.

use std::error::Error;

use futures_util::{StreamExt, TryStreamExt, stream};
use oplogsync_core::{
    catalog::{Collection, CollectionOptions},
    catch_up::Moment,
    documents::Size,
    initial_sync::{Listed, Listing},
    namespace::Namespace,
    store_error::Fault,
};

use super::SnapshotSource;
use crate::{error::Failure, scope::Place};

/// How many collections are looked at at once.
const AT_ONCE: usize = 8;

impl SnapshotSource {
    pub(super) async fn listing(&self) -> Result<Listing, Failure> {
        // Before anything is looked at: what the listing shows is never older.
        let at = Moment::of_optime(self.store.majority_time().await?);
        let mut found = Vec::new();
        for database in self.databases().await? {
            found.extend(self.collections_of(&database).await?);
        }
        let listed = found.into_iter().map(|(place, ns, options)| Box::pin(self.listed(place, ns, options)));
        let mut collections: Vec<Listed> = stream::iter(listed).buffered(AT_ONCE).try_collect().await?;
        collections.sort_by(|a, b| a.collection.ns.cmp(&b.collection.ns));
        Ok(Listing { at, until: Moment::of_optime(self.store.latest_time().await?), collections })
    }

    /// The databases to look into, by their names on the server. Who follows only some of them need not be
    /// allowed to list them all.
    async fn databases(&self) -> Result<Vec<String>, Failure> {
        match (self.store.inner.scope.only_database(), self.filter.databases()) {
            (None, Some(names)) => Ok(names.into_iter().map(str::to_owned).collect()),
            _ => self.store.databases().await,
        }
    }

    /// The collections and views of a database that are replicated.
    async fn collections_of(&self, database: &str) -> Result<Vec<(Place, Namespace, CollectionOptions)>, Failure> {
        let listed = self.store.list_collections(database).await;
        let listed =
            listed.map_err(|failure| failure.needing(&format!("listCollections on the database {database}")))?;
        let mut found = Vec::new();
        for one in listed {
            let place = Place { database: database.to_owned(), collection: one.name };
            // What the filter leaves out may be of any kind.
            let ns = self.store.inner.scope.passing(&place, &self.filter);
            let ns = ns.map_err(|error| unreplicable(error.name().to_owned(), error))?;
            let Some(ns) = ns else { continue };
            let options = CollectionOptions::new(&one.options).map_err(|why| unreplicable(ns.to_string(), why))?;
            found.push((place, ns, options));
        }
        Ok(found)
    }

    async fn listed(&self, place: Place, ns: Namespace, options: CollectionOptions) -> Result<Listed, Failure> {
        if options.is_view() {
            return Ok(Listed { collection: Collection { ns, options, indexes: Vec::new() }, size: Size::default() });
        }
        let indexes = self.store.list_indexes(&place).await;
        // One that is gone by now stays in the list: it was there when the list was begun.
        let indexes =
            indexes.map_err(|failure| failure.needing(&format!("listIndexes on {place}")))?.unwrap_or(Ok(Vec::new()));
        let indexes = indexes.map_err(|why| unreplicable(ns.to_string(), why))?;
        let size = self.store.measure(&ns).await;
        let size = size.map_err(|failure| failure.needing(&format!("collStats on {place}")))?;
        Ok(Listed { collection: Collection { ns, options, indexes }, size })
    }
}

fn unreplicable(name: String, why: impl Error + Send + Sync + 'static) -> Failure {
    Failure::new(Fault::Unreplicable { name }).because(why)
}
