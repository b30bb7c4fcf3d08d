//! The same operations for stores that know nothing of a log.

use oplogsync_core::{batch::Batch, entry::Operation};

/// A key, and the document to be put there or `None` for a delete.
pub type RawOperation = (Vec<u8>, Option<Vec<u8>>);

/// Operations that are written together.
pub type RawBatch = Vec<RawOperation>;

/// What batches do, without their envelopes.
pub fn raw_batches(batches: &[Batch]) -> Vec<RawBatch> {
    batches.iter().map(raw_batch).collect()
}

fn raw_batch(batch: &Batch) -> RawBatch {
    let operations = batch.entries().iter().filter_map(|entry| {
        let key = entry.operation().doc_id()?.key().to_vec();
        let document = match entry.operation() {
            Operation::Insert { document, .. } | Operation::Update { document, .. } => {
                Some(document.as_bytes().to_vec())
            }
            _ => None,
        };
        Some((key, document))
    });
    operations.collect()
}
