//! A folder that the version before has written: `tests/golden/format-1`.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use bson::rawdoc;
use oplogsync_core::{
    checkpoint::{Checkpoint, Resume, Stop},
    command::Action,
    digest::NamespaceDigest,
    documents::Documents,
    initial_sync::SyncTarget,
    log::{Acknowledgement, Log},
    position::Position,
    testing::{
        chain::{Chain, log_id, owner_id, valid},
        documents::{id, namespace, only_id},
    },
};

use crate::{
    engine::{Options, Step, Store, Watch},
    suite::{
        copy::copy,
        history::{ALL, lease},
        raw::{self, FORMAT_KEY},
    },
};

fn open(folder: &Path) -> Store {
    Store::open(folder, "a", Options::default()).unwrap()
}

fn golden() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format-1"), folder.path());
    folder
}

/// The entries that the golden folder was written with: three, and three more.
fn history() -> (Chain, [Vec<oplogsync_core::entry::Entry>; 2]) {
    let (items, orders) = (namespace("items"), namespace("orders"));
    let mut chain = Chain::new(log_id(9));
    chain.insert(&items, rawdoc! { "_id": 1, "n": 1 }).insert(&items, rawdoc! { "_id": 2, "n": 2 });
    let first = chain.insert(&orders, rawdoc! { "_id": "a", "of": [1, 2] }).take();
    chain.update(&items, rawdoc! { "_id": 1, "n": 10 }).delete(&items, id(2));
    let second = chain.insert(&items, rawdoc! { "_id": 3, "n": 3 }).take();
    (chain, [first, second])
}

async fn holds(store: &Store, collection: &str, documents: &[bson::RawDocumentBuf]) {
    let ns = namespace(collection);
    let expected: Vec<_> = documents.iter().cloned().map(valid).collect();
    assert_eq!(store.scan(&ns, None, ALL).await.unwrap(), expected);
    let mut digest = NamespaceDigest::default();
    for document in &expected {
        digest.add(document);
    }
    assert_eq!(store.digest(&ns).await.unwrap(), digest);
}

fn items() -> [bson::RawDocumentBuf; 2] {
    [rawdoc! { "_id": 1, "n": 10 }, rawdoc! { "_id": 3, "n": 3 }]
}

#[tokio::test]
async fn everything_in_a_folder_of_the_version_before_is_read() {
    let folder = golden();
    let (chain, [first, second]) = history();
    for _ in 0..2 {
        let store = open(folder.path());
        holds(&store, "items", &items()).await;
        holds(&store, "orders", &[rawdoc! { "_id": "a", "of": [1, 2] }]).await;
        assert_eq!(store.namespaces().await.unwrap(), ["items", "orders"].map(namespace));
        let checkpoint = Checkpoint { log: chain.log(), anchor: chain.last() };
        assert_eq!(store.checkpoint().await.unwrap(), Some(checkpoint));
        assert_eq!(store.resume().await.unwrap(), Resume::default());
        assert_eq!((store.collections().await.unwrap(), store.notes().await.unwrap()), (vec![], vec![]));
        let stop = Stop { at: Position { term: 0, index: 7 }, too_stale: false, reason: "a word".to_owned() };
        assert_eq!(store.stop().await.unwrap(), Some(stop));
        let ends = store.log_ends().await.unwrap().unwrap();
        assert_eq!((ends.floor, ends.head), (first[1].anchor(), chain.last()));
        assert_eq!(store.read(0, ALL).await.unwrap(), [&first[2..], &second].concat());
        let acknowledgement = Acknowledgement { replica: "db2".to_owned(), at: first[2].anchor() };
        assert_eq!(store.acknowledgements().await.unwrap(), [acknowledgement]);
    }
}

