//! The node document of the documents: checkpoint, owner, stop, and what is being applied.

use bson::{Bson, RawDocument, RawDocumentBuf, raw::cstr, rawdoc};
use mongodb::ClientSession;
use oplogsync_core::{
    batch::Batch,
    checkpoint::{Checkpoint, Stop},
    entry::Entry,
    ids::OwnerId,
    position::Position,
    store_error::Fault,
};

use crate::{
    entry_document::bytes16,
    error::{Access, Failure},
    node_document::{DOCUMENTS, DocumentsState, Drifted, counted, encode_checkpoint, encode_drift, encode_stop},
    store::MongoStore,
};

/// Which update of the node document an apply makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Says up to which entry the documents are about to be written.
    Begin,
    /// Moves the checkpoint.
    Finish,
}

impl MongoStore {
    pub(crate) async fn documents_state(&self) -> Result<DocumentsState, Failure> {
        match self.find_one(&self.own("node"), rawdoc! { "_id": DOCUMENTS }, None).await? {
            Some(document) => DocumentsState::decode(&document),
            None => Ok(DocumentsState::default()),
        }
    }

    /// Updates the node document, if `owner` holds the lease and the checkpoint is what the batch
    /// follows, and returns it as it was before.
    pub(crate) async fn advance(
        &self,
        step: Step,
        batch: &Batch,
        owner: OwnerId,
        session: Option<&mut ClientSession>,
    ) -> Result<DocumentsState, Failure> {
        let place = self.own("node");
        let known = self.expected_checkpoint(batch).await?;
        let update = match step {
            Step::Begin => rawdoc! { "$max": { "applyingThrough": counted(batch.last().position.index) } },
            Step::Finish => rawdoc! {
                "$set": { "checkpoint": encode_checkpoint(&Checkpoint { log: batch.log(), anchor: batch.last() }) },
                "$unset": { "stop": "", "drift": "" },
            },
        };
        let mut command = rawdoc! {
            "findAndModify": place.collection.as_str(), "query": filter(owner, known.as_ref()), "update": update,
        };
        if session.is_none() {
            command.append(cstr!("writeConcern"), self.write_concern());
        }
        let reply = self.run(&place.database, command, Access::Write, session).await?;
        if reply.contains_key("writeConcernError") {
            return Err(Failure::said(Fault::Unknown, "the update of the checkpoint is not durable yet"));
        }
        match reply.get("value") {
            Some(Bson::Document(before)) => {
                let before =
                    RawDocumentBuf::try_from(before).map_err(|error| Failure::new(Fault::Corrupt).because(error))?;
                DocumentsState::decode(&before)
            }
            _ => Err(self.why_not(batch, owner).await?),
        }
    }

    /// The checkpoint that must stand for the batch to be applied: what it follows, where nothing
    /// counts as the origin of its log.
    async fn expected_checkpoint(&self, batch: &Batch) -> Result<Option<Checkpoint>, Failure> {
        let after = Checkpoint { log: batch.log(), anchor: *batch.after() };
        let is_origin = after.anchor == Entry::origin(batch.log());
        // Only a batch that follows the origin may find no checkpoint, or one at the origin.
        Ok(if is_origin && self.documents_state().await?.checkpoint.is_none() { None } else { Some(after) })
    }

    /// Fails when the batch does not follow the checkpoint or `owner` does not hold the lease.
    pub(crate) async fn check_target(&self, batch: &Batch, owner: OwnerId) -> Result<(), Failure> {
        let state = self.documents_state().await?;
        let follows = match state.checkpoint {
            Some(checkpoint) => checkpoint.log == batch.log() && checkpoint.anchor == *batch.after(),
            None => *batch.after() == Entry::origin(batch.log()),
        };
        let owns = state.lease.is_some_and(|lease| lease.owner == owner);
        if follows && owns { Ok(()) } else { Err(self.why_not(batch, owner).await?) }
    }

    /// Why the node document did not match.
    async fn why_not(&self, batch: &Batch, owner: OwnerId) -> Result<Failure, Failure> {
        let state = self.documents_state().await?;
        match state.lease {
            Some(lease) if lease.owner == owner => {
                let found = state.checkpoint.map_or(Position::default(), |checkpoint| checkpoint.anchor.position);
                let failure = Failure::new(Fault::CheckpointMoved { found });
                Ok(match state.checkpoint {
                    Some(checkpoint) if checkpoint.log != batch.log() => failure.because(crate::error::Said(format!(
                        "the checkpoint follows log {}, the batch belongs to log {}",
                        checkpoint.log,
                        batch.log()
                    ))),
                    _ => failure,
                })
            }
            Some(lease) => Ok(Failure::new(Fault::Busy { holder: lease.holder })),
            None => {
                Ok(Failure::new(Fault::Busy { holder: "nobody (the lease was given up or taken away)".to_owned() }))
            }
        }
    }

    /// Remembers what was found otherwise than the log says, so that a repeat does not write over it.
    pub(crate) async fn remember_drift(&self, owner: OwnerId, drift: &[Drifted]) -> Result<(), Failure> {
        let mut filter = rawdoc! { "_id": DOCUMENTS };
        append_owner(&mut filter, owner);
        let update = if drift.is_empty() {
            rawdoc! { "$unset": { "drift": "" } }
        } else {
            rawdoc! { "$set": { "drift": encode_drift(drift) } }
        };
        self.swap_node_document(filter, update, false).await.map(drop)
    }

    pub(crate) async fn write_stop(&self, stop: &Stop) -> Result<(), Failure> {
        let filter = rawdoc! { "_id": DOCUMENTS };
        let update = rawdoc! { "$set": { "stop": encode_stop(stop) }, "$setOnInsert": { "v": 1 } };
        // A second try meets the document that someone else has just created.
        let done = self.swap_node_document(filter.clone(), update.clone(), true).await?
            || self.swap_node_document(filter, update, false).await?;
        if done { Ok(()) } else { Err(Failure::said(Fault::Corrupt, "the node document was deleted meanwhile")) }
    }
}

fn append_owner(filter: &mut RawDocumentBuf, owner: OwnerId) {
    filter.append(cstr!("lease.owner"), bytes16(owner.to_bytes()));
}

fn filter(owner: OwnerId, checkpoint: Option<&Checkpoint>) -> RawDocumentBuf {
    let mut filter = rawdoc! { "_id": DOCUMENTS };
    append_owner(&mut filter, owner);
    match checkpoint {
        None => filter.append(cstr!("checkpoint"), rawdoc! { "$exists": false }),
        Some(checkpoint) => {
            let stored = encode_checkpoint(checkpoint);
            let stored: &RawDocument = &stored;
            filter.append(cstr!("checkpoint"), rawdoc! { "$eq": stored.to_owned() });
        }
    }
    filter
}
