//! [`CopyProgress`]: how far an initial sync is, how fast it goes and how long it will take.

use std::time::{Duration, Instant};

use oplogsync_core::initial_sync::SyncProgress;
use tracing::info;

use crate::show::{mebibytes, tenths};

/// How far an initial sync is.
#[derive(Debug, Default)]
pub(super) struct CopyProgress {
    begun: Option<Instant>,
    progress: SyncProgress,
}

impl CopyProgress {
    /// A copy begins, or goes on after it was cut off.
    pub(super) fn begin(node: &str, progress: SyncProgress) -> Self {
        let SyncProgress { copied, total, .. } = progress;
        let (documents, bytes) = (total.documents, mebibytes(total.bytes));
        if copied.documents == 0 {
            info!(%node, documents, mib = bytes, "initial sync begins");
        } else {
            let already = copied.documents;
            info!(%node, documents, mib = bytes, already, "initial sync goes on");
        }
        Self { begun: Some(Instant::now()), progress }
    }

    pub(super) fn advance(&mut self, progress: SyncProgress) {
        self.progress = progress;
    }

    /// Logs how far it is.
    pub(super) fn report(&self, node: &str) {
        let SyncProgress { copied, total, .. } = self.progress;
        let (documents, of, mib) = (copied.documents, total.documents, mebibytes(copied.bytes));
        let rate = self.rate();
        let left_s = self.left().map(|left| left.as_secs());
        info!(%node, state = "initial_sync", documents, of, mib, docs_per_s = rate.round(), left_s, "progress");
    }

    /// Logs what it came to.
    pub(super) fn end(&self, node: &str) {
        let copied = self.progress.copied;
        let (documents, mib, took) = (copied.documents, mebibytes(copied.bytes), self.begun.map(|at| at.elapsed()));
        let (rate, took_s) = (self.rate(), took.map(tenths));
        info!(%node, documents, mib, docs_per_s = rate.round(), took_s, "everything is copied, catching up");
    }

    /// Documents a second, of this process.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    fn rate(&self) -> f64 {
        let elapsed = self.begun.map_or(0.0, |at| at.elapsed().as_secs_f64()).max(0.001);
        let copied = self.progress.copied.documents.saturating_sub(self.progress.before.documents);
        copied as f64 / elapsed
    }

    /// About how long the rest will take.
    #[expect(clippy::cast_precision_loss, reason = "a time for people")]
    fn left(&self) -> Option<Duration> {
        let left = self.progress.total.documents.saturating_sub(self.progress.copied.documents);
        let seconds = left as f64 / self.rate();
        Duration::try_from_secs_f64(seconds).ok()
    }
}
