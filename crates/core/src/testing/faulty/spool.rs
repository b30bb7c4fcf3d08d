//! Copying a log into a store that fails on demand.

use super::{Call, Faulty};
use crate::{
    batch::Batch,
    checkpoint::{Checkpoint, Resume},
    ids::OwnerId,
    spool::SpoolLog,
    store_error::StoreError,
};

impl<S: SpoolLog> SpoolLog for Faulty<S> {
    async fn captured(&self) -> Result<Option<(Checkpoint, Resume)>, StoreError> {
        self.call(Call::Captured, self.inner.captured()).await
    }

    async fn begin_capture(&self, checkpoint: Checkpoint, resume: &Resume, owner: OwnerId) -> Result<(), StoreError> {
        self.call(Call::BeginCapture, self.inner.begin_capture(checkpoint, resume, owner)).await
    }

    async fn capture(&self, batch: &Batch, owner: OwnerId) -> Result<(), StoreError> {
        self.call(Call::Capture, self.inner.capture(batch, owner)).await
    }
}
