//! The node document of the documents: checkpoint, owner, stop, and what is being applied.

use bson::{Bson, RawDocumentBuf, raw::cstr, rawdoc};
use mongodb::ClientSession;
use oplogsync_core::{
    batch::Batch,
    checkpoint::{Checkpoint, Resume, Stop},
    entry::Entry,
    ids::OwnerId,
    position::Position,
    store_error::Fault,
};

use crate::{
    entry_document::bytes16,
    error::{Access, Failure},
    node_document::{
        DOCUMENTS, DocumentsState, Window, counted, encode_checkpoint, encode_resume, encode_stop, encode_window,
    },
    store::MongoStore,
};

impl MongoStore {
    pub(crate) async fn documents_state(&self) -> Result<DocumentsState, Failure> {
        match self.find_one(&self.own("node"), rawdoc! { "_id": DOCUMENTS }, None).await? {
            Some(document) => DocumentsState::decode(&document),
            None => Ok(DocumentsState::default()),
        }
    }

    /// The state, if the batch follows the checkpoint, continues what is unfinished, and `owner`
    /// holds the lease.
    pub(crate) async fn check_target(&self, batch: &Batch, owner: OwnerId) -> Result<DocumentsState, Failure> {
        let state = self.documents_state().await?;
        match objection(&state, batch, owner) {
            None => Ok(state),
            Some(failure) => Err(failure),
        }
    }

    /// Fails if `owner` does not hold the lease.
    pub(crate) async fn check_owner(&self, owner: OwnerId) -> Result<(), Failure> {
        stranger(&self.documents_state().await?, owner).map_or(Ok(()), |fault| Err(Failure::new(fault)))
    }

    /// Notes durably that the batch is about to be written.
    pub(crate) async fn begin(
        &self,
        state: &DocumentsState,
        batch: &Batch,
        owner: OwnerId,
        window: &Window,
    ) -> Result<(), Failure> {
        let update = rawdoc! { "$set": { "applying": encode_window(window) } };
        self.advance(state, update, batch, owner, None).await
    }

    /// Moves the checkpoint to the end of the batch.
    pub(crate) async fn finish(
        &self,
        state: &DocumentsState,
        batch: &Batch,
        owner: OwnerId,
        session: Option<&mut ClientSession>,
    ) -> Result<(), Failure> {
        let checkpoint = Checkpoint { log: batch.log(), anchor: batch.last() };
        self.advance(state, standing_at(&checkpoint, &batch.resume()), batch, owner, session).await
    }

    /// Moves the checkpoint to wherever it is to be, outside of any batch.
    pub(crate) async fn place_checkpoint(
        &self,
        checkpoint: &Checkpoint,
        resume: &Resume,
        owner: OwnerId,
    ) -> Result<(), Failure> {
        self.change_as(owner, standing_at(checkpoint, resume)).await
    }

    /// Takes the checkpoint away, and all that belongs to it.
    pub(crate) async fn forget_checkpoint(&self, owner: OwnerId) -> Result<(), Failure> {
        let gone = rawdoc! { "checkpoint": "", "resume": "", "stop": "", "applying": "" };
        self.change_as(owner, rawdoc! { "$unset": gone }).await
    }

    /// Updates the node document if `owner` holds the lease.
    async fn change_as(&self, owner: OwnerId, update: RawDocumentBuf) -> Result<(), Failure> {
        let filter = rawdoc! { "_id": DOCUMENTS, "lease.owner": bytes16(owner.to_bytes()) };
        if self.swap_node_document(filter, update, false).await? {
            return Ok(());
        }
        self.check_owner(owner).await?;
        Err(Failure::said(Fault::Unavailable, "the lease changed to and fro meanwhile"))
    }

