//! Queries: `find` as raw batches, each within the deadline.

use bson::{RawDocument, RawDocumentBuf, raw::cstr};
use futures_util::StreamExt;
use oplogsync_core::store_error::Fault;

use crate::{
    error::{Access, Failure},
    scope::Place,
    store::MongoStore,
};

/// Whether a query goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    More,
    Enough,
}

impl MongoStore {
    /// Runs a cursor command on a database and hands each document to `take`, until there are no
    /// more or `take` has enough. Memory is bounded by one batch of the server, 16 MiB.
    pub(crate) async fn query(
        &self,
        database: &str,
        command: RawDocumentBuf,
        mut take: impl FnMut(&RawDocument) -> Result<Flow, Failure> + Send,
    ) -> Result<(), Failure> {
        let database = self.client().database(database);
        let driver = |error| Failure::from_driver(&error, Access::Read);
        let open = async { database.run_raw_cursor_command(command).batch().await.map_err(driver) };
        let mut cursor = self.within_deadline(Access::Read, open).await?;
        loop {
            let next = async { cursor.next().await.transpose().map_err(driver) };
            let Some(batch) = self.within_deadline(Access::Read, next).await? else { return Ok(()) };
            for document in batch.doc_slices().map_err(driver)? {
                let document = document.map_err(|error| Failure::new(Fault::Corrupt).because(error))?;
                let document = document
                    .as_document()
                    .ok_or_else(|| Failure::said(Fault::Unexpected, "the server's batch holds no documents"))?;
                if take(document)? == Flow::Enough {
                    return Ok(());
                }
            }
        }
    }

    /// The `find` command on a collection, with the read concern. More can be appended to it.
    pub(crate) fn find_command(&self, place: &Place, filter: RawDocumentBuf) -> RawDocumentBuf {
        let mut command = RawDocumentBuf::new();
        command.append(cstr!("find"), place.collection.as_str());
        command.append(cstr!("filter"), filter);
        command.append(cstr!("readConcern"), self.read_concern());
        command
    }

    /// The first document that matches.
    pub(crate) async fn find_one(
        &self,
        place: &Place,
        filter: RawDocumentBuf,
        sort: Option<RawDocumentBuf>,
    ) -> Result<Option<RawDocumentBuf>, Failure> {
        let mut command = self.find_command(place, filter);
        if let Some(sort) = sort {
            command.append(cstr!("sort"), sort);
        }
        command.append(cstr!("limit"), 1_i64);
        command.append(cstr!("singleBatch"), true);
        command.append(cstr!("maxTimeMS"), self.max_time_ms());
        let mut found = None;
        self.query(&place.database, command, |document| {
            found = Some(document.to_owned());
            Ok(Flow::Enough)
        })
        .await?;
        Ok(found)
    }
}
