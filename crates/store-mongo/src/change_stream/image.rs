//! A document as it was at the time of an entry.

use bson::{RawDocumentBuf, Timestamp, raw::cstr, rawdoc};
use oplogsync_core::{clock::OpTime, document::Document, entry::Operation, feed::Image};

use crate::{
    bulk::by_id,
    documents::checked,
    error::Failure,
    query::{Flow, find_with},
    store::MongoStore,
};

impl MongoStore {
    /// The document that `operation` has left at the time `at`.
    ///
    /// Where there is none, one was there and its collection is not any more, so that is not known then.
    pub(super) async fn image_at(&self, operation: &Operation, at: OpTime) -> Result<Image, Failure> {
        let (Some(ns), Some(id)) = (operation.namespace(), operation.doc_id()) else { return Ok(Image::Unknown) };
        let place = self.place(ns)?;
        let mut command = find_with(&place, by_id(&id), &snapshot_at(at));
        command.append(cstr!("limit"), 1_i64);
        command.append(cstr!("singleBatch"), true);
        command.append(cstr!("maxTimeMS"), self.max_time_ms());
        let mut found: Option<Document> = None;
        let read = self
            .query(&place.database, command, |raw| {
                found = Some(checked(raw, &place)?);
                Ok(Flow::Enough)
            })
            .await;
        match (read, found) {
            (Ok(()), Some(document)) => Ok(Image::Known(Some(document))),
            (Ok(()), None) => Ok(Image::Unknown),
            (Err(failure), _) if is_past(&failure) => Ok(Image::Unknown),
            (Err(failure), _) => Err(failure),
        }
    }
}

/// The read concern that shows what was there at a time.
pub(crate) fn snapshot_at(at: OpTime) -> RawDocumentBuf {
    let (time, increment) = at.to_timestamp();
    rawdoc! { "level": "snapshot", "atClusterTime": Timestamp { time, increment } }
}

/// Whether a server no longer knows what was there (`SnapshotTooOld`, `SnapshotUnavailable`).
pub(crate) fn is_past(failure: &Failure) -> bool {
    matches!(failure.code, Some(239 | 246))
}
