//! [`Key`]: where a record stands in the tree.
//!
//! ```text
//! 00                           format          what this tree is
//! 01                           commits         how many batches were ever written
//! 10                           log             identity and ends of the log
//! 11 index (8, big endian)     entry
//! 12 operation id (16)         operation       the position of its entry
//! 13 replica                   acknowledgement
//! 20                           checkpoint
//! 21                           stop
//! 22 namespace                 digest
//! 30 namespace 00 id key       document
//! ```
//!
//! Keys sort as what they name does. A namespace contains no zero byte, so that no document key is
//! a prefix of another namespace's.

use std::fmt::Write;

use oplogsync_core::{doc_id::DocId, ids::OpId, namespace::Namespace};

const FORMAT: u8 = 0x00;
const COMMITS: u8 = 0x01;
const LOG: u8 = 0x10;
const ENTRY: u8 = 0x11;
const OPERATION: u8 = 0x12;
const ACKNOWLEDGEMENT: u8 = 0x13;
const CHECKPOINT: u8 = 0x20;
const STOP: u8 = 0x21;
const DIGEST: u8 = 0x22;
const DOCUMENT: u8 = 0x30;

const NAMESPACE_END: u8 = 0;

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

    pub(crate) fn checkpoint() -> Self {
        Self(vec![CHECKPOINT])
    }

    pub(crate) fn stop() -> Self {
        Self(vec![STOP])
    }

    pub(crate) fn digest(ns: &Namespace) -> Self {
        Self::digest_of(ns.as_str())
    }

    pub(crate) fn digest_of(ns: &str) -> Self {
        Self::tagged(DIGEST, ns.as_bytes())
    }

    pub(crate) fn digests() -> Self {
        Self(vec![DIGEST])
    }

    pub(crate) fn document(ns: &Namespace, id: &DocId) -> Self {
        let mut key = Self::documents(ns);
        key.0.extend_from_slice(id.key());
        key
    }

    /// The prefix of all documents.
    pub(crate) fn all_documents() -> Self {
        Self(vec![DOCUMENT])
    }

    /// The namespace in the key of a document.
    pub(crate) fn document_namespace(key: &[u8]) -> Option<&str> {
        let rest = key.strip_prefix(&[DOCUMENT])?;
        let end = rest.iter().position(|byte| *byte == NAMESPACE_END)?;
        rest.get(..end).and_then(|ns| std::str::from_utf8(ns).ok())
    }

    /// The prefix of the documents of a namespace.
    pub(crate) fn documents(ns: &Namespace) -> Self {
        let mut key = Self::tagged(DOCUMENT, ns.as_str().as_bytes());
        key.0.push(NAMESPACE_END);
        key
    }

    /// The first key after all documents of a namespace.
    pub(crate) fn documents_end(ns: &Namespace) -> Self {
        let mut key = Self::tagged(DOCUMENT, ns.as_str().as_bytes());
        key.0.push(NAMESPACE_END + 1);
        key
    }

    /// What follows the tag, as text.
    pub(crate) fn text(key: &[u8]) -> Option<&str> {
        key.split_first().and_then(|(_, rest)| std::str::from_utf8(rest).ok())
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
}

/// What stands at a key, for people.
pub(crate) fn describe(key: &[u8]) -> String {
    let Some((tag, rest)) = key.split_first() else { return "the empty key".to_owned() };
    let text = String::from_utf8_lossy(rest);
    match *tag {
        FORMAT => "the format record".to_owned(),
        COMMITS => "the count of commits".to_owned(),
        LOG => "the ends of the log".to_owned(),
        ENTRY => match Key::entry_index(key) {
            Some(index) => format!("the log entry at index {index}"),
            None => format!("a log entry with the malformed key {}", hex(rest)),
        },
        OPERATION => format!("the position of operation {}", hex(rest)),
        ACKNOWLEDGEMENT => format!("the acknowledgement of replica {text}"),
        CHECKPOINT => "the checkpoint".to_owned(),
        STOP => "the stop record".to_owned(),
        DIGEST => format!("the digest of {text}"),
        DOCUMENT => match rest.iter().position(|byte| *byte == NAMESPACE_END).map(|at| rest.split_at(at)) {
            Some((ns, id)) => format!("a document of {} with the key {}", String::from_utf8_lossy(ns), hex(id)),
            None => format!("a document with the malformed key {}", hex(rest)),
        },
        _ => format!("the unknown key {}", hex(key)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use bson::RawBson;

    use super::*;

    #[test]
    fn documents_of_one_namespace_stand_together_and_apart_from_all_others() {
        let id = |text: &str| DocId::new(RawBson::String(text.to_owned())).unwrap();
        let namespaces = ["a.b", "a.b.c", "a.bc"].map(|text| Namespace::new(text).unwrap());
        for ns in &namespaces {
            let key = Key::document(ns, &id("x"));
            let holders: Vec<_> = namespaces
                .iter()
                .filter(|other| {
                    let range = Key::documents(other).0..Key::documents_end(other).0;
                    range.contains(&key.0)
                })
                .collect();
            assert_eq!(holders, [ns]);
        }
    }

    #[test]
    fn entries_sort_by_index() {
        let keys = [0, 1, 255, 256, u64::MAX].map(|index| Key::entry(index).0);
        assert!(keys.is_sorted());
        assert_eq!(Key::entry_index(&keys[3]), Some(256));
    }
}
