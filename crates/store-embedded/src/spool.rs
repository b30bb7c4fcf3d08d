//! A log of an [`EmbeddedStore`] that is a copy of what another feed yields.

use std::collections::HashSet;

use oplogsync_core::{
    batch::Batch,
    checkpoint::{Checkpoint, Resume},
    entry::Entry,
    ids::OwnerId,
    lease::LeaseName,
    log::LogEnds,
    position::Anchor,
    spool::SpoolLog,
    store_error::{Fault, StoreError},
};

use crate::{
    engine::Engine, key::Key, keyspace::Keyspace, record::Captured, step::Step, store::EmbeddedStore, tree::View,
    trouble::Trouble,
};

impl<E: Engine> Keyspace<E> {
    /// See [`SpoolLog::captured`].
    ///
    /// # Errors
    /// As there.
    pub fn captured(&self) -> Result<Option<(Checkpoint, Resume)>, StoreError> {
        let doing = || "read what was captured".to_owned();
        self.read_durable(doing, |view| Ok(view.captured()?.map(|captured| (captured.checkpoint(), captured.resume))))
    }

    /// See [`SpoolLog::begin_capture`].
    ///
    /// # Errors
    /// As there.
    pub fn begin_capture(&self, checkpoint: Checkpoint, resume: &Resume, owner: OwnerId) -> Result<(), StoreError> {
        let doing = || format!("begin a copy of the log {}", checkpoint.log);
        self.write(Step::BeginCapture, doing, |writer| {
            writer.leases.check(LeaseName::Log, owner)?;
            match (writer.view.captured()?, writer.view.ends()?) {
                (Some(captured), _) if captured.ends.log == checkpoint.log => Ok(()),
                (Some(captured), _) => Err(occupied(&captured)),
                (None, Some(ends)) => Err(Trouble::new(Fault::Occupied { what: format!("the log {}", ends.log) })),
                (None, None) => {
                    let Checkpoint { log, anchor } = checkpoint;
                    let ends = LogEnds { log, floor: anchor, head: anchor };
                    writer.put(&Key::captured(), &Captured { ends, resume: resume.clone() })
                }
            }
        })
    }

    /// See [`SpoolLog::capture`].
    ///
    /// # Errors
    /// As there.
    pub fn capture(&self, batch: &Batch, owner: OwnerId) -> Result<(), StoreError> {
        self.capture_entries(&Capture::new(batch), owner)
    }

    fn capture_entries(&self, capture: &Capture, owner: OwnerId) -> Result<(), StoreError> {
        let Capture { after, last, resume, entries } = capture;
        let doing = || format!("capture the entries after {}", after.anchor.position);
        self.write(Step::Capture, doing, |writer| {
            writer.leases.check(LeaseName::Log, owner)?;
            let captured = writer.view.captured()?.ok_or_else(|| Trouble::defect("no copy of a log was begun"))?;
            if captured.checkpoint() != *after {
                return Err(Trouble::new(Fault::CheckpointMoved { found: captured.ends.head.position }));
            }
            let ends = captured.ends;
            let mut new = HashSet::new();
            for entry in entries {
                let op_id = entry.op_id();
                if !new.insert(op_id) || writer.view.operation(op_id, &ends)?.is_some() {
                    return Err(Trouble::defect(format!("the feed yields operation {op_id} twice")));
                }
                writer.add_entry(entry)?;
            }
            let ends = LogEnds { head: *last, ..ends };
            writer.put(&Key::captured(), &Captured { ends, resume: resume.clone() })
        })?;
        self.appended().notify_waiters();
        Ok(())
    }
}

/// A batch to be captured.
struct Capture {
    after: Checkpoint,
    last: Anchor,
    resume: Resume,
    entries: Vec<Entry>,
}

impl Capture {
    fn new(batch: &Batch) -> Self {
        let after = Checkpoint { log: batch.log(), anchor: *batch.after() };
        Self { after, last: batch.last(), resume: batch.resume(), entries: batch.entries().to_vec() }
    }
}

fn occupied(captured: &Captured) -> Trouble {
    Trouble::new(Fault::Occupied { what: format!("a copy of the log {}", captured.ends.log) })
}

impl<E: Engine> View<'_, E> {
    pub(crate) fn captured(&self) -> Result<Option<Captured>, Trouble> {
        self.record(&Key::captured())
    }

    /// A log that is a copy takes no entries of a primary.
    pub(crate) fn refuse_captured(&self) -> Result<(), Trouble> {
        self.captured()?.map_or(Ok(()), |captured| Err(occupied(&captured)))
    }
}

impl<E: Engine> SpoolLog for EmbeddedStore<E> {
    async fn captured(&self) -> Result<Option<(Checkpoint, Resume)>, StoreError> {
        self.blocking(Keyspace::captured).await
    }

    async fn begin_capture(&self, checkpoint: Checkpoint, resume: &Resume, owner: OwnerId) -> Result<(), StoreError> {
        let resume = resume.clone();
        self.blocking(move |keyspace| keyspace.begin_capture(checkpoint, &resume, owner)).await
    }

    async fn capture(&self, batch: &Batch, owner: OwnerId) -> Result<(), StoreError> {
        let capture = Capture::new(batch);
        self.blocking(move |keyspace| keyspace.capture_entries(&capture, owner)).await
    }
}