#[tokio::test]
async fn a_folder_of_the_version_before_is_of_the_present_one_once_it_is_opened() {
    let folder = golden();
    let format = |folder: &Path| raw::read(folder)[FORMAT_KEY].clone();
    let before = format(folder.path());
    drop(open(folder.path()));
    let after = format(folder.path());
    let new = tempfile::tempdir().unwrap();
    drop(open(new.path()));
    assert!(before != after && after == format(new.path()), "the version before refuses it from now on");
}

#[tokio::test]
async fn an_open_of_a_folder_of_the_version_before_may_be_cut_off_anywhere() {
    let (folder, cuts) = (golden(), tempfile::tempdir().unwrap());
    let (live, copies) = (folder.path().to_owned(), cuts.path().to_owned());
    let count = Arc::new(AtomicUsize::new(0));
    let (taken, upgraded) = (Arc::clone(&count), Arc::new(AtomicBool::new(false)));
    let seen = Arc::clone(&upgraded);
    let watch: Watch = Arc::new(move |step, _| {
        seen.fetch_or(step == Step::Upgrade, Ordering::SeqCst);
        copy(&live, &copies.join(taken.fetch_add(1, Ordering::SeqCst).to_string()));
        Ok(())
    });
    drop(Store::open_watched(folder.path(), "a", Options::default(), watch).unwrap());
    assert!(upgraded.load(Ordering::SeqCst));
    for cut in 0..count.load(Ordering::SeqCst) {
        let store = open(&cuts.path().join(cut.to_string()));
        holds(&store, "items", &items()).await;
    }
}

#[tokio::test]
async fn the_collections_of_a_folder_of_the_version_before_go_on() {
    let folder = golden();
    let (mut chain, _) = history();
    let [ns, goods, orders] = ["items", "goods", "orders"].map(namespace);
    let store = open(folder.path());
    let owner = lease(&store).await;
    chain.insert(&ns, only_id(4)).patch(&ns, id(1), rawdoc! { "u": { "n": 11 } }).delete(&ns, id(3));
    store.apply(&chain.take_batch(), owner).await.unwrap();
    holds(&store, "items", &[rawdoc! { "_id": 1, "n": 11 }, only_id(4)]).await;
    let rename = Action::Rename { ns: ns.clone(), to: goods.clone(), drop_target: false };
    store.apply(&chain.command(rename).take_batch(), owner).await.unwrap();
    chain.insert(&ns, only_id(1)).insert(&goods, only_id(5));
    store.apply(&chain.take_batch(), owner).await.unwrap();
    drop(store);

    let store = open(folder.path());
    holds(&store, "goods", &[rawdoc! { "_id": 1, "n": 11 }, only_id(4), only_id(5)]).await;
    holds(&store, "items", &[only_id(1)]).await;
    lease(&store).await;
    store.run(&Action::Drop { ns: orders.clone() }, owner_id(1)).await.unwrap();
    store.run(&Action::Rename { ns: goods, to: ns, drop_target: true }, owner_id(1)).await.unwrap();
    store.apply(&chain.insert(&orders, only_id("a")).take_batch(), owner).await.unwrap();
    drop(store);

    let store = open(folder.path());
    holds(&store, "items", &[rawdoc! { "_id": 1, "n": 11 }, only_id(4), only_id(5)]).await;
    holds(&store, "orders", &[only_id("a")]).await;
    assert_eq!(store.namespaces().await.unwrap(), ["items", "orders"].map(namespace));
}

#[tokio::test]
async fn a_folder_of_the_version_before_is_wiped() {
    let folder = golden();
    let store = open(folder.path());
    let owner = lease(&store).await;
    store.wipe(owner).await.unwrap();
    drop(store);
    let store = open(folder.path());
    assert_eq!((store.namespaces().await.unwrap(), store.checkpoint().await.unwrap()), (vec![], None));
    assert!(store.log_ends().await.unwrap().is_some(), "the log stays");
    drop(store);
    let left = raw::read(folder.path()).into_keys().filter(|key| key[0] >= 0x22).count();
    assert_eq!(left, 0, "no record of a document or collection is left");
}
