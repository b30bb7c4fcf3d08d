//! [`Peak`]: how much memory a piece of work takes.

use std::fs;

/// The most by which the resident memory of this process has grown during some calls.
#[derive(Debug, Default)]
pub(crate) struct Peak {
    kib: Option<u64>,
}

impl Peak {
    /// Runs `work` and heeds what it takes. Nothing is known where the kernel does not tell.
    pub(crate) fn during<T>(&mut self, work: impl FnOnce() -> T) -> T {
        // Forgets the peak of before: what it says then is what there is.
        let is_reset = fs::write("/proc/self/clear_refs", "5").is_ok();
        let before = resident("VmRSS:");
        let result = work();
        if let (true, Some(before), Some(peak)) = (is_reset, before, resident("VmHWM:")) {
            self.kib = self.kib.max(Some(peak.saturating_sub(before)));
        }
        result
    }

    /// In MiB.
    #[expect(clippy::cast_precision_loss, reason = "memory has fewer KiB")]
    pub(crate) fn mib(&self) -> Option<f64> {
        self.kib.map(|kib| kib as f64 / 1024.0)
    }
}

/// A line of the process's status, in KiB.
fn resident(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
