//! [`Timeline`]: what every document was after every entry: the fold of the log, kept by index.

use std::collections::BTreeMap;

use super::node::Place;
use crate::document::Document;

/// The fold of a log, at each of its indexes.
#[derive(Debug, Default)]
pub(super) struct Timeline(BTreeMap<Place, Vec<(u64, Option<Document>)>>);

impl Timeline {
    /// From this entry on the document is this.
    pub(super) fn push(&mut self, index: u64, place: Place, document: Option<Document>) {
        self.0.entry(place).or_default().push((index, document));
    }

    /// The document after the entry at `index`.
    pub(super) fn at(&self, index: u64, place: &Place) -> Option<&Document> {
        let versions = self.0.get(place)?;
        let later = versions.partition_point(|(since, _)| *since <= index);
        versions.get(later.checked_sub(1)?)?.1.as_ref()
    }

    /// Whether the document was like this after some entry from `from` to `until`.
    pub(super) fn was(&self, from: u64, until: u64, place: &Place, like: impl Fn(Option<&Document>) -> bool) -> bool {
        let changes = self.0.get(place).into_iter().flatten();
        let mut within = changes.filter(|(since, _)| *since > from && *since <= until);
        like(self.at(from, place)) || within.any(|(_, document)| like(document.as_ref()))
    }

    /// All documents that there ever were.
    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        self.0.keys()
    }
}
