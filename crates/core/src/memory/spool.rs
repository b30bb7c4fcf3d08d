//! A log in memory that is a copy of what another feed yields.

use std::collections::HashSet;

use super::{MemoryLog, MemoryStore, State};
use crate::{
    batch::Batch,
    checkpoint::{Checkpoint, Resume},
    ids::OwnerId,
    lease::LeaseName,
    log::LogEnds,
    spool::SpoolLog,
    store_error::{Fault, StoreError},
};

impl SpoolLog for MemoryStore {
    async fn captured(&self) -> Result<Option<(Checkpoint, Resume)>, StoreError> {
        Ok(self.state().captured())
    }

    async fn begin_capture(&self, checkpoint: Checkpoint, resume: &Resume, owner: OwnerId) -> Result<(), StoreError> {
        let mut state = self.state();
        let begun = state.check_owner(LeaseName::Log, owner).and_then(|()| state.begin_capture(checkpoint, resume));
        begun.map_err(|fault| self.error(format!("begin a copy of the log {}", checkpoint.log), fault))
    }

    async fn capture(&self, batch: &Batch, owner: OwnerId) -> Result<(), StoreError> {
        let mut state = self.state();
        let captured = state.check_owner(LeaseName::Log, owner).and_then(|()| state.capture(batch));
        let doing = || format!("capture the entries after {}", batch.after().position);
        captured.map_err(|fault| self.error(doing(), fault))?;
        self.appended.notify_waiters();
        Ok(())
    }
}

impl State {
    fn captured(&self) -> Option<(Checkpoint, Resume)> {
        let (log, resume) = (self.log.as_ref()?, self.captured.as_ref()?);
        let LogEnds { log, head, .. } = log.ends();
        Some((Checkpoint { log, anchor: head }, resume.clone()))
    }

    /// A log that is a copy takes no entries of a primary.
    pub(super) fn refuse_captured(&self) -> Result<(), Fault> {
        let occupied = |(checkpoint, _): (Checkpoint, _)| Fault::Occupied {
            what: format!("a copy of the log {}", checkpoint.log),
        };
        self.captured().map(occupied).map_or(Ok(()), Err)
    }

    fn begin_capture(&mut self, checkpoint: Checkpoint, resume: &Resume) -> Result<(), Fault> {
        if self.captured().is_some_and(|(begun, _)| begun.log == checkpoint.log) {
            return Ok(());
        }
        if let Some(log) = &self.log {
            return Err(Fault::Occupied { what: format!("the log {}", log.ends().log) });
        }
        self.log = Some(MemoryLog::new(checkpoint.log, checkpoint.anchor));
        self.captured = Some(resume.clone());
        Ok(())
    }

    fn capture(&mut self, batch: &Batch) -> Result<(), Fault> {
        let Some((captured, _)) = self.captured() else { return Err(Fault::Defect) };
        if captured != (Checkpoint { log: batch.log(), anchor: *batch.after() }) {
            return Err(Fault::CheckpointMoved { found: captured.anchor.position });
        }
        let Some(log) = &mut self.log else { return Err(Fault::Defect) };
        let mut new = HashSet::new();
        if !batch.entries().iter().all(|entry| new.insert(entry.op_id()) && log.find(entry.op_id()).is_none()) {
            return Err(Fault::Defect);
        }
        log.append(batch.entries());
        self.captured = Some(batch.resume());
        Ok(())
    }
}
