//! [`Oracle`]: knows which writes were acknowledged, and what two nodes must hold.

mod fold;

use std::collections::{BTreeMap, HashMap, VecDeque};

use oplogsync_core::{
    batch::check_follows,
    checkpoint::Checkpoint,
    digest::NamespaceDigest,
    doc_id::DocId,
    document::Document,
    documents::Documents,
    entry::Entry,
    ids::{LogId, OpId},
    log::{Acknowledgement, Log},
    namespace::Namespace,
    position::Anchor,
};

use self::fold::Fold;
use crate::{
    engine::Store,
    suite::history::{self, ALL},
};

/// The name under which an oracle asks a log to keep the entries that it has not folded yet.
const REPLICA: &str = "the-oracle";

/// All documents of a node.
pub(crate) type Contents = BTreeMap<(Namespace, DocId), Document>;

/// Knows which writes were acknowledged, and reads each entry once, so that it knows what the
/// documents of each node must be although the log is trimmed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Oracle {
    log: Option<LogId>,
    /// Up to where `folded` has come.
    base: Option<Anchor>,
    folded: Fold,
    /// The entries after `base`.
    entries: VecDeque<Entry>,
    places: HashMap<OpId, u64>,
    /// Those that are to be looked for in the log: what was found once is among the entries.
    acknowledged: Vec<(OpId, u64)>,
    found: usize,
    checkpoints: [u64; 2],
}

/// How far a node has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) floor: u64,
    pub(crate) head: u64,
    pub(crate) primary: u64,
    pub(crate) replica: u64,
}

impl Oracle {
    /// One that knows a log, and has folded it up to `floor`.
    pub(crate) fn of(log: LogId, entries: &[Entry], floor: u64) -> Self {
        let places = entries.iter().map(|entry| (entry.op_id(), entry.position().index)).collect();
        let mut oracle = Self { log: Some(log), entries: entries.to_vec().into(), places, ..Self::default() };
        oracle.fold(floor);
        oracle
    }

    /// Asks a new primary from the start to keep what is not folded yet.
    pub(crate) async fn follow(&mut self, primary: &Store) {
        let ends = primary.create_log(history::log()).await.unwrap();
        (self.log, self.base) = (Some(ends.log), Some(ends.head));
        self.let_go(primary).await;
    }

    /// The primary has acknowledged an operation, with an entry at `index`.
    pub(crate) fn acknowledge(&mut self, op_id: OpId, index: u64) {
        self.acknowledged.push((op_id, index));
    }

    /// How many acknowledged writes were looked for in the log, and found there.
    pub(crate) fn found(&self) -> usize {
        self.found
    }

    /// The laws that two nodes keep after whatever happened to them: nothing acknowledged is lost
    /// (L1), no operation stands twice (L2), the log is dense (L3) and what it was (L4), and the
    /// documents of both are its fold up to their checkpoints (L5), which never go back (L6).
    pub(crate) async fn check(&mut self, primary: &Store, replica: &Store) -> Found {
        let Some(ends) = primary.log_ends().await.unwrap() else {
            assert!(self.log.is_none() && self.acknowledged.is_empty(), "the whole log is lost");
            assert_eq!(replica.checkpoint().await.unwrap(), None);
            return Found::default();
        };
        assert_eq!(*self.log.get_or_insert(ends.log), ends.log);
        let read = primary.read(0, ALL).await.unwrap();
        let mut last = ends.floor;
        for entry in &read {
            check_follows(&last, entry).unwrap();
            last = entry.anchor();
        }
        assert_eq!(last, ends.head, "the newest entry is the head");
        self.learn(ends.floor, read, primary).await;
        for (op_id, index) in self.acknowledged.drain(..) {
            assert_eq!(self.places.get(&op_id), Some(&index), "the acknowledged write {op_id} is lost");
            self.found += 1;
        }
        let found = Found {
            floor: ends.floor.position.index,
            head: ends.head.position.index,
            primary: self.check_documents(0, primary).await,
            replica: self.check_documents(1, replica).await,
        };
        assert!(found.primary <= found.head && found.replica <= found.head, "{found:?}");
        found
    }

