//! Where a collection is parted.

use bson::{RawDocument, RawDocumentBuf, raw::cstr, rawdoc};
use oplogsync_core::{doc_id::DocId, namespace::Namespace, store_error::Fault};

use super::SnapshotSource;
use crate::{error::Failure, query::Flow};

/// How many ids are looked at for each part: the parts then differ by a third or so.
const SAMPLES_PER_PART: usize = 20;
const SAMPLES_MAX: usize = 2_000;

impl SnapshotSource {
    /// Ids that split a collection into about `parts` parts of the same size.
    pub(super) async fn splits(&self, ns: &Namespace, parts: usize) -> Result<Vec<DocId>, Failure> {
        let place = self.store.place(ns)?;
        let samples = parts.saturating_mul(SAMPLES_PER_PART).min(SAMPLES_MAX);
        let samples = i64::try_from(samples).unwrap_or(i64::MAX);
        let mut command = RawDocumentBuf::new();
        command.append(cstr!("aggregate"), place.collection.as_str());
        let pipeline = bson::rawbson!([{ "$sample": { "size": samples } }, { "$project": { "_id": 1 } }]);
        command.append(cstr!("pipeline"), pipeline);
        command.append(cstr!("cursor"), rawdoc! {});
        command.append(cstr!("maxTimeMS"), self.store.max_time_ms());
        let mut ids = Vec::new();
        let take = |raw: &RawDocument| {
            let id = raw.get("_id").ok().flatten().and_then(|id| DocId::new(id.into()).ok());
            ids.push(
                id.ok_or_else(|| Failure::said(Fault::Incompatible, "a document has an `_id` that none can have"))?,
            );
            Ok(Flow::More)
        };
        self.store.query_as(&self.reading(), &place.database, command, None, take).await?;
        Ok(quantiles(ids, parts))
    }
}

/// The ids that split their like into `parts` parts; fewer where there are not as many different ones.
fn quantiles(mut ids: Vec<DocId>, parts: usize) -> Vec<DocId> {
    ids.sort_unstable();
    ids.dedup();
    if ids.len() < parts {
        return Vec::new();
    }
    let mut splits: Vec<DocId> = (1..parts).filter_map(|part| ids.get(part * ids.len() / parts)).cloned().collect();
    splits.dedup();
    splits
}

#[cfg(test)]
mod tests {
    use oplogsync_core::testing::documents::id;

    use super::*;

    #[test]
    fn ids_of_any_types_are_split_in_their_order() {
        let ids = vec![id("b"), id(3), id("a"), id(1_i64), id(2.0), id("c"), id(bson::RawBson::Null), id(true)];
        assert_eq!(quantiles(ids.clone(), 4), [id(2), id("a"), id("c")]);
        assert_eq!(quantiles(ids, 1), []);
    }

    #[test]
    fn a_few_ids_split_nothing() {
        assert_eq!(quantiles(vec![id(1), id(1), id(2)], 3), []);
        assert_eq!(quantiles(Vec::new(), 2), []);
    }
}
