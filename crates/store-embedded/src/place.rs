//! [`Place`]: where the documents of a collection stand.

use std::{fmt, ops::Bound};

use oplogsync_core::{doc_id::DocId, namespace::Namespace};

use crate::key::{DOCUMENT, Key, NAMED_DOCUMENT, NAMESPACE_END};

/// The beginning of the keys of a collection's documents.
///
/// A collection keeps its place when it is renamed, so that its documents stay where they are; and when it
/// is dropped its place is marked, and the documents go later, some at a time. So a command is one small
/// atomic batch, however many documents there are: the engine needs some fifteen times their size for a
/// batch that moves them. No place is ever given twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(Vec<u8>);

/// The length of a place with a number: every new one has that.
pub(crate) const PLACE_BYTES: usize = 9;

/// The keys between two bounds.
pub type Range = (Bound<Vec<u8>>, Bound<Vec<u8>>);

impl Place {
    /// The place with a number.
    pub(crate) fn numbered(number: u64) -> Self {
        let mut bytes = vec![DOCUMENT];
        bytes.extend_from_slice(&number.to_be_bytes());
        Self(bytes)
    }

    /// Where a store of format 1 has put the documents of a namespace.
    pub(crate) fn named(ns: &Namespace) -> Self {
        let mut bytes = vec![NAMED_DOCUMENT];
        bytes.extend_from_slice(ns.as_str().as_bytes());
        bytes.push(NAMESPACE_END);
        Self(bytes)
    }

    /// The place that these bytes are, all of them.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        Self::of_document(bytes).filter(|place| place.0 == bytes)
    }

    /// The place in the key of a document.
    pub(crate) fn of_document(key: &[u8]) -> Option<Self> {
        let (tag, rest) = key.split_first()?;
        match *tag {
            DOCUMENT => rest.first_chunk().map(|number| Self::numbered(u64::from_be_bytes(*number))),
            NAMED_DOCUMENT => {
                let end = rest.iter().position(|byte| *byte == NAMESPACE_END)?;
                let ns = rest.get(..end).and_then(|ns| std::str::from_utf8(ns).ok())?;
                Namespace::new(ns).ok().map(|ns| Self::named(&ns))
            }
            _ => None,
        }
    }

    /// Its number, if it has one.
    pub(crate) fn number(&self) -> Option<u64> {
        self.0.strip_prefix(&[DOCUMENT])?.try_into().ok().map(u64::from_be_bytes)
    }

    /// The key of a document in it.
    pub(crate) fn document(&self, id: &DocId) -> Key {
        let mut bytes = Vec::with_capacity(self.0.len() + id.key().len());
        bytes.extend_from_slice(&self.0);
        bytes.extend_from_slice(id.key());
        Key::of_bytes(&bytes)
    }

    /// The keys of the documents behind `after`, up to `until`.
    pub(crate) fn range(&self, after: Option<&DocId>, until: Option<&DocId>) -> Range {
        let start = match after {
            Some(id) => Bound::Excluded(self.document(id).as_bytes().to_vec()),
            None => Bound::Included(self.0.clone()),
        };
        let end = match until {
            Some(id) => Bound::Included(self.document(id).as_bytes().to_vec()),
            None => end_of(&self.0),
        };
        (start, end)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Behind all keys that begin with a prefix.
pub(crate) fn end_of(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Bound::Excluded(end);
        }
    }
    Bound::Unbounded
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number() {
            Some(number) => write!(f, "the collection at place {number}"),
            None => f.write_str(&String::from_utf8_lossy(self.0.get(1..self.0.len() - 1).unwrap_or_default())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeBounds;

    use oplogsync_core::testing::documents::{id, ids_in_order};

    use super::*;

    fn places() -> Vec<Place> {
        let named = ["a.b", "a.b.c", "a.bc"].map(|text| Place::named(&Namespace::new(text).unwrap()));
        let numbered = [0, 1, 0xFF, 0x100, 0xFFFF, u64::MAX].map(Place::numbered);
        named.into_iter().chain(numbered).collect()
    }

    #[test]
    fn documents_of_one_place_stand_together_and_apart_from_all_others() {
        for place in places() {
            for id in ids_in_order() {
                let key = place.document(&id).as_bytes().to_vec();
                let holders: Vec<_> =
                    places().into_iter().filter(|other| other.range(None, None).contains(&key)).collect();
                assert_eq!(holders, std::slice::from_ref(&place));
                assert_eq!(Place::of_document(&key), Some(place.clone()));
                assert_eq!(Place::of_bytes(&key), None, "it is more than a place");
            }
        }
    }

    #[test]
    fn a_range_begins_behind_an_id_and_ends_with_one() {
        let place = Place::numbered(7);
        let range = place.range(Some(&id(1)), Some(&id(3)));
        let inside: Vec<_> =
            (0..5).filter(|number| range.contains(&place.document(&id(*number)).as_bytes().to_vec())).collect();
        assert_eq!(inside, [2, 3]);
    }

    #[test]
    fn a_place_is_its_bytes() {
        for place in places() {
            assert_eq!(Place::of_bytes(place.as_bytes()), Some(place));
        }
        assert_eq!(Place::of_bytes(&[DOCUMENT, 0]), None);
        assert_eq!(Place::of_bytes(b"\x30no namespace\0"), None);
    }
}
