//! All that nodes do today, once.

use std::time::{Duration, SystemTime};

use bson::{RawDocumentBuf, rawdoc};
use oplogsync_core::{
    catalog::{CollectionOptions, Index},
    checkpoint::Resume,
    command::Action,
    document::Document,
    documents::Documents,
    feed::OplogFeed,
    host::SystemHost,
    ids::{OpId, OwnerId},
    initial_sync::{Note, Piece, SyncTarget},
    lease::{Lease, LeaseName, Leases},
    log::Log,
    primary::{Primary, PrimaryOptions},
    replicator::{Replicator, ReplicatorOptions},
    retention::{Retention, trim},
    testing::documents::{DATABASE, id, namespace},
    verify::{VerifyOptions, compare},
    write::{Outcome, Write},
};
use oplogsync_store_mongo::{MongoStore, Options, Scope};

use super::{attempt_as, told};

/// The node whose database is this one.
pub(super) async fn node(uri: &str, physical: &str) -> MongoStore {
    let scope = Scope::Database { logical: DATABASE.to_owned(), physical: physical.to_owned() };
    let options = Options { request_timeout: Duration::from_secs(30), ..Options::default() };
    attempt_as(uri, scope, options).await.unwrap_or_else(|error| panic!("{}", told(&error)))
}

/// What a primary does: all kinds of writes, a retry, a trim.
pub(super) async fn write(source: &MongoStore) {
    let primary = Primary::open(source.clone(), SystemHost, PrimaryOptions::default()).await.expect("it opens");
    let ns = namespace("orders");
    for n in 0..20 {
        let document = rawdoc! { "_id": n, "qty": n };
        primary.write(Write::Insert { ns: ns.clone(), document }).await.expect("it is inserted");
    }
    let update = Write::Update { ns: ns.clone(), id: id(1), update: rawdoc! { "$inc": { "qty": 1 } }, upsert: false };
    let op_id = OpId::from_bytes([9; 16]);
    assert_eq!(primary.write_once(op_id, update.clone()).await.expect("it is updated").outcome, Outcome::Updated);
    assert_eq!(primary.write_once(op_id, update).await.expect("it is known").outcome, Outcome::Repeated);
    let replace = Write::Replace { ns: ns.clone(), id: id(77), document: rawdoc! { "qty": 0 }, upsert: true };
    primary.write(replace).await.expect("it is replaced");
    primary.write(Write::Delete { ns, id: id(2) }).await.expect("it is deleted");
    primary.close().await.expect("it closes");
}

/// What a replica does.
pub(super) async fn replicate(source: &MongoStore, target: &MongoStore) {
    let feed = OplogFeed::new(source.clone(), "db1");
    let mut replica = Replicator::new("db2", feed, target.clone(), SystemHost, ReplicatorOptions::default());
    while replica.step().await.expect("a step is made").progress.behind > 0 {}
    replica.close().await.expect("it closes");
}

/// Every kind of command, by the primary, and as its replica applies it.
pub(super) async fn change(source: &MongoStore, target: &MongoStore) {
    let primary = Primary::open(source.clone(), SystemHost, PrimaryOptions::default()).await.expect("it opens");
    let (ns, made, view) = (namespace("orders"), namespace("made"), namespace("view"));
    let options = |raw: &RawDocumentBuf| CollectionOptions::new(raw).expect("they can be replicated");
    let index = Index::new(&rawdoc! { "v": 2, "key": { "a": 1 }, "name": "a_1", "unique": true }).expect("an index");
    let validated = options(&rawdoc! { "validator": { "a": { "$exists": true } } });
    let viewing = options(&rawdoc! { "viewOn": "orders", "pipeline": [] });
    for action in [
        Action::Create { ns: made.clone(), options: validated },
        Action::Create { ns: view.clone(), options: viewing },
        Action::CreateIndexes { ns: made.clone(), indexes: vec![index] },
        Action::Modify { ns: made.clone(), changes: rawdoc! { "index": { "name": "a_1", "hidden": true } } },
        Action::DropIndexes { ns: made.clone(), names: vec!["a_1".to_owned()] },
        Action::Modify { ns: view.clone(), changes: rawdoc! { "viewOn": "made", "pipeline": [] } },
        Action::Rename { ns: ns.clone(), to: made.clone(), drop_target: true },
        Action::Drop { ns: view },
        Action::DropDatabase { database: ns.database_name() },
    ] {
        primary.run(action.clone()).await.unwrap_or_else(|error| panic!("{action:?}: {error}"));
    }
    primary.close().await.expect("it closes");
    replicate(source, target).await;
    assert_eq!(target.collections().await.expect("they are listed"), []);
}

/// What an initial sync does to a target, from the beginning to a wipe.
pub(super) async fn copy(target: &MongoStore) {
    let owner = OwnerId::from_bytes([8; 16]);
    let lease = Lease { owner, holder: "a test".to_owned(), beat: 0 };
    assert!(target.swap_lease(LeaseName::Documents, None, Some(&lease)).await.expect("it is taken"));
    let ns = namespace("copied");
    let note = |document| Note { name: "sync".to_owned(), document };
    let invalid = Document::new(rawdoc! { "_id": 1 }).expect("it is a document");
    let validated = CollectionOptions::new(&rawdoc! { "validator": { "a": 1 } }).expect("they can be replicated");
    target.run(&Action::Create { ns: ns.clone(), options: validated }, owner).await.expect("it is created");
    for is_fresh in [true, false] {
        let documents = vec![invalid.clone()];
        let piece = Piece { ns: ns.clone(), after: None, until: None, documents, is_fresh };
        target.copy(&piece, &note(Some(rawdoc! {})), owner).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    }
    let checkpoint = target.checkpoint().await.expect("it is read").expect("there is one");
    target.begin_at(checkpoint, &Resume::default(), &[note(None)], owner).await.expect("it begins");
    target.wipe(owner).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert!(target.swap_lease(LeaseName::Documents, Some(&lease), None).await.expect("it is given back"));
}

/// Who replicates is told of entries, where a server does so.
pub(super) async fn hear(source: &MongoStore) {
    if source.is_transactional() {
        let told = tokio::time::timeout(Duration::from_secs(10), source.appended(0)).await;
        told.expect("there are entries");
    }
}

/// What `status`, `verify` and retention do.
pub(super) async fn look(source: &MongoStore, target: &MongoStore) {
    let ends = source.log_ends().await.expect("the ends are read").expect("there is a log");
    // The new term, 20 inserts, an update, an upsert and a delete.
    assert_eq!(ends.head.position.index, 24);
    let checkpoint = target.checkpoint().await.expect("it is read").expect("there is one");
    assert_eq!(checkpoint.anchor, ends.head);
    assert_eq!(target.stop().await.expect("it is read"), None);
    assert_eq!(target.lease(LeaseName::Documents).await.expect("it is read"), None);
    let report = compare(source, target, &SystemHost, VerifyOptions::default()).await.expect("they are compared");
    assert!(report.is_equal(), "{report:?}");
    assert_eq!(report.namespaces.len(), 1);
    let retention = Retention::UntilAcknowledged { age: Duration::ZERO };
    let later = SystemTime::now() + Duration::from_secs(60);
    trim(source, retention, later).await.expect("it is trimmed").expect("the replica has everything");
}
