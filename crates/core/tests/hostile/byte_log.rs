//! [`ByteLog`]: a log whose entries are bytes that anybody may have written, and how to write them.

use oplogsync_core::{
    codec::{self, DecodeError},
    entry::Entry,
    limits::Limits,
    log::LogEnds,
    store_error::{Fault, StoreError},
    testing::read_only::Serves,
};
use xxhash_rust::xxh3::xxh3_64;

/// The place of the kind in the bytes of an entry: behind the version and the fixed fields.
const KIND_AT: usize = 1 + 8 + 8 + 4 + 4 + 16 + 16 + 16;
const NAMESPACE_AT: usize = KIND_AT + 1;
const CHECKSUM_BYTES: usize = 8;

/// A log that decodes its entries as it reads them, as stores do.
#[derive(Debug, Clone)]
pub(crate) struct ByteLog {
    pub(crate) ends: LogEnds,
    pub(crate) entries: Vec<Vec<u8>>,
}

/// The bytes of an entry.
pub(crate) fn encoded(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode(entry, &mut bytes);
    bytes
}

/// The entry in `like`, with the kind, the namespace and the payload given, and a right checksum.
pub(crate) fn forged(like: &Entry, kind: u8, ns: &[u8], payload: &[u8]) -> Vec<u8> {
    let like = encoded(like);
    let length = u64::try_from(ns.len()).unwrap().to_le_bytes();
    with_checksum([&like[..KIND_AT], &[kind], &length, ns, payload].concat())
}

/// The same with another byte for the version.
pub(crate) fn with_version(version: u8, entry: &Entry) -> Vec<u8> {
    let mut bytes = encoded(entry);
    bytes.truncate(bytes.len() - CHECKSUM_BYTES);
    bytes[0] = version;
    with_checksum(bytes)
}

/// The same with another byte for the kind.
pub(crate) fn with_kind(kind: u8, entry: &Entry) -> Vec<u8> {
    let bytes = encoded(entry);
    let ns_and_payload = &bytes[NAMESPACE_AT..bytes.len() - CHECKSUM_BYTES];
    with_checksum([&bytes[..KIND_AT], &[kind], ns_and_payload].concat())
}

fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend(xxh3_64(&bytes).to_be_bytes());
    bytes
}

impl Serves for ByteLog {
    fn ends(&self) -> LogEnds {
        self.ends
    }

    fn serve(&self, from: u64, limits: Limits) -> Result<Vec<Entry>, StoreError> {
        let from = usize::try_from(from - 1).unwrap().min(self.entries.len());
        let decoded = self.entries[from..].iter().take(limits.entries_max).map(|bytes| codec::decode(bytes));
        let entries: Result<Vec<_>, DecodeError> = decoded.collect();
        entries.map_err(|error| StoreError::new("hostile", "read", Fault::Corrupt).because(error))
    }
}
