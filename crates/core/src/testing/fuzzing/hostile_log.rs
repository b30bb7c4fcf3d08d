//! [`HostileLog`]: a log that says what it is told to say, however wrong.

use crate::{entry::Entry, limits::Limits, log::LogEnds, store_error::StoreError, testing::read_only::Serves};

/// What it says.
#[derive(Debug, Clone)]
pub(super) struct HostileLog {
    pub(super) ends: LogEnds,
    /// What it serves, in this order.
    pub(super) entries: Vec<Entry>,
    /// Whether it keeps to the limits that it is given.
    pub(super) obeys_limits: bool,
}

impl Serves for HostileLog {
    fn ends(&self) -> LogEnds {
        self.ends
    }

    fn serve(&self, from: u64, limits: Limits) -> Result<Vec<Entry>, StoreError> {
        let most = if self.obeys_limits { limits.entries_max } else { usize::MAX };
        let served = self.entries.iter().skip_while(|entry| entry.position().index < from);
        Ok(served.take(most).cloned().collect())
    }
}
