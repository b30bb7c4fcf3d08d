//! [`Workload`]: generated writes, the same ones for the same seed.

use bson::{RawBson, RawDocumentBuf, rawdoc};
use oplogsync_core::{
    doc_id::{DocId, DocIdError},
    namespace::Namespace,
    write::Write,
};

use crate::mix::Mix;

/// How many documents all writers update together.
const SHARED: u64 = 16;

/// The writes of one writer. It updates and deletes documents that it has inserted, and now and then
/// increments one that all writers share.
#[derive(Debug)]
pub(crate) struct Workload {
    writer: u64,
    random: Random,
    mix: Mix,
    namespaces: Vec<Namespace>,
    live: Vec<(Namespace, u64)>,
    next: u64,
}

impl Workload {
    /// The writes of writer number `writer`.
    pub(crate) fn new(seed: u64, writer: u64, mix: Mix, namespaces: Vec<Namespace>) -> Self {
        let random = Random(seed ^ writer.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Self { writer, random, mix, namespaces, live: Vec::new(), next: 0 }
    }

    /// The next write; `None` when there is no namespace to write to.
    pub(crate) fn next(&mut self) -> Result<Option<Write>, DocIdError> {
        let Mix { insert, update, delete } = self.mix;
        let dice = self.random.below(u64::from(insert + update + delete));
        if dice < u64::from(insert) || self.live.is_empty() {
            return Ok(self.insert());
        }
        let at = usize::try_from(self.random.below(self.live.len() as u64)).unwrap_or_default();
        if dice >= u64::from(insert + update) {
            let (ns, number) = self.live.swap_remove(at);
            return Ok(Some(Write::Delete { ns, id: self.id(number)? }));
        }
        let Some((ns, number)) = self.live.get(at).cloned() else { return Ok(None) };
        let value = i64::try_from(self.random.below(1_000_000)).unwrap_or_default();
        if self.random.below(10) == 0 {
            let id = DocId::new(RawBson::String(format!("shared-{}", self.random.below(SHARED))))?;
            let update = rawdoc! { "$inc": { "count": 1_i64 }, "$max": { "most": value } };
            return Ok(Some(Write::Update { ns, id, update, upsert: true }));
        }
        let update = rawdoc! { "$inc": { "revision": 1 }, "$set": { "value": value } };
        Ok(Some(Write::Update { ns, id: self.id(number)?, update, upsert: false }))
    }

    fn insert(&mut self) -> Option<Write> {
        let at = usize::try_from(self.random.below(self.namespaces.len().max(1) as u64)).unwrap_or_default();
        let ns = self.namespaces.get(at)?.clone();
        let number = self.next;
        self.next += 1;
        self.live.push((ns.clone(), number));
        let value = i64::try_from(self.random.below(1_000_000)).unwrap_or_default();
        let document: RawDocumentBuf = rawdoc! {
            "_id": self.name(number),
            "value": value,
            "revision": 0,
            "text": format!("Val-{:03}", value % 1000),
            "tags": [i64::try_from(self.writer).unwrap_or_default(), "generated"],
        };
        Some(Write::Insert { ns, document })
    }

    fn name(&self, number: u64) -> String {
        format!("w{}-{number}", self.writer)
    }

    fn id(&self, number: u64) -> Result<DocId, DocIdError> {
        DocId::new(RawBson::String(self.name(number)))
    }
}

/// The generator `SplitMix64` (Steele, Lea and Flood, 2014): small, and good enough for examples.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is small enough for the bias not to matter.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}
