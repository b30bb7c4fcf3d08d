//! [`EncodedLog`]: a log whose entries are bytes in memory, decoded whenever they are read.

use std::sync::Arc;

use oplogsync_core::{
    codec::{self, Decoder},
    entry::Entry,
    ids::LogId,
    limits::Limits,
    log::LogEnds,
    store_error::{Fault, StoreError},
    testing::read_only::Serves,
};

/// A finished log, as a store keeps it: what reading costs without any store. It cannot be written.
#[derive(Debug, Clone)]
pub struct EncodedLog {
    ends: LogEnds,
    entries: Arc<[Vec<u8>]>,
}

impl EncodedLog {
    /// The log that begins with these entries.
    pub fn new(log: LogId, entries: &[Entry]) -> Self {
        let floor = Entry::origin(log);
        let head = entries.last().map_or(floor, Entry::anchor);
        let encoded = entries.iter().map(|entry| {
            let mut bytes = Vec::new();
            codec::encode(entry, &mut bytes);
            bytes
        });
        Self { ends: LogEnds { log, floor, head }, entries: encoded.collect() }
    }
}

impl Serves for EncodedLog {
    fn ends(&self) -> LogEnds {
        self.ends
    }

    fn serve(&self, from: u64, limits: Limits) -> Result<Vec<Entry>, StoreError> {
        let skipped = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX);
        let (mut entries, mut bytes) = (Vec::with_capacity(limits.entries_max.min(self.entries.len())), 0);
        let mut decoder = Decoder::default();
        for encoded in self.entries.iter().skip(skipped).take(limits.entries_max) {
            let entry = decoder
                .decode(encoded)
                .map_err(|error| StoreError::new("encoded", "read the log", Fault::Corrupt).because(error))?;
            bytes += entry.bytes();
            if bytes > limits.bytes_max && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }
}
