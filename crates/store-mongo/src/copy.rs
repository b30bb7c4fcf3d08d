//! [`SyncTarget`]: documents and collections are copied into a node.

mod notes;
mod piece;

use oplogsync_core::{
    checkpoint::{Checkpoint, Resume},
    command::Action,
    doc_id::DocId,
    document::Document,
    ids::OwnerId,
    initial_sync::{Note, Piece, SyncTarget},
    namespace::Namespace,
    store_error::StoreError,
};

use crate::{error::Failure, store::MongoStore};

impl SyncTarget for MongoStore {
    async fn notes(&self) -> Result<Vec<Note>, StoreError> {
        self.read_notes().await.map_err(|failure| self.store_error("read the notes of the initial sync", failure))
    }

    async fn put_notes(&self, notes: &[Note], owner: OwnerId) -> Result<(), StoreError> {
        let written = async {
            let hold = self.hold(owner).await?;
            self.write_notes(&hold, notes).await
        };
        written.await.map_err(|failure| self.store_error("write notes of the initial sync", failure))
    }

    async fn wipe(&self, owner: OwnerId) -> Result<(), StoreError> {
        self.wipe_all(owner).await.map_err(|failure| self.store_error("take everything away", failure))
    }

    async fn run(&self, action: &Action, owner: OwnerId) -> Result<(), StoreError> {
        let run = async {
            self.check_owner(owner).await?;
            self.run_action(action).await
        };
        let doing = || match action.namespace() {
            Some(ns) => format!("change the collection {ns} or its indexes"),
            None => format!("drop the database {}", action.database()),
        };
        run.await.map_err(|failure| self.store_error(doing(), failure))
    }

    async fn copy(&self, piece: &Piece, note: &Note, owner: OwnerId) -> Result<(), StoreError> {
        let copied = Box::pin(async {
            let hold = self.hold(owner).await?;
            self.write_piece(&hold, piece).await?;
            self.write_notes(&hold, std::slice::from_ref(note)).await.map_err(Failure::after_a_write)
        });
        let doing = || format!("copy {} documents to {}", piece.documents.len(), piece.ns);
        copied.await.map_err(|failure| self.store_error(doing(), failure))
    }

    async fn mend(
        &self,
        ns: &Namespace,
        id: &DocId,
        document: Option<&Document>,
        owner: OwnerId,
    ) -> Result<(), StoreError> {
        let mended = Box::pin(async {
            let hold = self.hold(owner).await?;
            self.write_one(&hold, ns, id, document).await
        });
        mended.await.map_err(|failure| self.store_error(format!("mend {ns} {id}"), failure))
    }

    async fn begin_at(
        &self,
        checkpoint: Checkpoint,
        resume: &Resume,
        notes: &[Note],
        owner: OwnerId,
    ) -> Result<(), StoreError> {
        let begun = async {
            let hold = self.hold(owner).await?;
            self.write_notes(&hold, notes).await?;
            self.place_checkpoint(&checkpoint, resume, owner).await.map_err(Failure::after_a_write)
        };
        let doing = || format!("set the checkpoint to {}", checkpoint.anchor.position);
        begun.await.map_err(|failure| self.store_error(doing(), failure))
    }
}

impl MongoStore {
    /// The checkpoint goes first: it says what documents there are.
    async fn wipe_all(&self, owner: OwnerId) -> Result<(), Failure> {
        let hold = self.hold(owner).await?;
        self.forget_checkpoint(owner).await?;
        let dropped = async {
            for database in self.databases().await? {
                for place in self.held(&database).await? {
                    self.still_holds(&hold).await?;
                    self.drop_collection(&place).await?;
                }
            }
            Ok(())
        };
        dropped.await.map_err(Failure::after_a_write)
    }
}
