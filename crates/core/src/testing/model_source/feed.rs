//! The events of a [`ModelSource`] as entries.

use super::{ModelSource, token};
use crate::{
    batch::{Batch, Taken},
    checkpoint::{Checkpoint, Token},
    entry::{Entry, Operation},
    feed::{Feed, FeedError, Fetch, Image},
    hash::Hash,
    ids::OpId,
    limits::Limits,
    position::Anchor,
};

impl Feed for ModelSource {
    async fn fetch(
        &self,
        checkpoint: Option<Checkpoint>,
        from: Option<&Token>,
        limits: Limits,
    ) -> Result<Fetch, FeedError> {
        self.live();
        let world = self.world();
        let (Some(checkpoint), Some(from)) = (checkpoint, from) else {
            return Err(FeedError::NoLog { source_node: "model".to_owned() });
        };
        let from = from.as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let rest = world.operations.get(from..).unwrap_or_default();
        let mut last = checkpoint.anchor;
        let mut entries = Vec::new();
        for (number, (optime, operation)) in rest.iter().enumerate() {
            let op_id = OpId::from_bytes(Hash::of(&(from + number).to_be_bytes()).to_bytes());
            let entry = Entry::seal(&last, *optime, op_id, operation.clone());
            last = entry.anchor();
            entries.push(entry);
        }
        let head = last;
        let floor = Anchor { optime: checkpoint.anchor.optime, ..Entry::origin(checkpoint.log) };
        let taken = Batch::take(checkpoint.log, checkpoint.anchor, entries, limits, false);
        let taken = taken.map_err(|source| FeedError::Broken { after: checkpoint.anchor.position, source })?;
        let batch = match taken {
            Taken::Batch(batch) => {
                let count = batch.entries().len();
                Some(batch.with_token(Some(token(from + count))))
            }
            Taken::Nothing | Taken::Incomplete if world.now > checkpoint.anchor.optime => {
                // A quiet stream moves its token all the same.
                let op_id = OpId::from_bytes(Hash::of(&world.now.to_timestamp().0.to_be_bytes()).to_bytes());
                let noop = Entry::seal(&checkpoint.anchor, world.now, op_id, Operation::Noop);
                let batch = Batch::new(checkpoint.log, checkpoint.anchor, vec![noop]);
                batch.ok().map(|batch| batch.with_token(Some(token(from))))
            }
            Taken::Nothing | Taken::Incomplete => None,
        };
        Ok(Fetch { batch, head, floor })
    }

    async fn acknowledge(&self, _replica: &str, _at: &Anchor) -> Result<(), FeedError> {
        Ok(())
    }

    async fn changed(&self, _at: &Anchor) {
        std::future::pending::<()>().await;
    }

    async fn image(&self, entry: &Entry) -> Result<Image, FeedError> {
        let (Some(ns), Some(id)) = (entry.operation().namespace(), entry.operation().doc_id()) else {
            return Ok(Image::Unknown);
        };
        let documents = self.world().documents_at(ns, Some(entry.optime()));
        Ok(Image::Known(documents.into_iter().find(|document| document.id() == id)))
    }
}
