//! [`Flusher`]: syncs at an interval, for [`Durability::Interval`](crate::Durability).

use std::{
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::group_commit::GroupCommit;

/// A thread that syncs what was written, once an interval and once at the end. Dropping it waits
/// for that last sync.
#[derive(Debug)]
pub(crate) struct Flusher {
    closing: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    pub(crate) fn start(interval: Duration, commit: Arc<GroupCommit>) -> io::Result<Self> {
        let closing = Arc::new((Mutex::new(false), Condvar::new()));
        let watched = Arc::clone(&closing);
        let thread = thread::Builder::new()
            .name("oplogsync-flush".to_owned())
            .spawn(move || run(interval, &commit, &watched.0, &watched.1))?;
        Ok(Self { closing, thread: Some(thread) })
    }
}

/// Ends with the first failure: it has poisoned the store, which every later call reports.
fn run(interval: Duration, commit: &GroupCommit, closing: &Mutex<bool>, changed: &Condvar) {
    loop {
        let guard = closing.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(guard, interval, |closing| !*closing);
        let last = *waited.unwrap_or_else(PoisonError::into_inner).0;
        if commit.settle(commit.written()).is_err() || last {
            return;
        }
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        *self.closing.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.closing.1.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was the engine's, and is contained and remembered there.
            drop(thread.join());
        }
    }
}
