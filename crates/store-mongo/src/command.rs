//! Commands: every request goes out here, with a deadline on both sides, and its reply is checked here.

use std::{future::Future, time::Duration};

use bson::{Bson, Document as BsonDocument, RawArrayBuf, RawDocument, RawDocumentBuf, raw::cstr, rawdoc};
use mongodb::ClientSession;
use oplogsync_core::store_error::Fault;

use crate::{
    error::{Access, Failure},
    scope::Place,
    store::MongoStore,
};

/// What the client waits longer than the server works.
const GRACE: Duration = Duration::from_secs(1);
/// What a command needs beside its statements.
const COMMAND_OVERHEAD_BYTES: usize = 8 * 1024;
/// What a statement needs beside its bytes: type, array index, NUL.
const STATEMENT_OVERHEAD_BYTES: usize = 12;

/// The write commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Insert,
    Update,
    Delete,
}

impl Verb {
    /// The command on a collection.
    pub(crate) fn command(self, place: &Place, statements: RawArrayBuf, ordered: bool) -> RawDocumentBuf {
        let (name, field) = match self {
            Self::Insert => (cstr!("insert"), cstr!("documents")),
            Self::Update => (cstr!("update"), cstr!("updates")),
            Self::Delete => (cstr!("delete"), cstr!("deletes")),
        };
        let mut command = RawDocumentBuf::new();
        command.append(name, place.collection.as_str());
        command.append(field, statements);
        command.append(cstr!("ordered"), ordered);
        command
    }
}

/// The reply to a write command that was executed.
#[derive(Debug, Default)]
pub(crate) struct WriteReply {
    /// Documents inserted, matched or upserted, or deleted.
    pub(crate) count: usize,
    /// Of an update: documents that now differ, or are new.
    pub(crate) modified: usize,
    /// Statements that were refused.
    pub(crate) errors: Vec<WriteError>,
}

/// Why a statement of a write command was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message} (code {code})")]
pub(crate) struct WriteError {
    /// Which statement.
    pub(crate) index: usize,
    pub(crate) code: i32,
    pub(crate) message: String,
    key: Option<BsonDocument>,
}

impl WriteError {
    const DUPLICATE_KEY: i32 = 11000;
    const VALIDATION_FAILED: i32 = 121;

    /// Whether a unique index refuses it.
    pub(crate) fn is_duplicate(&self) -> bool {
        self.code == Self::DUPLICATE_KEY
    }

    /// Whether a validator of the collection refuses it.
    pub(crate) fn is_invalid(&self) -> bool {
        self.code == Self::VALIDATION_FAILED
    }

    /// Whether the unique index that refuses it is that of exactly this field.
    pub(crate) fn is_duplicate_of(&self, field: &str) -> bool {
        let by_key = |key: &BsonDocument| key.len() == 1 && key.contains_key(field);
        let by_text = || self.message.contains(&format!("index: {field}_ "));
        self.is_duplicate() && self.key.as_ref().map_or_else(by_text, by_key)
    }
}

impl MongoStore {
    /// Runs a command, with the time limit appended. `Ok` means that what it has written is as durable
    /// as its write concern says.
    pub(crate) async fn run(
        &self,
        database: &str,
        mut command: RawDocumentBuf,
        access: Access,
        session: Option<&mut ClientSession>,
    ) -> Result<BsonDocument, Failure> {
        command.append(cstr!("maxTimeMS"), self.max_time_ms());
        self.within_deadline(access, self.run_patiently(database, command, access, session)).await
    }

    /// The same without a time limit, for what takes as long as there are documents. Who asks has to
    /// look for a server that answers no more: by keeping its lease.
    pub(crate) async fn run_patiently(
        &self,
        database: &str,
        command: RawDocumentBuf,
        access: Access,
        session: Option<&mut ClientSession>,
    ) -> Result<BsonDocument, Failure> {
        let database = self.client().database(database);
        let action = database.run_raw_command(command);
        let action = match session {
            Some(session) => action.session(session),
            None => action,
        };
        let reply = action.await.map_err(|error| Failure::from_driver(&error, access))?;
        undurable(&reply).map_or(Ok(reply), Err)
    }

    /// The server's time limit for a request, in milliseconds.
    pub(crate) fn max_time_ms(&self) -> i64 {
        i64::try_from(self.inner.options.request_timeout.as_millis()).unwrap_or(i64::from(i32::MAX)).max(1)
    }

