//! [`EncodedLog`]: a log whose entries are bytes in memory, decoded whenever they are read.

use std::sync::Arc;

use oplogsync_core::{
    codec,
    entry::Entry,
    ids::{LogId, OpId},
    limits::Limits,
    log::{Acknowledgement, Appended, Log, LogEnds},
    position::{Anchor, Position},
    store_error::{Fault, StoreError},
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

    async fn refuse<T>(&self, doing: &str) -> Result<T, StoreError> {
        std::future::ready(Err(StoreError::new("encoded", doing, Fault::Defect))).await
    }
}

impl Log for EncodedLog {
    async fn create_log(&self, _log: LogId) -> Result<LogEnds, StoreError> {
        std::future::ready(Ok(self.ends)).await
    }

    async fn log_ends(&self) -> Result<Option<LogEnds>, StoreError> {
        std::future::ready(Ok(Some(self.ends))).await
    }

    async fn append(&self, _entries: &[Entry]) -> Result<Appended, StoreError> {
        self.refuse("append to a finished log").await
    }

    async fn read(&self, from: u64, limits: Limits) -> Result<Vec<Entry>, StoreError> {
        let skipped = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX);
        let (mut entries, mut bytes) = (Vec::with_capacity(limits.entries_max.min(self.entries.len())), 0);
        for encoded in self.entries.iter().skip(skipped).take(limits.entries_max) {
            let entry = codec::decode(encoded)
                .map_err(|error| StoreError::new("encoded", "read the log", Fault::Corrupt).because(error))?;
            bytes += entry.bytes();
            if bytes > limits.bytes_max && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        std::future::ready(Ok(entries)).await
    }

    async fn find(&self, _op_id: OpId) -> Result<Option<Position>, StoreError> {
        self.refuse("find an operation in a finished log").await
    }

    async fn trim(&self, _floor: &Anchor) -> Result<(), StoreError> {
        self.refuse("trim a finished log").await
    }

    async fn acknowledge(&self, _acknowledgement: &Acknowledgement) -> Result<(), StoreError> {
        std::future::ready(Ok(())).await
    }

    async fn appended(&self, _index: u64) {
        std::future::pending::<()>().await;
    }

    async fn acknowledgements(&self) -> Result<Vec<Acknowledgement>, StoreError> {
        std::future::ready(Ok(Vec::new())).await
    }
}
