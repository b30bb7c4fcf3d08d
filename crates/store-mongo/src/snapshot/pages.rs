//! Reading the documents of a part as they were at one time.

use oplogsync_core::{
    catch_up::Moment,
    clock::OpTime,
    doc_id::DocId,
    initial_sync::{Got, Part, Read},
    limits::Limits,
    namespace::Namespace,
};

use super::SnapshotSource;
use crate::{
    change_stream::{is_past, snapshot_at},
    documents::{Scanned, Span},
    error::Failure,
    scope::Place,
};

impl SnapshotSource {
    /// The first documents of a part, as they were at `at` if that is given and the server still knows, else as
    /// they are about now.
    pub(super) async fn page(&self, part: Part<'_>, at: Option<OpTime>, limits: Limits) -> Result<Read, Failure> {
        let place = self.store.place(part.ns)?;
        let at = match at {
            Some(at) => at,
            None => self.store.majority_time().await?,
        };
        let read = match self.page_at(&place, part, at, limits).await {
            Err(failure) if is_past(&failure) => {
                let at = self.store.majority_time().await?;
                self.page_at(&place, part, at, limits).await?
            }
            read => read?,
        };
        // A collection that was dropped shows nothing of any time, so what there is of it is known from its end on.
        if read.documents.is_empty() && !self.is_there(&place).await? {
            let latest = self.store.latest_time().await?;
            return self.page_at(&place, part, latest, limits).await;
        }
        Ok(read)
    }

    /// The documents with these ids, as they were at `at` if that is given and the server still knows, else as
    /// they are about now.
    pub(super) async fn images(&self, ns: &Namespace, ids: &[DocId], at: Option<OpTime>) -> Result<Got, Failure> {
        let place = self.store.place(ns)?;
        let at = match at {
            Some(at) => at,
            None => self.store.majority_time().await?,
        };
        let got = match self.images_at(&place, ids, at).await {
            Err(failure) if is_past(&failure) => self.images_at(&place, ids, self.store.majority_time().await?).await?,
            got => got?,
        };
        // As for a page.
        if got.documents.iter().all(Option::is_none) && !self.is_there(&place).await? {
            return self.images_at(&place, ids, self.store.latest_time().await?).await;
        }
        Ok(got)
    }

    async fn images_at(&self, place: &Place, ids: &[DocId], at: OpTime) -> Result<Got, Failure> {
        let documents = self.store.read_by_ids_at(place, ids, &snapshot_at(at)).await?;
        Ok(Got { documents, at: Moment::of_optime(at) })
    }

    async fn page_at(&self, place: &Place, part: Part<'_>, at: OpTime, limits: Limits) -> Result<Read, Failure> {
        let span = Span { after: part.after, until: part.until };
        let Scanned { documents, is_end } =
            self.store.scan_at(place, span, limits, &snapshot_at(at), &self.reading()).await?;
        Ok(Read { documents, at: Moment::of_optime(at), is_end })
    }

    async fn is_there(&self, place: &Place) -> Result<bool, Failure> {
        Ok(self.store.find_collection(place).await?.is_some())
    }
}
