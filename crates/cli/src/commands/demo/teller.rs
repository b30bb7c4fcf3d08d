//! [`Teller`]: what happens, told as it happens, with the time since the start.

use std::{fmt, time::Instant};

use tokio::sync::mpsc;

/// Tells what happens. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Teller {
    started: Instant,
    lines: mpsc::UnboundedSender<String>,
}

impl Teller {
    /// A teller, and what it tells: a few lines a second.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<String>) {
        let (lines, told) = mpsc::unbounded_channel();
        (Self { started: Instant::now(), lines }, told)
    }

    /// The same, with the time beginning now.
    pub(super) fn restarted(self) -> Self {
        Self { started: Instant::now(), ..self }
    }

    /// Tells something.
    pub(super) fn tell(&self, what: impl fmt::Display) {
        let seconds = self.started.elapsed().as_secs();
        // When nobody listens any more the demo is about to end.
        let _ended = self.lines.send(format!(" {:02}:{:02}  {what}", seconds / 60, seconds % 60));
    }
}
