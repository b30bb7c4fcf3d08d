//! The bytes of every record but a log entry, which [`codec`](oplogsync_core::codec) frames.
//!
//! ```text
//! version (1 byte) | payload | XXH3-64 of all before, seeded with that of the key (8 bytes)
//! ```
//!
//! The payload of a document and of a note is its raw BSON; of all else bincode with fixed-size integers.
//! The key is part of the checksum, so that a record at a wrong key is found as well.

mod of_documents;
mod of_log;

use std::error::Error;

use bincode::Options;
use oplogsync_core::{
    catalog::CatalogError, codec::DecodeError, document::DocumentError, namespace::NamespaceError, store_error::Fault,
};
use serde::{Serialize, de::DeserializeOwned};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

pub(crate) use self::{
    of_documents::{Dropped, NextPlace, note_document},
    of_log::Captured,
};
use crate::{
    group_commit::Ticket,
    key::{Key, describe, describe_document},
    sum::Sum,
    trouble::Trouble,
};

/// The version of the records that this code writes.
const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 8;
/// More than most payloads need; the longest is a stop's reason.
const PAYLOAD_BYTES_MAX: u64 = 1024 * 1024;

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{what} cannot be read")]
pub(crate) struct RecordError {
    what: String,
    source: Box<dyn Error + Send + Sync>,
}

/// Why not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("record version {found} is unknown (this version reads {VERSION}): upgrade oplogsync")]
    Version { found: u8 },
    #[error("the checksum does not match: the record is damaged")]
    Checksum,
    #[error("it is missing")]
    Missing,
    #[error("it is longer than a record of its kind can be")]
    TooLong,
    #[error("it does not fit the records that it belongs to: some of them are lost")]
    Incomplete,
    #[error("the content does not belong there")]
    Misplaced,
    #[error("the payload does not decode")]
    Payload(#[from] bincode::Error),
    #[error("it names no namespace")]
    Namespace(#[from] NamespaceError),
    #[error("it describes no collection")]
    Catalog(#[from] CatalogError),
    #[error("the document is invalid")]
    Document(#[from] DocumentError),
    #[error("the entry does not decode")]
    Entry(#[from] DecodeError),
}

impl Unreadable {
    /// With the name of what stands at `key`.
    pub(crate) fn at(self, key: &[u8]) -> Trouble {
        self.of(describe(key))
    }

    /// With the name of a document of `collection` that stands at `key`.
    pub(crate) fn at_document(self, collection: &str, key: &[u8]) -> Trouble {
        self.of(describe_document(collection, key))
    }

    fn of(self, what: String) -> Trouble {
        let fault = match &self {
            Self::Version { .. } | Self::Entry(DecodeError::Version { .. } | DecodeError::Kind { .. }) => {
                Fault::Incompatible
            }
            _ => Fault::Corrupt,
        };
        Trouble::new(fault).because(RecordError { what, source: self.into() })
    }
}

/// Frames a payload that stands at `key`.
pub(crate) fn seal(key: &Key, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + 1 + CHECKSUM_BYTES);
    bytes.push(VERSION);
    bytes.extend_from_slice(payload);
    let checksum = checksum(key.as_bytes(), &bytes);
    bytes.extend_from_slice(&checksum);
    bytes
}

/// The payload in bytes that [`unseal`] has passed.
pub(crate) fn payload(bytes: &[u8]) -> &[u8] {
    bytes.get(1..bytes.len().saturating_sub(CHECKSUM_BYTES)).unwrap_or_default()
}

/// The payload in the bytes that stand at `key`.
pub(crate) fn unseal<'a>(key: &[u8], bytes: &'a [u8]) -> Result<&'a [u8], Unreadable> {
    let at = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(Unreadable::Checksum)?;
    let (content, found) = bytes.split_at_checked(at).ok_or(Unreadable::Checksum)?;
    let (version, payload) = content.split_first().ok_or(Unreadable::Checksum)?;
    if *version != VERSION {
        return Err(Unreadable::Version { found: *version });
    }
    if found == checksum(key, content) { Ok(payload) } else { Err(Unreadable::Checksum) }
}

/// The checksum at the end of a record; zero where there is none, which is damage that every reader finds.
pub(crate) fn checksum_of(bytes: &[u8]) -> u64 {
    bytes.last_chunk().map_or(0, |checksum| u64::from_be_bytes(*checksum))
}

fn checksum(key: &[u8], content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    xxh3_64_with_seed(content, xxh3_64(key)).to_be_bytes()
}

fn options(bytes_max: u64) -> impl Options {
    bincode::DefaultOptions::new().with_fixint_encoding().with_limit(bytes_max).reject_trailing_bytes()
}

/// A value that is stored as a record of its own.
pub(crate) trait Record: Sized {
    /// The most bytes that its payload may have.
    const BYTES_MAX: u64 = PAYLOAD_BYTES_MAX;

    /// Its stored form.
    type Stored: Serialize + DeserializeOwned;

    fn to_stored(&self) -> Self::Stored;
    fn from_stored(stored: Self::Stored) -> Result<Self, Unreadable>;

    fn encode(&self, key: &Key) -> Result<Vec<u8>, Trouble> {
        let payload = options(Self::BYTES_MAX).serialize(&self.to_stored());
        Ok(seal(key, &payload.map_err(|_| Unreadable::TooLong.at(key.as_bytes()))?))
    }

    fn decode(key: &[u8], bytes: &[u8]) -> Result<Self, Trouble> {
        let payload = unseal(key, bytes).map_err(|why| why.at(key))?;
        let stored = options(Self::BYTES_MAX).deserialize(payload).map_err(Unreadable::from);
        stored.and_then(Self::from_stored).map_err(|why| why.at(key))
    }
}

/// What the tree is: the first record of every store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format(pub(crate) u32);

impl Record for Format {
    type Stored = u32;

    fn to_stored(&self) -> u32 {
        self.0
    }

    fn from_stored(stored: u32) -> Result<Self, Unreadable> {
        Ok(Self(stored))
    }
}

/// How many batches were ever written, and what they have left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Commits {
    pub(crate) count: Ticket,
    pub(crate) sum: Sum,
}

