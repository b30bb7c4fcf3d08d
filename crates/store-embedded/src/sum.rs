//! [`Sum`]: what is added up of the records that nothing else counts.

use std::{collections::BTreeMap, ops::Bound};

use crate::{
    engine::Engine,
    key::{COMMITS, DOCUMENT, ENTRY, Key, NAMED_DOCUMENT, OPERATION},
    place::Range,
    record::checksum_of,
    tree::View,
    trouble::Trouble,
};

/// The sum of the checksums of all records, but of documents, which their digests count, and of the entries
/// of the log and their operations, which hang together by themselves.
///
/// It stands with the count of commits, in every batch, so that it tells when one of those records is lost or
/// is from before: the engine can come back without some of what was written in the middle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum(pub(crate) u64);

/// What a batch makes of the records that are added up: the checksum of each, or none.
#[derive(Debug, Default)]
pub(crate) struct Summands(BTreeMap<Vec<u8>, Option<u64>>);

impl Sum {
    /// The sum of everything that is there.
    pub(crate) fn of<E: Engine>(view: &View<'_, E>) -> Result<Self, Trouble> {
        let mut sum = Self::default();
        for item in ranges().into_iter().flat_map(|range| view.range(range)) {
            let (key, bytes) = item?;
            if is_summand(&key) {
                sum = sum.with(checksum_of(&bytes));
            }
        }
        Ok(sum)
    }

    /// The sum after a batch.
    pub(crate) fn after<E: Engine>(self, changes: &Summands, view: &View<'_, E>) -> Result<Self, Trouble> {
        let mut sum = self;
        for (key, new) in &changes.0 {
            if let Some(old) = view.get(key)? {
                sum = sum.without(checksum_of(&old));
            }
            sum = new.map_or(sum, |new| sum.with(new));
        }
        Ok(sum)
    }

    fn with(self, checksum: u64) -> Self {
        Self(self.0.wrapping_add(checksum))
    }

    fn without(self, checksum: u64) -> Self {
        Self(self.0.wrapping_sub(checksum))
    }
}

impl Summands {
    /// A record is written, or taken away.
    pub(crate) fn note(&mut self, key: &Key, bytes: Option<&[u8]>) {
        if is_summand(key.as_bytes()) {
            self.0.insert(key.as_bytes().to_vec(), bytes.map(checksum_of));
        }
    }
}

fn is_summand(key: &[u8]) -> bool {
    key != [COMMITS] && !key.first().is_none_or(|tag| matches!(*tag, ENTRY | OPERATION | NAMED_DOCUMENT | DOCUMENT))
}

/// All keys but those of the records of which there are many.
fn ranges() -> [Range; 3] {
    const BEHIND: [u8; 2] = [OPERATION + 1, DOCUMENT + 1];
    let [behind_the_log, behind_documents] = BEHIND.map(|tag| Bound::Included(vec![tag]));
    [
        (Bound::Unbounded, Bound::Excluded(vec![ENTRY])),
        (behind_the_log, Bound::Excluded(vec![NAMED_DOCUMENT])),
        (behind_documents, Bound::Unbounded),
    ]
}
