//! [`Whole`]: what a workload comes to when nothing happens to it.

use std::{path::Path, sync::Mutex};

use oplogsync_core::{entry::Entry, ids::LogId, log::Log, testing::manual_host::ManualHost};

use crate::{
    engine::{Store, Watch},
    suite::{
        history::ALL,
        oracle::Oracle,
        pair::{Run, Workload, unwatched},
        writes::op_id,
    },
};

/// A workload that nothing has happened to.
pub(crate) struct Whole {
    log: LogId,
    entries: Vec<Entry>,
    /// The number and index of each write that has an entry, in the order of their acknowledgements.
    pub(crate) acknowledged: Vec<(u64, u64)>,
}

/// Time stands still between the writes: each run makes the same entries, whatever the machine does meanwhile.
pub(crate) fn host() -> ManualHost {
    ManualHost::standing(7)
}

impl Whole {
    /// Runs the workload, watched; then once more without any trim, to read all entries.
    pub(crate) async fn of(workload: Workload, watches: [Watch; 2]) -> Self {
        let acknowledged = Mutex::new(Vec::new());
        let acknowledge = |number, index| acknowledged.lock().unwrap().push((number, index));
        let trimmed = tempfile::tempdir().unwrap();
        Run::new(trimmed.path(), host(), watches, &acknowledge).go(workload).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let entries = untrimmed(folder.path(), workload).await;
        let acknowledged = acknowledged.into_inner().unwrap();
        Self { log: entries.0, entries: entries.1, acknowledged }
    }

    /// An oracle that knows what a node, which has come so far, must hold.
    pub(crate) async fn oracle(&self, primary: &Store, acknowledged: &[(u64, u64)]) -> Oracle {
        let mut oracle = Oracle::default();
        if let Some(ends) = primary.log_ends().await.unwrap() {
            let head = usize::try_from(ends.head.position.index).unwrap();
            if ends.log == self.log {
                let known = self.entries.get(..head).expect("no more than was written");
                oracle = Oracle::of(self.log, known, ends.floor.position.index);
            } else {
                assert_eq!(head, 0, "a second log begins where the first was never on the disk");
            }
        }
        for (number, index) in acknowledged {
            oracle.acknowledge(op_id(*number), *index);
        }
        oracle
    }
}

async fn untrimmed(folder: &Path, workload: Workload) -> (LogId, Vec<Entry>) {
    let mut run = Run::new(folder, host(), unwatched(), &|_, _| ());
    run.go(Workload { trim_every: u64::MAX, ..workload }).await.unwrap();
    let store = &run.pair.as_ref().unwrap().source;
    let log = store.log_ends().await.unwrap().unwrap().log;
    (log, store.read(0, ALL).await.unwrap())
}
