//! [`Options`]: what can be chosen about the use of a server.

use std::time::Duration;

/// How a server is used. The defaults are right unless there is a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether a write counts only when it is in the server's journal. Without it a crash of the
    /// server can take acknowledged writes with it.
    pub journal: bool,
    /// How long to look for a server that can take a request.
    pub selection_timeout: Duration,
    /// How long one request may take. Keep it below the term of the leases.
    pub request_timeout: Duration,
    /// Whether a batch goes into one transaction where the server has them.
    pub transactions: bool,
}

impl Default for Options {
    /// Journaled, 3 s to find a server, 4 s a request, which is less than a lease lives, transactions where they exist.
    fn default() -> Self {
        Self {
            journal: true,
            selection_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_secs(4),
            transactions: true,
        }
    }
}
