//! A primary and its replicas on stores that fail, and an oracle that knows what must be true.

use std::{collections::BTreeMap, future::Future, time::Duration};

use oplogsync_core::{
    apply::{Mode, apply},
    batch::check_follows,
    checkpoint::Checkpoint,
    doc_id::DocId,
    document::Document,
    documents::Documents,
    entry::Entry,
    feed::OplogFeed,
    ids::OpId,
    initial_sync::SyncTarget,
    limits::Limits,
    log::Log,
    memory::MemoryStore,
    namespace::Namespace,
    primary::{Primary, PrimaryError, PrimaryOptions, WriteError},
    replicator::{Replicator, ReplicatorOptions},
    testing::{faulty::Faulty, manual_host::ManualHost},
    write::Written,
};
use oplogsync_store_sled::SledStore;
use proptest::prelude::ProptestConfig;

/// What a law needs of a store.
pub(crate) trait Store: Log + SyncTarget + Clone + 'static {}
impl<S: Log + SyncTarget + Clone + 'static> Store for S {}

pub(crate) type Node<S> = Faulty<S>;

/// Makes new, empty nodes.
pub(crate) trait Nodes {
    type Store: Store;
    fn node(name: &str) -> Node<Self::Store>;
}

pub(crate) struct InMemory;
pub(crate) struct InSled;

impl Nodes for InMemory {
    type Store = MemoryStore;
    fn node(name: &str) -> Node<MemoryStore> {
        Faulty::new(MemoryStore::new(name), name)
    }
}

impl Nodes for InSled {
    type Store = SledStore;
    fn node(name: &str) -> Node<SledStore> {
        Faulty::new(SledStore::memory(name).unwrap(), name)
    }
}

/// Runs `law::<Nodes>(arguments)` on every store.
macro_rules! on_every_store {
    ($law:ident($($argument:expr),*)) => {
        $crate::cluster::block_on($law::<$crate::cluster::InMemory>($($argument.clone()),*));
        $crate::cluster::block_on($law::<$crate::cluster::InSled>($($argument.clone()),*));
    };
}
pub(crate) use on_every_store;

/// Fewer cases than usual: each is a whole run of several nodes. `PROPTEST_CASES` asks for more.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(cases), ..ProptestConfig::default() }
}

/// Runs a test to its end; one that hangs fails.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bounded = async { tokio::time::timeout(Duration::from_secs(60), future).await };
    runtime.block_on(bounded).expect("the test ends within a minute")
}

pub(crate) async fn open_primary<S: Store>(
    node: &Node<S>,
    host: &ManualHost,
    limits: Limits,
) -> Result<Primary<Node<S>, ManualHost>, PrimaryError> {
    let options = PrimaryOptions { node: "db1".to_owned(), limits, ..PrimaryOptions::default() };
    Primary::open(node.clone(), host.clone(), options).await
}

pub(crate) type NodeReplicator<S> = Replicator<OplogFeed<Node<S>>, Node<S>, ManualHost>;

pub(crate) fn replicator<S: Store>(
    source: &Node<S>,
    target: &Node<S>,
    host: &ManualHost,
    limits: Limits,
) -> NodeReplicator<S> {
    let options = ReplicatorOptions { limits, ..ReplicatorOptions::default() };
    Replicator::new("db2", OplogFeed::new(source.clone(), "db1"), target.clone(), host.clone(), options)
}

/// What documents are, told from a log without any of the code under test but the pure apply.
pub(crate) type Fold = BTreeMap<Namespace, BTreeMap<DocId, Document>>;

pub(crate) fn fold<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Fold {
    let mut fold = Fold::new();
    for entry in entries {
        let (Some(ns), Some(id)) = (entry.operation().namespace(), entry.operation().doc_id()) else { continue };
        let collection = fold.entry(ns.clone()).or_default();
        let current = collection.remove(&id);
        if let Some(after) =
            apply(current, entry.operation(), Mode::Steady).expect("the log does not contradict itself")
        {
            collection.insert(id, after);
        }
    }
    fold.retain(|_, collection| !collection.is_empty());
    fold
}

/// All documents of a node.
pub(crate) async fn documents(store: &impl Documents) -> Fold {
    let mut all = Fold::new();
    for ns in store.namespaces().await.unwrap() {
        let documents = store.scan(&ns, None, Limits { entries_max: 10_000, ..Limits::default() }).await.unwrap();
        all.insert(ns, documents.into_iter().map(|document| (document.id(), document)).collect());
    }
    all
}

/// The whole log of a node, which must be dense and chained from its origin on (L3, L4).
pub(crate) async fn whole_log(store: &impl Log) -> Vec<Entry> {
    let Some(ends) = store.log_ends().await.unwrap() else { return Vec::new() };
    let entries = store.read(1, Limits { entries_max: 10_000, ..Limits::default() }).await.unwrap();
    let mut last = Entry::origin(ends.log);
    for entry in &entries {
        check_follows(&last, entry).expect("L3: the log is dense and chained");
        last = entry.anchor();
    }
    assert_eq!(last, ends.head, "L3: the log ends at its head");
    entries
}

/// L5 and L6: the documents are the fold of the log up to the checkpoint, byte for byte.
/// Returns the index of the checkpoint.
pub(crate) async fn check_prefix(source: &impl Log, target: &impl Documents) -> u64 {
    let log = whole_log(source).await;
    let checkpoint = target.checkpoint().await.unwrap();
    let index = checkpoint.map_or(0, |checkpoint| checkpoint.anchor.position.index);
    let (applied, _) = log.split_at_checked(usize::try_from(index).unwrap()).expect("the checkpoint is in the log");
    if let (Some(Checkpoint { anchor, .. }), Some(last)) = (checkpoint, applied.last()) {
        assert_eq!(anchor, last.anchor(), "the checkpoint is an entry of the log");
    }
    assert_eq!(target.unfinished().await.unwrap(), None);
    assert_eq!(documents(target).await, fold(applied), "L5: the fold of the log up to {index}");
    index
}

/// L1 and L2: every answer that a caller got is true of the log.
pub(crate) fn check_answers(log: &[Entry], answers: &[(OpId, Result<Written, WriteError>)]) {
    let mut times: BTreeMap<OpId, usize> = BTreeMap::new();
    for entry in log {
        *times.entry(entry.op_id()).or_default() += 1;
    }
    assert!(times.values().all(|times| *times == 1), "L2: each operation stands in the log once");
    for (op_id, answer) in answers {
        let standing = times.contains_key(op_id);
        match answer {
            Ok(Written { entry: Some((position, _)), .. }) | Err(WriteError::NotApplied { at: position, .. }) => {
                let there = &log[usize::try_from(position.index - 1).unwrap()];
                assert_eq!((there.op_id(), there.position()), (*op_id, *position), "L1: what is acknowledged stands");
            }
            Ok(Written { entry: None, .. }) | Err(WriteError::Refused(_)) => {
                assert!(!standing, "what changed nothing makes no entry: {answer:?}");
            }
            Err(WriteError::NotBegun(_)) => assert!(!standing, "what was not begun is not in the log: {answer:?}"),
            Err(_) => {}
        }
    }
}
