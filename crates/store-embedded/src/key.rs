//! [`Key`]: where a record stands in the tree.
//!
//! ```text
//! 00                           format          what this tree is
//! 01                           commits         how many batches were ever written, and a sum of what they left
//! 10                           log             identity and ends of the log
//! 11 index (8, big endian)     entry
//! 12 operation id (16)         operation       the position of its entry
//! 13 replica                   acknowledgement
//! 14                           captured        the same of a log that is a copy of another one
//! 20                           checkpoint
//! 21                           stop
//! 22 namespace                 digest
//! 23                           resume          what stands beside the checkpoint
//! 24 namespace                 collection      its options and indexes
//! 25 namespace                 place           where its documents stand
//! 26 place                     dropped         a place whose documents go
//! 27                           next place      the number of the next place
//! 28 name                      note
//! 30 namespace 00 id key       document        of a collection from a store of format 1
//! 31 place (8, big endian) id key  document
//! ```
//!
//! Keys sort as what they name does. A namespace contains no zero byte, so that no document key is
//! a prefix of another namespace's.

mod describe;

use std::ops::Bound;

use oplogsync_core::{
    ids::OpId,
    namespace::{DatabaseName, Namespace},
};

pub(crate) use self::describe::{describe, describe_document};
use crate::place::{Place, Range, end_of};

const FORMAT: u8 = 0x00;
pub(crate) const COMMITS: u8 = 0x01;
const LOG: u8 = 0x10;
pub(crate) const ENTRY: u8 = 0x11;
pub(crate) const OPERATION: u8 = 0x12;
const ACKNOWLEDGEMENT: u8 = 0x13;
const CAPTURED: u8 = 0x14;
const CHECKPOINT: u8 = 0x20;
const STOP: u8 = 0x21;
const DIGEST: u8 = 0x22;
const RESUME: u8 = 0x23;
const COLLECTION: u8 = 0x24;
const PLACE: u8 = 0x25;
const DROPPED: u8 = 0x26;
const NEXT_PLACE: u8 = 0x27;
const NOTE: u8 = 0x28;
pub(crate) const NAMED_DOCUMENT: u8 = 0x30;
pub(crate) const DOCUMENT: u8 = 0x31;

/// Ends the namespace in the key of a document of a store of format 1.
pub(crate) const NAMESPACE_END: u8 = 0;

/// Where a record stands in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(Vec<u8>);

impl Key {
    pub(crate) fn format() -> Self {
        Self(vec![FORMAT])
    }

    pub(crate) fn commits() -> Self {
        Self(vec![COMMITS])
    }

    pub(crate) fn log() -> Self {
        Self(vec![LOG])
    }

    pub(crate) fn entry(index: u64) -> Self {
        Self::tagged(ENTRY, &index.to_be_bytes())
    }

    pub(crate) fn entries() -> Self {
        Self(vec![ENTRY])
    }

    /// The keys of the entries from one index to another, both included.
    pub(crate) fn entries_between(from: u64, to: u64) -> Range {
        (Bound::Included(Self::entry(from).0), Bound::Included(Self::entry(to).0))
    }

    /// The index in the key of an entry.
    pub(crate) fn entry_index(key: &[u8]) -> Option<u64> {
        let bytes = key.strip_prefix(&[ENTRY])?;
        bytes.try_into().ok().map(u64::from_be_bytes)
    }

    pub(crate) fn operation(op_id: OpId) -> Self {
        Self::tagged(OPERATION, &op_id.to_bytes())
    }

    pub(crate) fn operations() -> Self {
        Self(vec![OPERATION])
    }

    pub(crate) fn acknowledgement(replica: &str) -> Self {
        Self::tagged(ACKNOWLEDGEMENT, replica.as_bytes())
    }

    pub(crate) fn acknowledgements() -> Self {
        Self(vec![ACKNOWLEDGEMENT])
    }

