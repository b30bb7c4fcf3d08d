use bson::rawdoc;

use super::*;
use crate::{
    documents::Documents,
    feed::OplogFeed,
    filter::Filter,
    lease::Leases,
    memory::MemoryStore,
    primary::{Primary, PrimaryOptions},
    store_error::Fault,
    testing::{
        documents::{id, namespace},
        faulty::{self, Call, Faulty},
        manual_host::ManualHost,
    },
    write::Write,
};

type Node = Faulty<MemoryStore>;

/// A primary with one document, and an empty target.
struct Pair {
    source: Node,
    target: Node,
    feed: OplogFeed<Node>,
    copied: LogSource<Node>,
    host: ManualHost,
    options: SyncOptions,
}

impl Pair {
    async fn new() -> Self {
        let source = Faulty::new(MemoryStore::new("source"), "source");
        let target = Faulty::new(MemoryStore::new("target"), "target");
        let host = ManualHost::hurried(7);
        let primary = Primary::open(source.clone(), host.clone(), PrimaryOptions::default()).await.unwrap();
        let document = rawdoc! { "_id": 1, "n": 2 };
        primary.write(Write::Replace { ns: namespace("a"), id: id(1), document, upsert: true }).await.unwrap();
        let (feed, copied) = (OplogFeed::new(source.clone(), "source"), LogSource::new(source.clone(), "source"));
        Self { source, target, feed, copied, host, options: SyncOptions::default() }
    }

    fn sync(&self) -> InitialSync<'_, OplogFeed<Node>, LogSource<Node>, Node, ManualHost> {
        InitialSync::new("target", &self.feed, &self.copied, &self.target, &self.host, &self.options)
    }
}

#[tokio::test]
async fn nothing_is_taken_away_for_a_source_that_cannot_be_listed() {
    // Given a replica that was copied, and is to be copied anew.
    let pair = Pair::new().await;
    let (source, target, sync) = (&pair.source, &pair.target, pair.sync());
    sync.run(&()).await.unwrap();
    sync.request().await.unwrap();

    // When the source cannot be listed, then it fails, and what was held is there.
    source.plan(Call::Collections, faulty::Action::Refuse(Fault::Incompatible));
    let failed = sync.run(&()).await;
    assert!(matches!(&failed, Err(SyncError::Store(error)) if error.node() == "source"), "{failed:?}");
    assert_eq!(target.namespaces().await.unwrap(), [namespace("a")]);
    assert_eq!(phase(target).await.unwrap(), Some(Phase::Wipe));

    // When it can, it is copied anew.
    sync.run(&()).await.unwrap();
    assert_eq!(phase(target).await.unwrap(), Some(Phase::CatchUp));
    assert_eq!(target.namespaces().await.unwrap(), [namespace("a")]);
}

#[tokio::test]
async fn a_request_for_everything_outlives_one_for_some() {
    // Given a replica that was copied, of which somebody asks for everything to be copied anew.
    let pair = Pair::new().await;
    let (target, sync) = (&pair.target, pair.sync());
    sync.run(&()).await.unwrap();
    sync.request().await.unwrap();

    // When some collections are asked for, then it is still everything that is to be copied.
    sync.request_again(&[namespace("a")]).await.unwrap();
    assert_eq!(phase(target).await.unwrap(), Some(Phase::Wipe));
}

#[tokio::test]
async fn a_copy_that_is_stopped_while_it_writes_keeps_its_lease_until_that_lapses() {
    // Given a copy whose piece is being written.
    let pair = Pair::new().await;
    let (target, sync) = (&pair.target, pair.sync());
    let writing = target.hold(Call::Copy);

    // When it is stopped, then nobody is told that it works on the target no more.
    let ended = sync.run_until(writing.reached(), &()).await.unwrap();
    assert_eq!(ended, Ended::Stopped);
    assert!(target.inner().lease(LeaseName::Documents).await.unwrap().is_some());

    // And another one goes on when the lease has lapsed.
    writing.release();
    pair.sync().run(&()).await.unwrap();
    assert!(target.inner().lease(LeaseName::Documents).await.unwrap().is_none());
}

#[tokio::test]
async fn nothing_is_taken_away_for_a_collection_that_cannot_have_the_name_it_is_to_have() {
    // Given a replica that was copied, and is to be copied anew, with a name too long for one collection.
    let mut pair = Pair::new().await;
    pair.sync().run(&()).await.unwrap();
    pair.sync().request().await.unwrap();
    let long = namespace(&"c".repeat(240));
    let primary = Primary::open(pair.source.clone(), pair.host.clone(), PrimaryOptions::default()).await.unwrap();
    primary.write(Write::Insert { ns: long.clone(), document: rawdoc! { "_id": 1 } }).await.unwrap();
    let renames = [(long.database().to_owned(), "d".repeat(60))];
    let excluded = ["d".repeat(60)];
    pair.options.filter = Filter::new(&[], &excluded, &renames).unwrap();

    // When it is copied, then the collection is named, and what was held is there.
    let failed = pair.sync().run(&()).await;
    let Err(SyncError::Store(error)) = &failed else { panic!("{failed:?}") };
    assert_eq!(*error.fault(), Fault::Unreplicable { name: long.to_string() });
    assert_eq!(pair.target.namespaces().await.unwrap(), [namespace("a")]);
}
