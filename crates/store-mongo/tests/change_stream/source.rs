//! [`Source`]: a replica set that an application writes to, and what it holds.

use std::collections::BTreeMap;

use bson::{Document, doc};
use mongodb::{Client, Collection};
use oplogsync_core::{
    catalog::Index, clock::OpTime, documents::Documents, filter::Filter, initial_sync::SyncSource, limits::Limits,
    memory::MemoryStore, namespace::Namespace,
};
use oplogsync_mongod::{
    Options as ServerOptions, ReplicaSet,
    testing::{binary, test_options},
};
use oplogsync_store_mongo::{ChangeStreamFeed, ChangeStreamOptions, MongoStore, Options, Scope, SnapshotSource};

use crate::fixture::connect;

const ALL: Limits = Limits { entries_max: usize::MAX - 1, bytes_max: usize::MAX };

/// What a node's collections hold, by the target's names.
pub(crate) type Contents = BTreeMap<String, Vec<Vec<u8>>>;

/// A replica set that an application writes to, as a node that is followed.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) store: MongoStore,
    /// The application's.
    pub(crate) client: Client,
    pub(crate) filter: Filter,
    pub(crate) options: ChangeStreamOptions,
}

/// A set of one member; none where servers are skipped.
pub(crate) async fn set_of_one(name: &str) -> Option<ReplicaSet> {
    set_with(name, test_options()).await
}

pub(crate) async fn set_with(name: &str, options: ServerOptions) -> Option<ReplicaSet> {
    let binary = binary().await?;
    Some(ReplicaSet::start(&binary, name, 1, options).await.expect("it starts"))
}

/// The filter with these patterns.
pub(crate) fn filter(include: &[&str], exclude: &[&str]) -> Filter {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    Filter::new(&texts(include), &texts(exclude), &[]).expect("it is one")
}

impl Source {
    /// All of a set.
    pub(crate) async fn whole(uri: &str) -> Self {
        Self::through(uri, filter(&[], &[])).await
    }

    /// What a filter lets pass of a set.
    pub(crate) async fn through(uri: &str, filter: Filter) -> Self {
        // Patient, because tests share few cores.
        let request_timeout = std::time::Duration::from_secs(30);
        let options = Options { request_timeout, ..Options::default() };
        let store = MongoStore::connect(uri, "source", Scope::Server, options).await.expect("the server takes us");
        Self::of(uri, store, filter).await
    }

    /// The database `physical` of a set, which the log calls `shop`.
    pub(crate) async fn database(uri: &str, physical: &str) -> Self {
        Self::of(uri, connect(uri, physical).await, filter(&[], &[])).await
    }

    pub(crate) async fn of(uri: &str, store: MongoStore, filter: Filter) -> Self {
        let client = Client::with_uri_str(uri).await.expect("the uri is one");
        let noop_interval = std::time::Duration::from_millis(50);
        Self { store, client, filter, options: ChangeStreamOptions { noop_interval, ..ChangeStreamOptions::default() } }
    }

    pub(crate) fn feed(&self) -> ChangeStreamFeed {
        ChangeStreamFeed::new(self.store.clone(), self.filter.clone(), self.options)
    }

    pub(crate) fn snapshots(&self) -> SnapshotSource {
        SnapshotSource::new(self.store.clone(), self.filter.clone())
    }

    pub(crate) fn collection(&self, ns: &str) -> Collection<Document> {
        let (database, collection) = ns.split_once('.').expect("it is a namespace");
        self.client.database(database).collection(collection)
    }

    pub(crate) async fn command(&self, database: &str, command: Document) -> Document {
        let done = self.client.database(database).run_command(command.clone()).await;
        done.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    pub(crate) async fn insert(&self, ns: &str, document: Document) {
        self.collection(ns).insert_one(document).await.expect("it is inserted");
    }

    pub(crate) async fn update(&self, ns: &str, id: i32, update: Document) {
        let done = self.collection(ns).update_one(doc! { "_id": id }, update).await.expect("it is updated");
        assert_eq!(done.matched_count, 1, "{ns} {id}");
    }

    /// The time of the newest write.
    pub(crate) async fn now(&self) -> OpTime {
        self.snapshots().now().await.expect("it is read").to_optime()
    }

    /// Everything that is replicated, and how often it is there.
    pub(crate) async fn contents(&self) -> Contents {
        let mut contents = Contents::new();
        for ns in self.store.namespaces().await.expect("they are listed") {
            if let Some(name) = self.filter.map(&ns) {
                contents.insert(name.to_string(), documents(&self.store, &ns).await);
            }
        }
        contents
    }

    /// Fails unless a target holds the same, document by document, collection by collection, and index by index.
    pub(crate) async fn expect_equal(&self, target: &MemoryStore) {
        let (there, here) = (self.contents().await, contents(target).await);
        let names = |contents: &Contents| {
            contents.iter().map(|(name, documents)| format!("{name}: {}", documents.len())).collect::<Vec<_>>()
        };
        assert_eq!(names(&here), names(&there));
        for (name, documents) in &there {
            for (a, b) in documents.iter().zip(&here[name]) {
                let show = |bytes: &[u8]| Document::from_reader(bytes).map(|document| document.to_string());
                assert_eq!(a, b, "{name}: {:?}, {:?}", show(a), show(b));
            }
        }
        self.expect_equal_collections(target).await;
    }

    async fn expect_equal_collections(&self, target: &MemoryStore) {
        let mut copies = target.collections().await.expect("they are listed");
        for listed in self.snapshots().list().await.expect("they are listed").collections {
            let ns = self.filter.map(&listed.collection.ns).expect("it is included");
            let at = copies.iter().position(|copy| copy.ns == ns);
            let mut expected = listed.collection.clone();
            expected.ns = ns;
            expected.indexes = expected.indexes.iter().map(Index::on_replica).collect();
            let Some(mut copy) = at.map(|at| copies.remove(at)) else {
                assert!(expected.is_plain(), "{expected:?} is missing");
                continue;
            };
            let by_name = |index: &Index| index.name().to_owned();
            expected.indexes.sort_by_key(by_name);
            copy.indexes.sort_by_key(by_name);
            assert_eq!(copy, expected);
        }
        copies.retain(|copy| !copy.is_plain());
        assert_eq!(copies, [], "they are not there at the source");
    }
}

pub(crate) async fn contents(target: &MemoryStore) -> Contents {
    let mut contents = Contents::new();
    for ns in target.namespaces().await.expect("they are listed") {
        contents.insert(ns.to_string(), documents(target, &ns).await);
    }
    contents
}

async fn documents(store: &impl Documents, ns: &Namespace) -> Vec<Vec<u8>> {
    let found = store.scan(ns, None, ALL).await.expect("they are read");
    found.iter().map(|document| document.as_bytes().to_vec()).collect()
}