    /// Folds what both nodes have applied, and permits the primary to trim it.
    pub(crate) async fn let_go(&mut self, primary: &Store) {
        let slowest = self.checkpoints[0].min(self.checkpoints[1]);
        self.fold(slowest);
        if let Some(at) = self.base {
            primary.acknowledge(&Acknowledgement { replica: REPLICA.to_owned(), at }).await.unwrap();
        }
    }

    fn fold(&mut self, until: u64) {
        let done = self.entries.partition_point(|entry| entry.position().index <= until);
        for entry in self.entries.drain(..done) {
            self.folded.apply(entry.operation());
            self.base = Some(entry.anchor());
        }
    }

    /// Compares the entries that it knows, and takes the others in.
    async fn learn(&mut self, floor: Anchor, read: Vec<Entry>, primary: &Store) {
        let base = self.base.map_or(0, |base| base.position.index);
        let known = base + self.entries.len() as u64;
        let head = read.last().map_or(floor, Entry::anchor).position.index;
        assert!(floor.position.index <= base, "the log is trimmed up to {}, and {base} was agreed", floor.position);
        assert!(head >= known, "the log ends at {head}, and {known} was read before");
        for entry in read {
            let index = entry.position().index;
            if index > known {
                assert_eq!(primary.find(entry.op_id()).await.unwrap(), Some(entry.position()));
                let twice = self.places.insert(entry.op_id(), index);
                assert_eq!(twice, None, "operation {} stands at {index} too", entry.op_id());
                self.entries.push_back(entry);
            } else if index > base {
                let at = usize::try_from(index - base - 1).unwrap();
                assert_eq!(self.entries[at].hash(), entry.hash(), "the entry at {index} has changed");
            }
        }
    }

    /// The documents and digests of a node are the fold of the log up to its checkpoint.
    async fn check_documents(&mut self, node: usize, store: &Store) -> u64 {
        let checkpoint = store.checkpoint().await.unwrap();
        let index = checkpoint.map_or(0, |checkpoint| checkpoint.anchor.position.index);
        assert!(index >= self.checkpoints[node], "the checkpoint went back from {} to {index}", self.checkpoints[node]);
        self.checkpoints[node] = index;
        let mut last = self.base;
        let mut fold = self.folded.clone();
        for entry in self.entries.iter().take_while(|entry| entry.position().index <= index) {
            fold.apply(entry.operation());
            last = Some(entry.anchor());
        }
        if let Some(Checkpoint { log, anchor }) = checkpoint {
            assert_eq!((Some(log), Some(anchor)), (self.log, last), "the checkpoint names an entry of the log");
        }
        let Fold { contents: expected, collections } = fold;
        // A primary tries a command before it logs it.
        if node > 0 {
            assert_eq!(store.collections().await.unwrap(), collections.into_values().collect::<Vec<_>>());
        }
        let mut digests: BTreeMap<Namespace, NamespaceDigest> = BTreeMap::new();
        for ((ns, _), document) in &expected {
            digests.entry(ns.clone()).or_default().add(document);
        }
        assert_eq!(store.namespaces().await.unwrap(), digests.keys().cloned().collect::<Vec<_>>());
        for (ns, digest) in digests {
            assert_eq!(store.digest(&ns).await.unwrap(), digest, "{ns}");
        }
        assert_eq!(contents(store).await, expected, "{} at {index}", store.keyspace().node());
        index
    }
}

/// All documents of a node, as it holds them.
pub(crate) async fn contents(store: &Store) -> Contents {
    let mut found = Contents::new();
    for ns in store.namespaces().await.unwrap() {
        for document in store.scan(&ns, None, ALL).await.unwrap() {
            found.insert((ns.clone(), document.id()), document);
        }
    }
    found
}
