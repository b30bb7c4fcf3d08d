//! Queries: `find` as raw batches, each within the deadline.

use std::time::Duration;

use bson::{RawDocument, RawDocumentBuf, raw::cstr};
use futures_util::StreamExt;
use mongodb::{
    ClientSession,
    options::SelectionCriteria,
    raw_batch_cursor::{RawBatch, RawBatchCursor, SessionRawBatchCursor},
};
use oplogsync_core::store_error::Fault;

use crate::{
    command::within,
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

/// How a query is made.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// How long the server may work on each answer.
    pub(crate) limit: Duration,
    /// Which member of a set is asked; the primary if none is named.
    pub(crate) selection: Option<SelectionCriteria>,
}

/// How long a server may look through a whole collection before it answers.
const PATIENCE: Duration = Duration::from_secs(600);

impl Reading {
    /// The same for what a server looks through, or sorts, a whole collection.
    pub(crate) fn patient(&self) -> Self {
        Self { limit: self.limit.max(PATIENCE), ..self.clone() }
    }
}

/// What an error of the driver means to a query.
fn driver(error: &mongodb::error::Error) -> Failure {
    Failure::from_driver(error, Access::Read)
}

/// The `find` command on a collection, which reads as its transaction does.
pub(crate) fn find_in_transaction(place: &Place, filter: RawDocumentBuf) -> RawDocumentBuf {
    let mut command = RawDocumentBuf::new();
    command.append(cstr!("find"), place.collection.as_str());
    command.append(cstr!("filter"), filter);
    command
}

/// The same with a read concern. More can be appended to both.
pub(crate) fn find_with(place: &Place, filter: RawDocumentBuf, concern: &RawDocument) -> RawDocumentBuf {
    let mut command = find_in_transaction(place, filter);
    command.append(cstr!("readConcern"), concern);
    command
}

/// A cursor, within a session or not.
enum Cursor<'s> {
    Alone(RawBatchCursor),
    InSession(SessionRawBatchCursor, &'s mut ClientSession),
}

impl Cursor<'_> {
    async fn next(&mut self) -> Option<mongodb::error::Result<RawBatch>> {
        match self {
            Self::Alone(cursor) => cursor.next().await,
            Self::InSession(cursor, session) => cursor.stream(session).next().await,
        }
    }
}

impl MongoStore {
    /// Runs a cursor command on a database and hands each document to `take`, until there are no
    /// more or `take` has enough. Memory is bounded by one batch of the server, 16 MiB.
    pub(crate) async fn query(
        &self,
        database: &str,
        command: RawDocumentBuf,
        take: impl FnMut(&RawDocument) -> Result<Flow, Failure> + Send,
    ) -> Result<(), Failure> {
        self.query_in(database, command, None, take).await
    }

    /// How a query is made if nothing else is said.
    pub(crate) fn reading(&self) -> Reading {
        Reading { limit: self.inner.options.request_timeout, selection: None }
    }

    /// The same in the transaction of a session.
    pub(crate) async fn query_in(
        &self,
        database: &str,
        command: RawDocumentBuf,
        session: Option<&mut ClientSession>,
        take: impl FnMut(&RawDocument) -> Result<Flow, Failure> + Send,
    ) -> Result<(), Failure> {
        self.query_as(&self.reading(), database, command, session, take).await
    }

    /// The same in another way than queries are usually made.
    pub(crate) async fn query_as(
        &self,
        reading: &Reading,
        database: &str,
        command: RawDocumentBuf,
        session: Option<&mut ClientSession>,
        mut take: impl FnMut(&RawDocument) -> Result<Flow, Failure> + Send,
    ) -> Result<(), Failure> {
        let database = self.client().database(database);
        let opening = database.run_raw_cursor_command(command);
        let opening = match &reading.selection {
            Some(selection) => opening.selection_criteria(selection.clone()),
            None => opening,
        };
        let open = async {
            match session {
                None => opening.batch().await.map(Cursor::Alone),
                Some(session) => {
                    let cursor = opening.session(&mut *session).batch().await;
                    cursor.map(|cursor| Cursor::InSession(cursor, session))
                }
            }
            .map_err(|error| driver(&error))
        };
        let mut cursor = within(reading.limit, Access::Read, open).await?;
        loop {
            let next = async { cursor.next().await.transpose().map_err(|error| driver(&error)) };
            let Some(batch) = within(reading.limit, Access::Read, next).await? else { return Ok(()) };
            for document in batch.doc_slices().map_err(|error| driver(&error))? {
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
        find_with(place, filter, &self.read_concern())
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
