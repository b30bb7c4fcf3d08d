//! Writers that retry each write under its operation id until it is acknowledged, and remember all
//! that was.

use std::{
    error::Error,
    sync::{Arc, Mutex},
    time::Duration,
};

use bson::rawdoc;
use oplogsync_core::{
    host::{Host, SystemHost},
    ids::OpId,
    initial_sync::SyncTarget,
    log::Log,
    namespace::Namespace,
    position::Position,
    primary::{Primary, PrimaryError, WriteError},
    retry::{Decision, decide_store},
    testing::{
        documents::{id, namespace},
        random::Random,
    },
    write::Write,
};
use tokio::{
    sync::{RwLock, watch},
    task::JoinSet,
};

/// The pause before a write is tried again of which the primary has given up.
const PAUSE: Duration = Duration::from_millis(20);
/// Documents that a writer has to itself.
const OWN: u64 = 12;

/// A write that was acknowledged; `at` is its entry, if it has changed anything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acknowledged {
    pub(crate) op_id: OpId,
    pub(crate) at: Option<Position>,
}

/// What the writers share.
#[derive(Debug)]
pub(crate) struct Ledger {
    acknowledged: Mutex<Vec<Acknowledged>>,
    count: watch::Sender<usize>,
    /// Held shared by every write until it is acknowledged.
    gate: RwLock<()>,
    retried: Mutex<u64>,
}

/// Several writers on one primary, until they are dropped.
pub(crate) struct Writers {
    pub(crate) ledger: Arc<Ledger>,
    tasks: JoinSet<()>,
}

/// The namespace of all writes.
pub(crate) fn items() -> Namespace {
    namespace("items")
}

impl Writers {
    pub(crate) fn start<S>(primary: &Arc<Primary<S, SystemHost>>, seed: u64, count: u8) -> Self
    where
        S: Log + SyncTarget + Clone + 'static,
    {
        let ledger = Arc::new(Ledger {
            acknowledged: Mutex::default(),
            count: watch::Sender::new(0),
            gate: RwLock::new(()),
            retried: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        for writer in 1..=count {
            let (primary, ledger) = (Arc::clone(primary), Arc::clone(&ledger));
            let random = Random::new(seed ^ u64::from(writer) << 32);
            tasks.spawn(write_on(primary, ledger, writer, random));
        }
        Self { ledger, tasks }
    }

    /// Waits until `more` further writes are acknowledged; fails with a writer that has failed.
    pub(crate) async fn wait_for(&mut self, more: usize) {
        let mut count = self.ledger.count.subscribe();
        let goal = *count.borrow() + more;
        tokio::select! {
            reached = count.wait_for(|count| *count >= goal) => drop(reached.expect("the ledger lives")),
            ended = self.tasks.join_next() => panic!("a writer has ended: {ended:?}"),
            () = tokio::time::sleep(Duration::from_secs(60)) => panic!("the writers do not get on"),
        }
    }

    /// Ends them between two writes.
    pub(crate) async fn end(self) {
        let ledger = Arc::clone(&self.ledger);
        let _quiet = ledger.quiet().await;
        drop(self);
    }
}

impl Ledger {
    /// Until the guard is dropped, no write is under way.
    pub(crate) async fn quiet(&self) -> tokio::sync::RwLockWriteGuard<'_, ()> {
        tokio::time::timeout(Duration::from_secs(120), self.gate.write()).await.expect("every write is acknowledged")
    }

    pub(crate) fn acknowledged(&self) -> Vec<Acknowledged> {
        self.acknowledged.lock().unwrap().clone()
    }

    /// How often a write was tried again by its writer.
    pub(crate) fn retried(&self) -> u64 {
        *self.retried.lock().unwrap()
    }
}

async fn write_on<S>(primary: Arc<Primary<S, SystemHost>>, ledger: Arc<Ledger>, writer: u8, mut random: Random)
where
    S: Log + SyncTarget + Clone,
{
    loop {
        let write = next_write(writer, &mut random);
        let _under_way = ledger.gate.read().await;
        let written = write_until_acknowledged(&primary, write, || *ledger.retried.lock().unwrap() += 1).await;
        ledger.acknowledged.lock().unwrap().push(written);
        ledger.count.send_modify(|count| *count += 1);
    }
}

/// Writes under one operation id until it is acknowledged; `again` is called before each further try.
pub(crate) async fn write_until_acknowledged<S>(
    primary: &Primary<S, SystemHost>,
    write: Write,
    mut again: impl FnMut(),
) -> Acknowledged
where
    S: Log + SyncTarget + Clone,
{
    let op_id = OpId::from_bytes(SystemHost.random());
    loop {
        match primary.write_once(op_id, write.clone()).await {
            Ok(written) => return Acknowledged { op_id, at: written.entry.map(|(position, _)| position) },
            Err(WriteError::Refused(error)) => panic!("{write:?} is refused: {error}"),
            Err(
                WriteError::NotBegun(source)
                | WriteError::Unknown { source, .. }
                | WriteError::NotApplied { source, .. },
            ) => expect_passing(&source),
            Err(error) => panic!("{}", chain(&error)),
        }
        again();
        tokio::time::sleep(PAUSE).await;
    }
}

/// Own documents are replaced, updated and deleted; one is incremented by all.
fn next_write(writer: u8, random: &mut Random) -> Write {
    let (ns, number) = (items(), i64::try_from(random.below(1000)).unwrap());
    let own = id(format!("w{writer}-{}", random.below(OWN)));
    match random.below(10) {
        0..4 => Write::Replace {
            ns,
            id: own,
            document: rawdoc! { "number": number, "text": "x".repeat(200) },
            upsert: true,
        },
        4..7 => Write::Update { ns, id: own, update: rawdoc! { "$inc": { "number": number } }, upsert: true },
        7..9 => Write::Delete { ns, id: own },
        _ => Write::Update { ns, id: id("shared"), update: rawdoc! { "$inc": { "count": 1_i64 } }, upsert: true },
    }
}

/// A primary that could not write has met something that passes.
pub(crate) fn expect_passing(error: &PrimaryError) {
    let passes = matches!(error, PrimaryError::Store(store) if decide_store(store) == Decision::Retry);
    assert!(passes, "the primary has met what does not pass: {}", chain(error));
}

/// An error and its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}
