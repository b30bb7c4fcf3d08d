//! How long it takes from the moment at which an application sends an insert until a replica shows the document, on
//! a system that is idle otherwise: the source is a replica set of one member, and is left alone for up to three
//! seconds before each insert.
//!
//! `cargo bench -p oplogsync-benches --bench visible`

#![allow(missing_docs, clippy::expect_used, clippy::unwrap_used, clippy::print_stdout)]

use std::time::{Duration, Instant};

use bson::{Document, RawBson, doc, rawdoc};
use criterion::{Criterion, criterion_group, criterion_main};
use mongodb::{Client, Collection};
use oplogsync_core::{
    doc_id::DocId,
    feed::{Feed, OplogFeed},
    filter::Filter,
    follower::Follower,
    host::SystemHost,
    initial_sync::{LogSource, SyncOptions, SyncSource, SyncTarget},
    namespace::Namespace,
    primary::{Primary, PrimaryOptions},
    replicator::ReplicatorOptions,
    write::Write,
};
use oplogsync_mongod::{
    ReplicaSet, Server,
    testing::{binary, test_options},
};
use oplogsync_store_mongo::{ChangeStreamFeed, ChangeStreamOptions, MongoStore, Options, Scope, SnapshotSource};
use oplogsync_store_sled::SledStore;
use tokio::{runtime::Runtime, sync::oneshot, task::JoinHandle};

/// What the source is left alone for, in turn.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(3),
    Duration::from_millis(40),
    Duration::from_millis(300),
    Duration::from_millis(1_100),
    Duration::from_secs(3),
];

/// Who writes, and what is written to.
enum Writer {
    /// An application and its driver.
    Application(Collection<Document>),
    /// Writes through the managed oplog.
    Managed(Box<Primary<MongoStore, SystemHost>>),
}

impl Writer {
    async fn insert(&self, ns: &Namespace, id: i32) {
        match self {
            Self::Application(orders) => {
                orders.insert_one(doc! { "_id": id, "n": 1 }).await.expect("it is inserted");
            }
            Self::Managed(primary) => {
                let document = rawdoc! { "_id": id, "n": 1 };
                primary.write(Write::Insert { ns: ns.clone(), document }).await.expect("it is written");
            }
        }
    }
}

fn doc_id(id: i32) -> DocId {
    DocId::new(RawBson::Int32(id)).expect("it is an id")
}

/// Follows until it is told to end.
fn follow<F, S, T>(feed: F, source: S, target: T) -> (oneshot::Sender<()>, JoinHandle<()>)
where
    F: Feed + 'static,
    S: SyncSource + 'static,
    T: SyncTarget + Clone + 'static,
{
    let (stop, stopped) = oneshot::channel();
    let (replication, sync) = (ReplicatorOptions::default(), SyncOptions::default());
    let follower = Follower::new("target", feed, source, target, SystemHost, replication, sync);
    let task = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        follower.run(stopped, &()).await.expect("it follows");
    });
    (stop, task)
}

/// From an insert until the target shows it.
async fn once(writer: &Writer, target: &impl SyncTarget, ns: &Namespace, id: i32) -> Duration {
    let ids = [doc_id(id)];
    let began = Instant::now();
    let shown = async {
        while target.get(ns, &ids).await.expect("it is read").iter().all(Option::is_none) {
            tokio::task::yield_now().await;
        }
        began.elapsed()
    };
    tokio::join!(writer.insert(ns, id), shown).1
}

fn measure<T: SyncTarget>(criterion: &mut Criterion, runtime: &Runtime, name: &str, writer: &Writer, target: &T) {
    let ns = Namespace::new("shop.orders").expect("it is a name");
    let mut group = criterion.benchmark_group("visible");
    group.sample_size(10).measurement_time(Duration::from_millis(300)).warm_up_time(Duration::from_millis(1));
    let (mut id, mut times) = (0, Vec::new());
    // The first one waits for the copy of what there was.
    runtime.block_on(once(writer, target, &ns, id));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|count| {
            let mut took = Duration::ZERO;
            for _ in 0..count {
                id += 1;
                let pause = PAUSES.get(usize::try_from(id).unwrap() % PAUSES.len()).copied().unwrap();
                let time = runtime.block_on(async {
                    tokio::time::sleep(pause).await;
                    once(writer, target, &ns, id).await
                });
                times.push(time);
                took += time;
            }
            took
        });
    });
    group.finish();
    times.sort_unstable();
    let quantile = |of: usize| times.get(times.len() * of / 100).copied().unwrap_or_default();
    let (median, ninety, most) = (quantile(50), quantile(90), times.last().copied().unwrap_or_default());
    println!("{name}: insert to visible: median {median:?}, 90 % {ninety:?}, most {most:?}, {} inserts", times.len());
}

async fn store(uri: &str, name: &str) -> MongoStore {
    let options = Options { request_timeout: Duration::from_secs(30), ..Options::default() };
    MongoStore::connect(uri, name, Scope::Server, options).await.expect("it takes us")
}

/// A set that knows nothing of us, followed into a target.
fn from_stream<T>(criterion: &mut Criterion, runtime: &Runtime, name: &str, uri: &str, target: &T)
where
    T: SyncTarget + Clone + 'static,
{
    let (writer, stop, task) = runtime.block_on(async {
        let orders = Client::with_uri_str(uri).await.expect("it is a uri").database("shop").collection("orders");
        orders.drop().await.expect("it is dropped");
        let source = store(uri, "source").await;
        let feed = ChangeStreamFeed::new(source.clone(), Filter::everything(), ChangeStreamOptions::default());
        let (stop, task) = follow(feed, SnapshotSource::new(source, Filter::everything()), target.clone());
        (Writer::Application(orders), stop, task)
    });
    measure(criterion, runtime, name, &writer, target);
    runtime.block_on(async {
        drop(stop);
        task.await.expect("it ends");
    });
}

fn visible(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("it starts");
    let servers = runtime.block_on(async {
        let binary = binary().await?;
        let start = |name| ReplicaSet::start(&binary, name, 1, test_options());
        let set = start("source").await.expect("it starts");
        let managed = start("managed").await.expect("it starts");
        let alone = Server::start(&binary, test_options()).await.expect("it starts");
        let other = Server::start(&binary, test_options()).await.expect("it starts");
        Some((set, managed, alone, other))
    });
    let Some((set, managed, alone, other)) = servers else { return };
    let (alone_store, folder) = (runtime.block_on(store(&alone.uri(), "alone")), tempfile::tempdir().unwrap());
    let mirror = SledStore::open(folder.path(), "mirror", oplogsync_store_sled::Options::default()).unwrap();
    from_stream(criterion, &runtime, "change-stream/standalone", &set.uri(), &alone_store);
    from_stream(criterion, &runtime, "change-stream/sled", &set.uri(), &mirror);

    // Writes through our own oplog on a replica set, whose change stream wakes the replica.
    let (writer, target, stop, task) = runtime.block_on(async {
        let (source, target) = (store(&managed.uri(), "managed").await, store(&other.uri(), "other").await);
        let primary = Primary::open(source.clone(), SystemHost, PrimaryOptions::default()).await.expect("it opens");
        let feed = OplogFeed::new(source.clone(), "managed");
        let (stop, task) = follow(feed, LogSource::new(source, "managed"), target.clone());
        (Writer::Managed(Box::new(primary)), target, stop, task)
    });
    measure(criterion, &runtime, "managed/standalone", &writer, &target);
    runtime.block_on(async {
        drop(stop);
        task.await.expect("it ends");
    });
}

criterion_group!(benches, visible);
criterion_main!(benches);
