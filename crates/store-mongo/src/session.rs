//! The session in which a node's transactions are made, noted in the node itself.
//!
//! A server ends the transaction of a client that was killed only after a minute
//! (`transactionLifetimeLimitSeconds`), and nobody else can write what it has written until then. Whoever takes the
//! lease over ends it at once.

use bson::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc, spec::BinarySubtype};
use mongodb::ClientSession;
use oplogsync_core::store_error::Fault;

use crate::{
    error::{Access, Failure},
    fields::{FieldError, Fields},
    node_document::{SESSION, unreadable},
    store::MongoStore,
};

impl MongoStore {
    /// The session of the transactions; a new one is noted before it is used.
    pub(crate) async fn take_session(&self) -> Result<ClientSession, Failure> {
        if let Some(session) = self.inner.session.lock().await.take() {
            return Ok(session);
        }
        let started = self.client().start_session().await;
        let session = started.map_err(|error| Failure::from_driver(&error, Access::Read))?;
        let id =
            RawDocumentBuf::try_from(session.id()).map_err(|error| Failure::new(Fault::Unexpected).because(error))?;
        let update = rawdoc! { "$set": { "v": 1, "session": id } };
        let noted = self.update_one(&self.own("node"), rawdoc! { "_id": SESSION }, update, true, None).await;
        let reply = noted.map_err(|mut failure| {
            // Whether it is noted or not, nothing was applied.
            if failure.fault == Fault::Unknown {
                failure.fault = Fault::Unavailable;
            }
            failure
        })?;
        match reply.errors.first() {
            Some(error) => Err(Failure::from_write_error(error)),
            None => Ok(session),
        }
    }

    /// Keeps it for the next transaction.
    pub(crate) async fn keep_session(&self, session: ClientSession) {
        *self.inner.session.lock().await = Some(session);
    }

    /// Ends what the former holder of the lease may have left open.
    pub(crate) async fn end_left_transaction(&self) -> Result<(), Failure> {
        if !self.is_transactional() {
            return Ok(());
        }
        let Some(noted) = self.find_one(&self.own("node"), rawdoc! { "_id": SESSION }, None).await? else {
            return Ok(());
        };
        let id = decode(&noted).map_err(unreadable(SESSION))?;
        let command = rawdoc! { "killSessions": [{ "id": id }] };
        match self.run("admin", command, Access::Read, None).await {
            // Who may not has to wait.
            Err(failure) if failure.fault == Fault::Denied => Ok(()),
            done => done.map(drop),
        }
    }
}

/// The id of a noted session.
fn decode(document: &RawDocument) -> Result<RawBson, FieldError> {
    let mut fields = Fields::new(document)?;
    fields.take("_id")?;
    fields.version()?;
    let mut session = Fields::new(fields.document("session")?)?;
    let id = match session.take("id")? {
        RawBsonRef::Binary(id) if id.subtype == BinarySubtype::Uuid => RawBsonRef::Binary(id).into(),
        _ => return Err(FieldError::Type("id")),
    };
    session.end()?;
    fields.end()?;
    Ok(id)
}
