//! [`ReadOnly`]: a log that only serves, whatever it serves.

use crate::{
    entry::Entry,
    ids::{LogId, OpId},
    limits::Limits,
    log::{Acknowledgement, Appended, Log, LogEnds},
    position::{Anchor, Position},
    store_error::{Fault, StoreError},
};

/// What a log serves.
pub trait Serves: Send + Sync {
    /// What it says its ends are.
    fn ends(&self) -> LogEnds;

    /// What it says its entries from index `from` on are.
    ///
    /// # Errors
    /// When it says that it cannot read them.
    fn serve(&self, from: u64, limits: Limits) -> Result<Vec<Entry>, StoreError>;
}

/// A log for readers: it serves, takes note of nothing, and refuses all else.
#[derive(Debug, Clone)]
pub struct ReadOnly<S>(pub S);

fn refuse<T>(doing: &str) -> Result<T, StoreError> {
    Err(StoreError::new("read-only", doing, Fault::Denied))
}

impl<S: Serves> Log for ReadOnly<S> {
    async fn create_log(&self, _: LogId) -> Result<LogEnds, StoreError> {
        refuse("create a log")
    }

    async fn log_ends(&self) -> Result<Option<LogEnds>, StoreError> {
        Ok(Some(self.0.ends()))
    }

    async fn append(&self, _: &[Entry]) -> Result<Appended, StoreError> {
        refuse("append")
    }

    async fn read(&self, from: u64, limits: Limits) -> Result<Vec<Entry>, StoreError> {
        self.0.serve(from, limits)
    }

    async fn find(&self, _: OpId) -> Result<Option<Position>, StoreError> {
        refuse("find an operation")
    }

    async fn trim(&self, _: &Anchor) -> Result<(), StoreError> {
        refuse("trim")
    }

    async fn acknowledge(&self, _: &Acknowledgement) -> Result<(), StoreError> {
        Ok(())
    }

    async fn appended(&self, _: u64) {
        std::future::pending::<()>().await;
    }

    async fn acknowledgements(&self) -> Result<Vec<Acknowledgement>, StoreError> {
        Ok(Vec::new())
    }
}
