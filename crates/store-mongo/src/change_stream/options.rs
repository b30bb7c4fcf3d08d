//! [`ChangeStreamOptions`]: what can be chosen about a change stream.

use std::time::Duration;

/// How a change stream is followed. The defaults are right unless there is a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeStreamOptions {
    /// How long the server waits for events before it answers that there are none. What happens is
    /// told at once, whatever this is.
    pub await_time: Duration,
    /// How often, at most, an entry that does nothing moves the target's checkpoint while nothing else
    /// happens that concerns it.
    pub noop_interval: Duration,
}

impl Default for ChangeStreamOptions {
    /// An answer every second, a moved checkpoint every three.
    fn default() -> Self {
        Self { await_time: Duration::from_secs(1), noop_interval: Duration::from_secs(3) }
    }
}