    /// Waits for a request no longer than the server may take for it, and a little.
    pub(crate) async fn within_deadline<T>(
        &self,
        access: Access,
        request: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        within(self.inner.options.request_timeout, access, request).await
    }

    /// Runs one write command. `Ok` means that it was executed and is as durable as promised;
    /// single statements may have been refused.
    pub(crate) async fn write(
        &self,
        place: &Place,
        verb: Verb,
        statements: RawArrayBuf,
        ordered: bool,
        session: Option<&mut ClientSession>,
    ) -> Result<WriteReply, Failure> {
        self.run_write(place, verb.command(place, statements, ordered), session).await
    }

    /// The same with a command that is ready.
    pub(crate) async fn run_write(
        &self,
        place: &Place,
        mut command: RawDocumentBuf,
        session: Option<&mut ClientSession>,
    ) -> Result<WriteReply, Failure> {
        if session.is_none() {
            command.append(cstr!("writeConcern"), self.write_concern());
        }
        let reply = self.run(&place.database, command, Access::Write, session).await?;
        read_reply(&reply)
    }

    /// Runs one update statement, which says with its count whether it matched.
    pub(crate) async fn update_one(
        &self,
        place: &Place,
        filter: RawDocumentBuf,
        update: RawDocumentBuf,
        upsert: bool,
        session: Option<&mut ClientSession>,
    ) -> Result<WriteReply, Failure> {
        let mut statements = RawArrayBuf::new();
        statements.push(rawdoc! { "q": filter, "u": update, "upsert": upsert });
        self.write(place, Verb::Update, statements, true, session).await
    }

    /// How many of the statements with these sizes, from the first on, fit one command. At least one.
    pub(crate) fn fitting(&self, sizes: impl Iterator<Item = usize>) -> usize {
        let room = self.inner.server.document_bytes_max.saturating_sub(COMMAND_OVERHEAD_BYTES);
        let mut bytes = 0;
        let fitting = sizes
            .take(self.inner.server.writes_max)
            .take_while(|size| {
                bytes += size + STATEMENT_OVERHEAD_BYTES;
                bytes <= room
            })
            .count();
        fitting.max(1)
    }
}

/// Waits for a request that the server may work on for so long, and a little longer.
pub(crate) async fn within<T>(
    limit: Duration,
    access: Access,
    request: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit + GRACE, Box::pin(request)).await {
        Ok(result) => result,
        Err(_) => Err(Failure::timeout(access)),
    }
}

/// Statements as the array that a write command takes.
pub(crate) fn array<'a>(statements: impl IntoIterator<Item = &'a RawDocument>) -> RawArrayBuf {
    statements.into_iter().collect()
}

/// Why what a command has written is not as durable as it should be, if it is not.
fn undurable(reply: &BsonDocument) -> Option<Failure> {
    let concern = reply.get_document("writeConcernError").ok()?;
    let code = number(concern.get("code")).and_then(|code| i32::try_from(code).ok()).unwrap_or_default();
    let text = |field| concern.get_str(field).unwrap_or_default();
    Some(Failure::from_code(code, text("codeName"), text("errmsg"), Access::Write))
}

fn read_reply(reply: &BsonDocument) -> Result<WriteReply, Failure> {
    let malformed = || Failure::said(Fault::Unexpected, "the server's reply to a write has an unknown form");
    let count = |field| match reply.get(field) {
        None => Ok(0),
        value => number(value).and_then(|n| usize::try_from(n).ok()).ok_or_else(malformed),
    };
    let upserted = reply.get_array("upserted").map_or(0, Vec::len);
    let mut errors = Vec::new();
    for error in reply.get_array("writeErrors").map_or(&[][..], Vec::as_slice) {
        let error = error.as_document().ok_or_else(malformed)?;
        let field = |field| number(error.get(field));
        errors.push(WriteError {
            index: field("index").and_then(|n| usize::try_from(n).ok()).ok_or_else(malformed)?,
            code: field("code").and_then(|n| i32::try_from(n).ok()).ok_or_else(malformed)?,
            message: error.get_str("errmsg").unwrap_or_default().to_owned(),
            key: error.get_document("keyPattern").ok().cloned(),
        });
    }
    Ok(WriteReply { count: count("n")?, modified: count("nModified")? + upserted, errors })
}

fn number(value: Option<&Bson>) -> Option<i64> {
    match value? {
        Bson::Int32(n) => Some(i64::from(*n)),
        Bson::Int64(n) => Some(*n),
        _ => None,
    }
}
