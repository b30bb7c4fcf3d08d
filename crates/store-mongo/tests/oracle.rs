//! [`Oracle`]: reads a primary and its replica behind their backs, and checks the laws.

use std::collections::{BTreeMap, HashMap};

use oplogsync_core::{
    batch::check_follows,
    doc_id::DocId,
    document::Document,
    documents::Documents,
    entry::{Entry, Operation},
    ids::OpId,
    limits::Limits,
    log::Log,
};
use oplogsync_store_mongo::MongoStore;

use crate::writers::{Acknowledged, items};

const PIECE: Limits = Limits { entries_max: 1000, bytes_max: usize::MAX };

/// What was seen of a log, and what it makes of the documents.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    entries: Vec<Entry>,
    by_operation: HashMap<OpId, u64>,
    documents: BTreeMap<DocId, Document>,
}

impl Oracle {
    /// While nothing is written and the replica is at the head: checks that the log still holds what it held, that
    /// what is new continues it (L3, L4), that each acknowledged write stands in it once (L1, L2), and that
    /// the documents of both nodes are its fold (L5). Returns the head.
    pub(crate) async fn check(&mut self, source: &MongoStore, target: &MongoStore, ledger: &[Acknowledged]) -> u64 {
        self.read_on(source).await;
        for written in ledger {
            let found = self.by_operation.get(&written.op_id).copied();
            assert_eq!(found, written.at.map(|at| at.index), "an acknowledged write is not where it was: {written:?}");
        }
        let changes = self.by_operation.len();
        let acknowledged = ledger.iter().filter(|written| written.at.is_some()).count();
        assert_eq!(changes, acknowledged, "every write in the log was acknowledged in the end");
        let head = self.entries.last().map(Entry::anchor);
        for (node, store) in [("primary", source), ("replica", target)] {
            let found: Vec<_> = documents(store).await;
            let expected: Vec<_> = self.documents.values().cloned().collect();
            assert_eq!(found, expected, "the documents of the {node} are not the fold of the log");
            let checkpoint = store.checkpoint().await.expect("it is read");
            assert_eq!(checkpoint.map(|checkpoint| checkpoint.anchor), head, "the {node}'s checkpoint");
            assert_eq!(store.unfinished().await.expect("it is read"), None, "{node}");
            assert_eq!(store.stop().await.expect("it is read"), None, "{node}");
        }
        head.map_or(0, |head| head.position.index)
    }

    /// The documents that the log makes.
    pub(crate) fn documents(&self) -> &BTreeMap<DocId, Document> {
        &self.documents
    }

    /// Reads the log from the last known entry on, that one included.
    async fn read_on(&mut self, source: &MongoStore) {
        let Some(ends) = source.log_ends().await.expect("the ends are read") else { return };
        loop {
            let known = self.entries.last().cloned();
            let from = known.as_ref().map_or(1, |entry| entry.position().index);
            let mut read = source.read(from, PIECE).await.expect("the log is read").into_iter();
            if let Some(known) = known {
                assert_eq!(read.next().as_ref(), Some(&known), "the entry that was seen there has changed");
            }
            let before = self.entries.len();
            for entry in read {
                let last = self.entries.last().map_or_else(|| Entry::origin(ends.log), Entry::anchor);
                check_follows(&last, &entry).expect("the log is dense and chained");
                self.fold(&entry);
                self.entries.push(entry);
            }
            if self.entries.len() == before {
                return;
            }
        }
    }

    fn fold(&mut self, entry: &Entry) {
        let index = entry.position().index;
        if let Some(id) = entry.operation().doc_id() {
            assert_eq!(entry.operation().namespace(), Some(&items()));
            let before = self.by_operation.insert(entry.op_id(), index);
            assert_eq!(before, None, "operation {} stands in the log twice", entry.op_id());
            match entry.operation() {
                Operation::Insert { document, .. } => {
                    assert_eq!(
                        self.documents.insert(id, document.clone()),
                        None,
                        "entry {index} inserts what is there"
                    );
                }
                Operation::Update { document, .. } => {
                    assert!(self.documents.insert(id, document.clone()).is_some(), "entry {index} updates nothing");
                }
                _ => assert!(self.documents.remove(&id).is_some(), "entry {index} deletes nothing"),
            }
        }
    }
}

async fn documents(store: &MongoStore) -> Vec<Document> {
    let namespaces = store.namespaces().await.expect("they are listed");
    assert!(namespaces.iter().all(|ns| *ns == items()), "{namespaces:?}");
    let limits = Limits { entries_max: 100_000, bytes_max: usize::MAX };
    store.scan(&items(), None, limits).await.expect("the documents are read")
}