    pub(crate) fn captured() -> Self {
        Self(vec![CAPTURED])
    }

    pub(crate) fn checkpoint() -> Self {
        Self(vec![CHECKPOINT])
    }

    pub(crate) fn stop() -> Self {
        Self(vec![STOP])
    }

    pub(crate) fn resume() -> Self {
        Self(vec![RESUME])
    }

    pub(crate) fn digest(ns: &Namespace) -> Self {
        Self::tagged(DIGEST, ns.as_str().as_bytes())
    }

    pub(crate) fn digests() -> Self {
        Self(vec![DIGEST])
    }

    /// The prefix of the digests in a database.
    pub(crate) fn digests_in(database: &DatabaseName) -> Self {
        Self::in_database(DIGEST, database)
    }

    pub(crate) fn collection(ns: &Namespace) -> Self {
        Self::tagged(COLLECTION, ns.as_str().as_bytes())
    }

    pub(crate) fn collections() -> Self {
        Self(vec![COLLECTION])
    }

    /// The prefix of the collections in a database.
    pub(crate) fn collections_in(database: &DatabaseName) -> Self {
        Self::in_database(COLLECTION, database)
    }

    pub(crate) fn place(ns: &Namespace) -> Self {
        Self::tagged(PLACE, ns.as_str().as_bytes())
    }

    pub(crate) fn places() -> Self {
        Self(vec![PLACE])
    }

    pub(crate) fn dropped(place: &Place) -> Self {
        Self::tagged(DROPPED, place.as_bytes())
    }

    pub(crate) fn all_dropped() -> Self {
        Self(vec![DROPPED])
    }

    pub(crate) fn next_place() -> Self {
        Self(vec![NEXT_PLACE])
    }

    pub(crate) fn note(name: &str) -> Self {
        Self::tagged(NOTE, name.as_bytes())
    }

    pub(crate) fn notes() -> Self {
        Self(vec![NOTE])
    }

    /// The prefixes of all documents.
    pub(crate) fn all_documents() -> [Self; 2] {
        [Self(vec![NAMED_DOCUMENT]), Self(vec![DOCUMENT])]
    }

    /// A key that was read.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// What follows the tag.
    pub(crate) fn rest(key: &[u8]) -> &[u8] {
        key.split_first().map_or(&[], |(_, rest)| rest)
    }

    /// What follows the tag, as text.
    pub(crate) fn text(key: &[u8]) -> Option<&str> {
        std::str::from_utf8(Self::rest(key)).ok()
    }

    /// What follows the tag, as a namespace.
    pub(crate) fn namespace(key: &[u8]) -> Option<Namespace> {
        Self::text(key).and_then(|text| Namespace::new(text).ok())
    }

    /// The keys that begin with this one.
    pub(crate) fn range(&self) -> Range {
        (Bound::Included(self.0.clone()), end_of(&self.0))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn tagged(tag: u8, rest: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(rest.len() + 1);
        bytes.push(tag);
        bytes.extend_from_slice(rest);
        Self(bytes)
    }

    fn in_database(tag: u8, database: &DatabaseName) -> Self {
        let mut key = Self::tagged(tag, database.as_str().as_bytes());
        // No name of a database has a dot in it.
        key.0.push(b'.');
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_sort_by_index() {
        let keys = [0, 1, 255, 256, u64::MAX].map(|index| Key::entry(index).0);
        assert!(keys.is_sorted());
        assert_eq!(Key::entry_index(&keys[3]), Some(256));
    }

    #[test]
    fn what_is_in_a_database_stands_together_and_apart_from_all_others() {
        let shop = DatabaseName::new("shop").unwrap();
        let is_inside = |text| Key::digest(&Namespace::new(text).unwrap()).0.starts_with(&Key::digests_in(&shop).0);
        assert!(is_inside("shop.items") && is_inside("shop.a.b"));
        assert!(!is_inside("shopping.items") && !is_inside("a.shop"));
    }
}
