//! [`Pair`]: a primary and its replica in one folder, and a workload that takes every step of a store.

use std::{path::Path, sync::Arc, time::Duration};

use oplogsync_core::{
    checkpoint::Stop,
    documents::Documents,
    feed::{FeedError, OplogFeed},
    host::Host,
    limits::Limits,
    position::Position,
    primary::{Primary, PrimaryError, PrimaryOptions, WriteError},
    replicator::{ReplicateError, Replicator, ReplicatorOptions},
    retention::{Retention, trim},
    store_error::{Fault, StoreError},
    testing::manual_host::ManualHost,
    write::Written,
};

use crate::{
    engine::{self, Options, Store, Watch},
    suite::writes,
};

const BATCH: Limits = Limits { entries_max: 3, bytes_max: 64 * 1024 };

/// The two nodes, as the names of their folders.
pub(crate) const NODES: [&str; 2] = ["primary", "replica"];

/// A primary and its replica.
pub(crate) struct Pair {
    pub(crate) source: Store,
    pub(crate) target: Store,
    pub(crate) primary: Primary<Store, ManualHost>,
    replicator: Replicator<OplogFeed<Store>, Store, ManualHost>,
    host: ManualHost,
}

/// Whatever has failed.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) enum Failure {
    Store(#[from] StoreError),
    Primary(#[from] PrimaryError),
    Write(#[from] WriteError),
    Replicate(#[from] ReplicateError),
}

impl Failure {
    /// The fault of the store that is behind it.
    pub(crate) fn fault(&self) -> &Fault {
        fn of_primary(error: &PrimaryError) -> &Fault {
            match error {
                PrimaryError::Store(error) => error.fault(),
                PrimaryError::RollForward { source, .. } => of_replica(source),
                error => panic!("not a store's failure: {error:?}"),
            }
        }
        fn of_replica(error: &ReplicateError) -> &Fault {
            match error {
                ReplicateError::Target(error) | ReplicateError::Feed(FeedError::Store(error)) => error.fault(),
                error => panic!("not a store's failure: {error:?}"),
            }
        }
        match self {
            Self::Store(error) => error.fault(),
            Self::Primary(error) => of_primary(error),
            Self::Write(
                WriteError::Unknown { source, .. }
                | WriteError::NotBegun(source)
                | WriteError::NotApplied { source, .. },
            ) => of_primary(source),
            Self::Write(error) => panic!("not a store's failure: {error:?}"),
            Self::Replicate(error) => of_replica(error),
        }
    }
}

impl Pair {
    /// Opens both nodes; `watches` are told of their steps.
    pub(crate) async fn open(
        folder: &Path,
        options: Options,
        host: &ManualHost,
        watches: [Watch; 2],
    ) -> Result<Self, Failure> {
        let [source, target] = watches;
        let source = Store::open_watched(folder.join(NODES[0]), NODES[0], options, source)?;
        let target = Store::open_watched(folder.join(NODES[1]), NODES[1], options, target)?;
        let primary_options = PrimaryOptions { limits: BATCH, ..PrimaryOptions::default() };
        let primary = Primary::open(source.clone(), host.clone(), primary_options).await?;
        let feed = OplogFeed::new(source.clone(), NODES[0]);
        let options = ReplicatorOptions { limits: BATCH, ..ReplicatorOptions::default() };
        let replicator = Replicator::new(NODES[1], feed, target.clone(), host.clone(), options);
        Ok(Self { source, target, primary, replicator, host: host.clone() })
    }

    /// Makes the write or the command with a number, which may have been tried before.
    pub(crate) async fn write(&self, number: u64) -> Result<Option<Written>, WriteError> {
        match writes::make(&self.primary, number).await {
            Ok(written) => Ok(Some(written)),
            // It is an answer, and nothing is written.
            Err(WriteError::Refused(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Brings the replica to the head of the log.
    pub(crate) async fn replicate(&mut self) -> Result<(), ReplicateError> {
        while self.replicator.step().await?.progress.behind > 0 {}
        Ok(())
    }

    /// Trims what the replica has.
    pub(crate) async fn trim(&self) -> Result<(), StoreError> {
        trim(&self.source, Retention::UntilAcknowledged { age: Duration::ZERO }, self.host.now()).await.map(drop)
    }
}

/// Nobody watches.
pub(crate) fn unwatched() -> [Watch; 2] {
    [Arc::new(|_, _| Ok(())), Arc::new(|_, _| Ok(()))]
}

/// How many writes, and what comes between them: after how many writes each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workload {
    pub(crate) writes: u64,
    pub(crate) replicate_every: u64,
    pub(crate) trim_every: u64,
    pub(crate) reopen_every: u64,
}

/// A workload under way: the same steps in the same order each time.
pub(crate) struct Run<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) host: ManualHost,
    pub(crate) watches: [Watch; 2],
    /// Is told of each entry that is in the log for certain: its write's number and its index.
    pub(crate) acknowledge: &'a (dyn Fn(u64, u64) + Sync),
    /// The last write that was begun.
    pub(crate) begun: u64,
    pub(crate) pair: Option<Pair>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        folder: &'a Path,
        host: ManualHost,
        watches: [Watch; 2],
        acknowledge: &'a (dyn Fn(u64, u64) + Sync),
    ) -> Self {
        Self { folder, host, watches, acknowledge, begun: 0, pair: None }
    }

    /// Runs it up to its end or to the first failure; the pair then stays open.
    pub(crate) async fn go(&mut self, workload: Workload) -> Result<(), Failure> {
        let Workload { writes, replicate_every, trim_every, reopen_every } = workload;
        self.open().await?;
        while self.begun < writes {
            self.write().await?;
            let pair = self.pair.as_mut().unwrap();
            if self.begun.is_multiple_of(replicate_every) {
                pair.replicate().await?;
            }
            if self.begun.is_multiple_of(trim_every) {
                let stop = Stop { at: Position::default(), too_stale: false, reason: "a word".to_owned() };
                pair.target.set_stop(&stop).await?;
                pair.trim().await?;
            }
            if self.begun.is_multiple_of(reopen_every) {
                self.open().await?;
            }
        }
        Ok(())
    }

    /// Makes the next write.
    pub(crate) async fn write(&mut self) -> Result<(), Failure> {
        self.begun += 1;
        // Each entry is older than the next moment, so that it can be trimmed.
        self.host.advance(Duration::from_secs(1));
        match self.pair.as_ref().unwrap().write(self.begun).await {
            Ok(written) => {
                if let Some((position, _)) = written.and_then(|written| written.entry) {
                    (self.acknowledge)(self.begun, position.index);
                }
                Ok(())
            }
            Err(error) => {
                if let WriteError::NotApplied { at, .. } = &error {
                    (self.acknowledge)(self.begun, at.index);
                }
                Err(error.into())
            }
        }
    }

    /// Closes the nodes if they are open, leaves what a kill in the middle of an open leaves, and opens them.
    pub(crate) async fn open(&mut self) -> Result<(), Failure> {
        let were_open = self.pair.take().is_some();
        for node in NODES {
            engine::leave_behind(&self.folder.join(node), were_open);
        }
        self.pair = Some(Pair::open(self.folder, Options::default(), &self.host, self.watches.clone()).await?);
        Ok(())
    }
}
