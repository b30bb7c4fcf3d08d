//! [`HostileLog`]: a log that says what it is told to say, however wrong.

use crate::{
    entry::Entry,
    ids::{LogId, OpId},
    limits::Limits,
    log::{Acknowledgement, Appended, Log, LogEnds},
    position::{Anchor, Position},
    store_error::{Fault, StoreError},
};

/// A log for readers.
#[derive(Debug, Clone)]
pub(super) struct HostileLog {
    pub(super) ends: LogEnds,
    /// What it serves, in this order.
    pub(super) entries: Vec<Entry>,
    /// Whether it keeps to the limits that it is given.
    pub(super) obeys_limits: bool,
}

impl HostileLog {
    fn refuse<T>(doing: &str) -> Result<T, StoreError> {
        Err(StoreError::new("hostile", doing, Fault::Denied))
    }
}

impl Log for HostileLog {
    async fn create_log(&self, _: LogId) -> Result<LogEnds, StoreError> {
        Self::refuse("create a log")
    }

    async fn log_ends(&self) -> Result<Option<LogEnds>, StoreError> {
        Ok(Some(self.ends))
    }

    async fn append(&self, _: &[Entry]) -> Result<Appended, StoreError> {
        Self::refuse("append")
    }

    async fn read(&self, from: u64, limits: Limits) -> Result<Vec<Entry>, StoreError> {
        let most = if self.obeys_limits { limits.entries_max } else { usize::MAX };
        let served = self.entries.iter().skip_while(|entry| entry.position().index < from);
        Ok(served.take(most).cloned().collect())
    }

    async fn find(&self, _: OpId) -> Result<Option<Position>, StoreError> {
        Self::refuse("find an operation")
    }

    async fn trim(&self, _: &Anchor) -> Result<(), StoreError> {
        Self::refuse("trim")
    }

    async fn acknowledge(&self, _: &Acknowledgement) -> Result<(), StoreError> {
        Self::refuse("acknowledge")
    }

    async fn acknowledgements(&self) -> Result<Vec<Acknowledgement>, StoreError> {
        Self::refuse("read the acknowledgements")
    }
}
