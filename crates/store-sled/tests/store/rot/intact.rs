//! [`Intact`]: a folder that nothing has happened to, and what must be read from it.

use std::path::{Path, PathBuf};

use bson::rawdoc;
use oplogsync_core::{
    checkpoint::Checkpoint,
    documents::Documents,
    entry::Entry,
    log::{Log, LogEnds},
    store_error::StoreError,
    testing::{documents::namespace, manual_host::ManualHost},
    write::Write,
};
use oplogsync_store_sled::{Options, SledStore};

use crate::{
    copy::copy,
    history::ALL,
    oracle::{Contents, contents},
    pair::{NODES, Run, Workload, unwatched},
    whole::host,
};

/// A folder of a closed store, and what is in it.
pub(super) struct Intact {
    pub(super) name: &'static str,
    pub(super) folder: PathBuf,
    ends: Option<LogEnds>,
    entries: Vec<Entry>,
    checkpoint: Option<Checkpoint>,
    pub(super) contents: Contents,
}

impl Intact {
    async fn read(name: &'static str, folder: PathBuf) -> Self {
        let store = SledStore::open(&folder, "a", Options::default()).unwrap();
        Self {
            name,
            ends: store.log_ends().await.unwrap(),
            entries: store.read(0, ALL).await.unwrap(),
            checkpoint: store.checkpoint().await.unwrap(),
            contents: contents(&store).await,
            folder,
        }
    }

    /// Whether a primary can go on in it.
    pub(super) fn is_primary(&self) -> bool {
        self.ends.is_some()
    }

    /// Everything that can be read is what was written, or an error; the first of the errors.
    pub(super) async fn check(&self, store: &SledStore) -> Option<StoreError> {
        let mut first = None;
        let mut keep = |error| {
            first.get_or_insert(error);
        };
        match store.log_ends().await {
            Ok(ends) => assert_eq!(ends, self.ends, "the ends of the log"),
            Err(error) => keep(error),
        }
        match store.read(0, ALL).await {
            Ok(entries) => assert_eq!(entries, self.entries, "the log"),
            Err(error) => keep(error),
        }
        match store.checkpoint().await {
            Ok(checkpoint) => assert_eq!(checkpoint, self.checkpoint, "the checkpoint"),
            Err(error) => keep(error),
        }
        match store.namespaces().await {
            Ok(namespaces) => assert!(namespaces.iter().eq(self.namespaces().iter()), "the namespaces"),
            Err(error) => keep(error),
        }
        for ns in self.namespaces() {
            let expected = self.contents.iter().filter(|((of, _), _)| *of == ns).map(|(_, document)| document);
            match store.digest(&ns).await {
                Ok(digest) => assert_eq!(digest.count, expected.clone().count() as u64, "the digest of {ns}"),
                Err(error) => keep(error),
            }
            match store.scan(&ns, None, ALL).await {
                Ok(documents) => assert!(documents.iter().eq(expected), "the documents of {ns}"),
                Err(error) => keep(error),
            }
        }
        first
    }

    fn namespaces(&self) -> Vec<oplogsync_core::namespace::Namespace> {
        let mut all: Vec<_> = self.contents.keys().map(|(ns, _)| ns.clone()).collect();
        all.dedup();
        all
    }
}

/// Stores of different sizes and histories; each has been opened more than once, so that it has a snapshot.
pub(super) async fn all(folder: &Path) -> Vec<Intact> {
    const NEVER: u64 = u64::MAX;
    let workload =
        |writes, trim_every, reopen_every| Workload { writes, replicate_every: 10, trim_every, reopen_every };
    let mut all = Vec::new();
    for (name, workload) in [
        ("some writes", workload(10, NEVER, 5)),
        ("more writes", workload(120, NEVER, 50)),
        ("a trimmed log", workload(120, 30, 50)),
    ] {
        let folder = folder.join(name);
        Run::new(&folder, host(), unwatched(), &|_, _| ()).go(workload).await.unwrap();
        for node in NODES {
            all.push(Intact::read(name, folder.join(node)).await);
        }
    }
    all.push(killed(&folder.join("killed")).await);
    all.push(Intact::read("several segments", inserted(&folder.join("segments"), 70, 9000).await).await);
    all.push(Intact::read("a large document", inserted(&folder.join("large"), 1, 600_000).await).await);
    all
}

/// What a kill leaves: everything was synced, and nothing was closed.
async fn killed(folder: &Path) -> Intact {
    let (live, left, read) = (folder.join("live"), folder.join("left"), folder.join("read"));
    let mut run = Run::new(&live, host(), unwatched(), &|_, _| ());
    run.go(Workload { writes: 60, replicate_every: 10, trim_every: 25, reopen_every: 35 }).await.unwrap();
    copy(&live.join(NODES[0]), &left);
    copy(&left, &read);
    Intact { folder: left, ..Intact::read("the folder of a killed process", read).await }
}

/// Documents of one size: one that the engine keeps in a file of its own, or many that fill several of its segments.
async fn inserted(folder: &Path, documents: i32, bytes: usize) -> PathBuf {
    let mut run = Run::new(folder, ManualHost::hurried(3), unwatched(), &|_, _| ());
    run.open().await.unwrap();
    for id in 0..documents {
        let document = rawdoc! { "_id": id, "filler": "x".repeat(bytes) };
        let insert = Write::Insert { ns: namespace("items"), document };
        run.pair.as_ref().unwrap().primary.write(insert).await.unwrap();
        if id == documents / 2 {
            run.open().await.unwrap();
        }
    }
    folder.join(NODES[0])
}
