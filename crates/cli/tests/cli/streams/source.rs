//! [`Source`]: a replica set that an application writes to, and nodes that shall follow it.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use bson::{Document, Timestamp, doc};
use mongodb::{Client, Collection};
use oplogsync_mongod::{
    Options, ReplicaSet,
    testing::{self, test_options},
};

use crate::program::Folder;

/// How long something outside of this process may take, and how often it is looked at.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// What an application, or somebody who looks, does on a server.
pub(super) struct Application {
    pub(super) client: Client,
}

/// A replica set of one member, with the application that writes to it.
pub(super) struct Source {
    pub(super) set: ReplicaSet,
    pub(super) application: Application,
}

impl Source {
    /// A set of its own; none where servers are skipped.
    pub(super) async fn start() -> Option<Self> {
        Self::start_with(test_options()).await
    }

    pub(super) async fn start_with(options: Options) -> Option<Self> {
        let binary = testing::binary().await?;
        let set = ReplicaSet::start(&binary, "source", 1, options).await.unwrap();
        let application = Application::on(&set.uri()).await;
        Some(Self { set, application })
    }

    /// A set whose oplog is overrun by a few megabytes.
    pub(super) async fn start_forgetful() -> Option<Self> {
        let small = ["--oplogSize", "1", "--syncdelay", "1"];
        Self::start_with(small.into_iter().fold(test_options(), Options::arg)).await
    }

    /// Writes to `ns` until the set's oplog has forgotten all that was written before.
    pub(super) async fn overrun(&self, ns: &str) {
        let newest = self.end_of_oplog(-1).await;
        let text = "x".repeat(1_000_000);
        while self.end_of_oplog(1).await <= newest {
            self.insert(ns, (0..4).map(|_| doc! { "text": &text })).await;
        }
    }

    /// The same, no faster than somebody follows who has `copy` of it on `replica`: a stream that is overtaken
    /// while it is read is lost, too.
    pub(super) async fn overrun_slowly(&self, ns: &str, replica: &Application, copy: &str) {
        let newest = self.end_of_oplog(-1).await;
        let text = "x".repeat(1_000_000);
        for id in 0.. {
            if self.end_of_oplog(1).await > newest {
                return;
            }
            self.insert(ns, [doc! { "_id": id, "text": &text }]).await;
            replica.wait_for(copy, id).await;
        }
    }

    /// The time of the oldest entry of the set's oplog, in the order `1`, or of the newest.
    async fn end_of_oplog(&self, order: i32) -> Timestamp {
        let oplog = self.collection("local.oplog.rs");
        let entry = oplog.find_one(doc! {}).sort(doc! { "$natural": order }).await.unwrap().unwrap();
        entry.get_timestamp("ts").unwrap()
    }

    /// The URI of all of it.
    pub(super) fn uri(&self) -> String {
        self.set.uri()
    }
}

impl std::ops::Deref for Source {
    type Target = Application;

    fn deref(&self) -> &Application {
        &self.application
    }
}

impl Application {
    pub(super) async fn on(uri: &str) -> Self {
        Self { client: Client::with_uri_str(uri).await.unwrap() }
    }

    /// The collection with this whole name.
    pub(super) fn collection(&self, ns: &str) -> Collection<Document> {
        let (database, collection) = ns.split_once('.').unwrap();
        self.client.database(database).collection(collection)
    }

    pub(super) async fn command(&self, database: &str, command: Document) -> Document {
        let done = self.client.database(database).run_command(command.clone()).await;
        done.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    pub(super) async fn insert(&self, ns: &str, documents: impl IntoIterator<Item = Document>) {
        self.collection(ns).insert_many(documents).await.unwrap();
    }

    /// Inserts documents with the ids of a range, each with a number and a text of so many bytes.
    pub(super) async fn fill(&self, ns: &str, ids: std::ops::Range<i32>, bytes: usize) {
        let text = "x".repeat(bytes);
        let ids: Vec<i32> = ids.collect();
        for ids in ids.chunks(2_000) {
            self.insert(ns, ids.iter().map(|id| doc! { "_id": id, "qty": id % 100, "text": &text })).await;
        }
    }

    pub(super) async fn update(&self, ns: &str, id: i32, update: Document) {
        let done = self.collection(ns).update_one(doc! { "_id": id }, update).await.unwrap();
        assert_eq!(done.matched_count, 1, "{ns} {id}");
    }

    /// The document with this id, if it is there.
    pub(super) async fn get(&self, ns: &str, id: i32) -> Option<Document> {
        self.collection(ns).find_one(doc! { "_id": id }).await.unwrap()
    }

    pub(super) async fn count(&self, ns: &str) -> u64 {
        self.collection(ns).count_documents(doc! {}).await.unwrap()
    }

    /// The collections and views of a database.
    pub(super) async fn collections(&self, database: &str) -> Vec<String> {
        let mut names = self.client.database(database).list_collection_names().await.unwrap();
        names.retain(|name| !name.starts_with("system.") && !name.starts_with("oplogsync."));
        names.sort();
        names
    }

    /// The names of a collection's indexes.
    pub(super) async fn indexes(&self, ns: &str) -> Vec<String> {
        let mut names = self.collection(ns).list_index_names().await.unwrap();
        names.sort();
        names
    }

    /// Waits until a document is there.
    pub(super) async fn wait_for(&self, ns: &str, id: i32) {
        let deadline = Instant::now() + PATIENCE;
        while self.get(ns, id).await.is_none() {
            assert!(Instant::now() < deadline, "waited in vain for {id} in {ns}");
            tokio::time::sleep(POLL).await;
        }
    }
}

/// A configuration: what `rest` says, the primary `app`, and replicas with their URIs.
pub(super) fn config(rest: &str, source: &str, replicas: &[(&str, &str)]) -> String {
    let mut text = format!(
        "[sync]\npoll_interval = \"200ms\"\n{rest}\n[[nodes]]\nname = \"app\"\nrole = \"primary\"\nuri = \"{source}\"\n"
    );
    for (name, uri) in replicas {
        write!(text, "[[nodes]]\nname = \"{name}\"\nrole = \"replica\"\nuri = \"{uri}\"\n").unwrap();
    }
    text
}

/// A folder with that configuration.
pub(super) fn folder(rest: &str, source: &str, replicas: &[(&str, &str)]) -> Folder {
    Folder::with(&config(rest, source, replicas))
}

/// Whether a run that has logged this has copied a replica.
pub(super) fn copies(log: &str) -> bool {
    log.contains("initial sync begins") || log.contains("initial sync goes on")
}
