//! [`State`]: everything that can be read from a store.

use std::collections::BTreeMap;

use oplogsync_core::{
    catalog::Collection,
    checkpoint::{Checkpoint, Resume, Stop},
    digest::NamespaceDigest,
    doc_id::DocId,
    document::Document,
    entry::Entry,
    initial_sync::{Note, SyncTarget},
    log::LogEnds,
    namespace::Namespace,
    spool::SpoolLog,
};

use crate::suite::history::ALL;

/// Everything that can be read from a store.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    pub(crate) documents: BTreeMap<(Namespace, DocId), Document>,
    pub(crate) digests: Vec<(Namespace, NamespaceDigest)>,
    pub(crate) collections: Vec<Collection>,
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) resume: Resume,
    pub(crate) stop: Option<Stop>,
    pub(crate) notes: Vec<Note>,
    pub(crate) ends: Option<LogEnds>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) captured: Option<(Checkpoint, Resume)>,
}

/// Reads everything.
pub(crate) async fn state<S: SpoolLog + SyncTarget>(store: &S) -> State {
    let (mut documents, mut digests) = (BTreeMap::new(), Vec::new());
    for ns in store.namespaces().await.unwrap() {
        let digest = store.digest(&ns).await.unwrap();
        assert_eq!(store.size(&ns).await.unwrap().documents, digest.count);
        for document in store.scan(&ns, None, ALL).await.unwrap() {
            documents.insert((ns.clone(), document.id()), document);
        }
        digests.push((ns, digest));
    }
    State {
        documents,
        digests,
        collections: store.collections().await.unwrap(),
        checkpoint: store.checkpoint().await.unwrap(),
        resume: store.resume().await.unwrap(),
        stop: store.stop().await.unwrap(),
        notes: store.notes().await.unwrap(),
        ends: store.log_ends().await.unwrap(),
        entries: store.read(0, ALL).await.unwrap(),
        captured: store.captured().await.unwrap(),
    }
}