impl Record for Commits {
    type Stored = (u64, u64);

    fn to_stored(&self) -> Self::Stored {
        (self.count.0, self.sum.0)
    }

    fn from_stored((count, sum): Self::Stored) -> Result<Self, Unreadable> {
        Ok(Self { count: Ticket(count), sum: Sum(sum) })
    }
}

/// The same in a store of format 1, which has no sum.
impl Record for Ticket {
    type Stored = u64;

    fn to_stored(&self) -> u64 {
        self.0
    }

    fn from_stored(stored: u64) -> Result<Self, Unreadable> {
        Ok(Self(stored))
    }
}

#[cfg(test)]
mod tests {
    use oplogsync_core::{
        checkpoint::{Checkpoint, Stop},
        ids::OpId,
        position::Position,
    };
    use proptest::prelude::*;

    use super::*;

    fn stop() -> Stop {
        Stop { at: Position { term: 2, index: 7 }, too_stale: true, reason: "the log is trimmed".to_owned() }
    }

    #[test]
    fn a_record_reads_back() {
        let key = Key::stop();
        let bytes = stop().encode(&key).unwrap();
        assert_eq!(Stop::decode(key.as_bytes(), &bytes).unwrap(), stop());
    }

    #[test]
    fn a_record_at_another_key_is_damage() {
        let bytes = Position { term: 1, index: 2 }.encode(&Key::operation(OpId::from_bytes([1; 16]))).unwrap();
        let trouble = Position::decode(Key::operation(OpId::from_bytes([2; 16])).as_bytes(), &bytes).unwrap_err();
        assert_eq!(*trouble.on("n", "read").fault(), Fault::Corrupt);
    }

    #[test]
    fn a_record_of_another_version_is_not_guessed_at() {
        let key = Key::stop();
        let mut bytes = stop().encode(&key).unwrap();
        bytes[0] = VERSION + 1;
        let trouble = Stop::decode(key.as_bytes(), &bytes).unwrap_err();
        assert_eq!(*trouble.on("n", "read").fault(), Fault::Incompatible);
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_found(bit in 0usize..64 * 8) {
            let key = Key::checkpoint();
            let mut bytes = stop().encode(&key).unwrap();
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Stop::decode(key.as_bytes(), &bytes).is_err());
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let key = Key::checkpoint();
            prop_assert!(Checkpoint::decode(key.as_bytes(), &bytes).is_err());
        }
    }
}