    /// Updates the node document, if the owner, the checkpoint and what is being applied still are
    /// what they were in `state`, or what they became for this batch.
    async fn advance(
        &self,
        state: &DocumentsState,
        update: RawDocumentBuf,
        batch: &Batch,
        owner: OwnerId,
        session: Option<&mut ClientSession>,
    ) -> Result<(), Failure> {
        let mut filter = rawdoc! { "_id": DOCUMENTS, "lease.owner": bytes16(owner.to_bytes()) };
        match &state.checkpoint {
            None => filter.append(cstr!("checkpoint"), rawdoc! { "$exists": false }),
            Some(checkpoint) => filter.append(cstr!("checkpoint"), rawdoc! { "$eq": encode_checkpoint(checkpoint) }),
        }
        // Another batch from the same checkpoint would be another history.
        let index = counted(batch.last().position.index);
        let hash = bytes16(batch.last().hash.to_bytes());
        filter.append(
            cstr!("$or"),
            bson::rawbson!([
                { "applying": { "$exists": false } },
                { "applying.index": index, "applying.hash": hash },
            ]),
        );
        let place = self.own("node");
        let mut command = rawdoc! {
            "findAndModify": place.collection.as_str(), "query": filter, "update": update, "fields": { "_id": 1 },
        };
        if session.is_none() {
            command.append(cstr!("writeConcern"), self.write_concern());
        }
        let reply = self.run(&place.database, command, Access::Write, session).await?;
        match reply.get("value") {
            Some(Bson::Document(_)) => Ok(()),
            _ => Err(self.why_not(batch, owner).await?),
        }
    }

    /// Why the node document did not match.
    async fn why_not(&self, batch: &Batch, owner: OwnerId) -> Result<Failure, Failure> {
        let state = self.documents_state().await?;
        let passing = || Failure::said(Fault::Unavailable, "the node document changed to and fro meanwhile");
        Ok(objection(&state, batch, owner).unwrap_or_else(passing))
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

/// The update that makes a target stand at a checkpoint.
fn standing_at(checkpoint: &Checkpoint, resume: &Resume) -> RawDocumentBuf {
    let mut set = rawdoc! { "checkpoint": encode_checkpoint(checkpoint) };
    let mut unset = rawdoc! { "stop": "", "applying": "" };
    match encode_resume(resume) {
        Some(resume) => set.append(cstr!("resume"), resume),
        None => unset.append(cstr!("resume"), ""),
    }
    rawdoc! { "$set": set, "$unset": unset }
}

/// Who holds the lease, if it is not `owner`.
fn stranger(state: &DocumentsState, owner: OwnerId) -> Option<Fault> {
    match &state.lease {
        Some(lease) if lease.owner == owner => None,
        Some(lease) => Some(Fault::Busy { holder: lease.holder.clone() }),
        None => Some(Fault::Busy { holder: "nobody with a lease".to_owned() }),
    }
}

/// Why a batch may not be applied by `owner`, if it may not.
fn objection(state: &DocumentsState, batch: &Batch, owner: OwnerId) -> Option<Failure> {
    let found = state.checkpoint.map_or(Position::default(), |checkpoint| checkpoint.anchor.position);
    let moved = Fault::CheckpointMoved { found };
    match state.checkpoint {
        Some(checkpoint) if checkpoint.log != batch.log() => {
            let words =
                format!("the checkpoint follows log {}, the batch belongs to log {}", checkpoint.log, batch.log());
            return Some(Failure::said(moved, words));
        }
        Some(checkpoint) if checkpoint.anchor != *batch.after() => return Some(Failure::new(moved)),
        None if *batch.after() != Entry::origin(batch.log()) => return Some(Failure::new(moved)),
        _ => {}
    }
    if let Some(fault) = stranger(state, owner) {
        return Some(Failure::new(fault));
    }
    let (window, last) = (state.unfinished()?, batch.last());
    if window.index != last.position.index {
        // A note of our own whose reply was lost may arrive late: who reads again finishes that batch.
        let words = format!("a batch up to entry {} was begun meanwhile, and must be applied first", window.index);
        return Some(Failure::said(moved, words));
    }
    let rewritten = || {
        let words = format!(
            "entry {} was another one when its batch was begun: the source was rewritten, sync the node anew with `oplogsync resync NODE --confirm NODE`",
            window.index
        );
        Failure::said(Fault::Incompatible, words)
    };
    (window.hash != last.hash).then(rewritten)
}
