//! [`GroupCommit`]: concurrent writers share one sync to the disk.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::trouble::{Earlier, Trouble};

type Sync = Box<dyn Fn(Ticket) -> Result<(), Trouble> + Send + std::marker::Sync>;

/// Counts writes, and syncs them in groups: whoever waits first syncs for all that have written
/// by then; who comes while that sync is running waits for the next one, because its write may
/// have missed this one.
pub(crate) struct GroupCommit {
    sync: Sync,
    state: Mutex<State>,
    turn: Condvar,
}

/// How many writes the store had ever taken at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(pub(crate) u64);

impl Ticket {
    /// The write after this one.
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

#[derive(Debug)]
struct State {
    written: Ticket,
    synced: Ticket,
    syncing: bool,
    failed: Option<Earlier>,
}

impl GroupCommit {
    /// Continues after the writes up to `start`. `sync` is told up to which write it syncs.
    pub(crate) fn new(start: Ticket, sync: Sync) -> Self {
        let state = State { written: start, synced: start, syncing: false, failed: None };
        Self { sync, state: Mutex::new(state), turn: Condvar::new() }
    }

    /// Notes one write that the engine has taken.
    pub(crate) fn wrote(&self) -> Ticket {
        let mut state = self.state();
        state.written = state.written.next();
        state.written
    }

    /// All writes up to now.
    pub(crate) fn written(&self) -> Ticket {
        self.state().written
    }

    /// Waits until all writes up to `ticket` are on the disk.
    ///
    /// A failed sync is final: the kernel forgets what it could not write, so a second sync that
    /// succeeds proves nothing. Who ran it gets the cause, all others and all later ones that it
    /// has happened.
    pub(crate) fn settle(&self, ticket: Ticket) -> Result<(), Trouble> {
        let mut state = self.state();
        loop {
            if state.synced >= ticket {
                return Ok(());
            }
            if let Some(earlier) = &state.failed {
                return Err(earlier.again());
            }
            if state.syncing {
                state = self.turn.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.syncing = true;
            let covered = state.written;
            drop(state);
            let result = (self.sync)(covered);
            state = self.state();
            state.syncing = false;
            match &result {
                Ok(()) => state.synced = covered,
                Err(trouble) => state.failed = Some(trouble.as_earlier()),
            }
            self.turn.notify_all();
            result?;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{
            Arc, Barrier,
            atomic::{AtomicU64, Ordering},
            mpsc,
        },
        thread,
    };

    use oplogsync_core::store_error::Fault;

    use super::*;

    #[test]
    fn writers_that_come_while_a_sync_is_running_share_the_next_one() {
        let syncs = Arc::new(AtomicU64::new(0));
        let (started, wait_started) = mpsc::channel();
        let (resume, wait_resume) = mpsc::channel::<()>();
        let wait_resume = Mutex::new(wait_resume);
        let counted = Arc::clone(&syncs);
        let commit = Arc::new(GroupCommit::new(
            Ticket(0),
            Box::new(move |_| {
                counted.fetch_add(1, Ordering::SeqCst);
                started.send(()).unwrap();
                wait_resume.lock().unwrap().recv().unwrap();
                Ok(())
            }),
        ));
        let leader = thread::spawn({
            let (commit, ticket) = (Arc::clone(&commit), commit.wrote());
            move || commit.settle(ticket)
        });
        wait_started.recv().unwrap();
        let all_written = Arc::new(Barrier::new(9));
        let others: Vec<_> = (0..8)
            .map(|_| {
                let (commit, all_written) = (Arc::clone(&commit), Arc::clone(&all_written));
                thread::spawn(move || {
                    let ticket = commit.wrote();
                    all_written.wait();
                    commit.settle(ticket)
                })
            })
            .collect();
        all_written.wait();
        resume.send(()).unwrap();
        leader.join().unwrap().unwrap();
        wait_started.recv().unwrap();
        resume.send(()).unwrap();
        for other in others {
            other.join().unwrap().unwrap();
        }
        assert_eq!(syncs.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn what_is_on_the_disk_already_needs_no_sync() {
        let commit = GroupCommit::new(Ticket(7), Box::new(|_| panic!("nothing was written")));
        commit.settle(commit.written()).unwrap();
    }

    #[test]
    fn a_failed_sync_is_never_tried_again() {
        let syncs = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&syncs);
        let commit = GroupCommit::new(
            Ticket(0),
            Box::new(move |_| {
                counted.fetch_add(1, Ordering::SeqCst);
                Err(Trouble::syncing(io::Error::from(io::ErrorKind::StorageFull)))
            }),
        );
        let ticket = commit.wrote();
        let faults = [ticket, ticket, commit.wrote()].map(|ticket| {
            let error = commit.settle(ticket).unwrap_err().on("n", "sync");
            error.fault().clone()
        });
        assert_eq!(faults, [Fault::Full, Fault::Poisoned, Fault::Poisoned]);
        assert_eq!(syncs.load(Ordering::SeqCst), 1);
    }
}
