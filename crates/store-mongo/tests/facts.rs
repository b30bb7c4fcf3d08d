//! What can be known of a node before it is used, and by whom.

use std::time::Duration;

use bson::{Binary, Bson, bson, doc, spec::BinarySubtype};
use mongodb::Client;
use oplogsync_core::{
    namespace::Namespace,
    store_error::{Fault, StoreError},
    testing::documents::{DATABASE, namespace},
};
use oplogsync_mongod::testing::{binary, shared_standalones, test_options};
use oplogsync_store_mongo::{
    Capped, CollectionFacts, CollectionKind, MongoStore, Options, Resource, Scope, ServerVersion, Topology,
};

use crate::{
    auth::{CANARY, Deployment},
    fixture::words,
};

const ROOT: &str = "root:canary-root";

async fn store(uri: &str, scope: Scope) -> MongoStore {
    MongoStore::connect(uri, "db1", scope, Options::default()).await.expect("the server takes us")
}

/// Is refused for the lack of this privilege, and says so.
fn lacks<T: std::fmt::Debug>(result: Result<T, StoreError>, privilege: &str) {
    let error = result.expect_err("it is refused");
    let words = words(&error);
    assert_eq!(error.fault(), &Fault::Denied, "{words}");
    assert!(words.contains(&format!("the user lacks the privilege {privilege} (")), "{words}");
    assert!(!words.contains(CANARY), "{words}");
}

/// One collection of each kind, as an application makes them.
async fn make_collections(client: &Client, is_set: bool) {
    let shop = client.database(DATABASE);
    let documents = (0..1000).map(|n| doc! { "_id": n, "sku": n, "text": "x".repeat(100) });
    shop.collection("orders").insert_many(documents).await.expect("they are inserted");
    let indexes = doc! {
        "createIndexes": "orders",
        "indexes": [
            { "key": { "sku": 1 }, "name": "sku_1", "unique": true },
            { "key": { "text": 1 }, "name": "text_1" },
        ],
    };
    shop.run_command(indexes).await.expect("they are made");
    let key = Bson::Binary(Binary { subtype: BinarySubtype::Uuid, bytes: vec![7; 16] });
    let mut commands = vec![
        doc! { "create": "capped", "capped": true, "size": 8192, "max": 10 },
        doc! { "create": "clustered", "clusteredIndex": { "key": { "_id": 1 }, "unique": true } },
        doc! { "create": "measured", "timeseries": { "timeField": "t" } },
        doc! { "create": "view", "viewOn": "orders", "pipeline": [] },
    ];
    if is_set {
        let fields = doc! { "fields": [{ "path": "secret", "keyId": key, "bsonType": "string" }] };
        commands.push(doc! { "create": "encrypted", "encryptedFields": fields });
    }
    for command in commands {
        shop.run_command(command).await.expect("it is made");
    }
}

fn judge_collections(found: &[CollectionFacts], is_set: bool) {
    let named = |name: &str| {
        let ns = namespace(name);
        found.iter().find(|facts| facts.ns == ns).unwrap_or_else(|| panic!("{ns} is missing"))
    };
    let orders = named("orders");
    assert_eq!((orders.kind, orders.capped, orders.clustered), (CollectionKind::Collection, None, false));
    let size = orders.size.as_ref().expect("it is told");
    assert_eq!(size.documents, 1000);
    assert!(size.bytes > 100_000 && size.storage_bytes > 0 && size.index_bytes > 0, "{size:?}");
    let indexes = orders.indexes.as_ref().expect("they are told");
    assert_eq!(indexes.iter().map(|index| index.name.as_str()).collect::<Vec<_>>(), ["_id_", "sku_1", "text_1"]);
    assert_eq!(orders.unique_indexes().map(|index| &index.key).collect::<Vec<_>>(), [&doc! { "sku": 1 }]);

    assert_eq!(named("capped").capped, Some(Capped { bytes_max: 8192, documents_max: Some(10) }));
    let clustered = named("clustered");
    assert!(clustered.clustered && clustered.unique_indexes().next().is_none());
    let (measured, view) = (named("measured"), named("view"));
    assert_eq!((measured.kind, view.kind), (CollectionKind::TimeSeries, CollectionKind::View));
    for facts in [measured, view] {
        assert_eq!(facts.size.as_ref().expect("it has none").documents, 0);
        assert!(facts.indexes.as_ref().expect("it has none").is_empty());
    }
    assert_eq!(view.options.get_str("viewOn").expect("it is told"), "orders");
    let encrypted: Vec<_> = found.iter().filter(|facts| facts.encrypted).map(|facts| facts.ns.clone()).collect();
    assert_eq!(encrypted, if is_set { vec![namespace("encrypted")] } else { vec![] });
    assert!(found.iter().all(|facts| !facts.ns.collection().starts_with("system.")));
}

#[tokio::test]
async fn who_may_do_everything_learns_everything() {
    let Some(binary) = binary().await else { return };
    for deployment in Deployment::both(&binary, &test_options()).await {
        let is_set = matches!(deployment, Deployment::Set(_));
        let store = store(&deployment.uri(ROOT, ""), Scope::Server).await;
        // Also before there is any database of ours.
        assert!(store.disk_space().await.expect("it is told").is_some());
        make_collections(&deployment.root().await, is_set).await;

        let facts = store.facts().await;

        let server = facts.server.expect("it is told");
        assert!(server.version >= ServerVersion { major: 4, minor: 2, patch: 0 }, "{}", server.version);
        assert_eq!(server.version.to_string(), binary.version());
        let host = format!("127.0.0.1:{}", deployment.server().port());
        let set = Topology::ReplicaSet { name: "auth".to_owned(), members: vec![host] };
        assert_eq!(server.topology, if is_set { set } else { Topology::Standalone });

        let clock = facts.clock.expect("it is told");
        assert!(!clock.exceeds(Duration::from_millis(20)), "it is our own clock: {clock:?}");
        assert!(clock.uncertainty < Duration::from_secs(5));

        let login = facts.login.expect("it is told");
        assert_eq!((login.users, login.roles), (vec!["admin.root".to_owned()], vec!["admin.root".to_owned()]));

        let config = deployment.root().await.database("admin").run_command(doc! { "replSetGetConfig": 1 }).await;
        let expected = config.ok().map(|reply| {
            let settings = reply.get_document("config").unwrap().get_document("settings").unwrap();
            settings.get_object_id("replicaSetId").unwrap()
        });
        assert_eq!(expected.is_some(), is_set);
        assert_eq!(facts.set_id.expect("it is told"), expected);

        let oplog = facts.oplog.expect("it is told");
        assert_eq!(oplog.is_some(), is_set);
        if let Some(oplog) = oplog {
            assert_eq!(oplog.bytes_max, 64 * 1024 * 1024);
            assert!(oplog.bytes > 100_000 && oplog.newest >= oplog.oldest, "{oplog:?}");
            assert!(oplog.headroom() >= oplog.span());
            deployment.root().await.database("x").collection("y").insert_one(doc! {}).await.expect("it is inserted");
            let later = store.oplog_window().await.expect("it is told").expect("there is one");
            assert!(later.newest > oplog.newest && later.oldest == oplog.oldest, "{later:?}");
        }

        let disk = facts.disk.expect("it is told").expect("it is told");
        assert!(disk.free_bytes() > 0 && disk.free_bytes() < disk.total_bytes, "{disk:?}");

        let mut databases = facts.databases.expect("they are told");
        assert_eq!(databases.iter().map(|facts| facts.database.as_str()).collect::<Vec<_>>(), [DATABASE]);
        judge_collections(&databases.remove(0).collections.expect("they are told"), is_set);
    }
}

#[tokio::test]
async fn a_node_that_is_one_database_tells_of_that_one_by_its_name_in_the_log() {
    let Some(databases) = shared_standalones(1).await else { return };
    let physical = databases[0].name();
    let scope = Scope::Database { logical: DATABASE.to_owned(), physical: physical.to_owned() };
    let store = store(databases[0].server(), scope).await;
    for name in ["orders", "oplogsync.node"] {
        store.client().database(physical).collection(name).insert_one(doc! { "_id": 1 }).await.expect("it is inserted");
    }
    let mut databases = store.database_facts().await.expect("they are told");
    assert_eq!((databases.len(), databases[0].database.as_str()), (1, physical));
    let found = databases.remove(0).collections.expect("they are told");
    assert_eq!(found.iter().map(|facts| &facts.ns).collect::<Vec<_>>(), [&namespace("orders")]);
    assert!(store.login().await.expect("it is told").is_open());
    assert!(store.disk_space().await.expect("it is told").is_some());
}

#[tokio::test]
async fn who_may_do_almost_nothing_learns_which_privilege_he_lacks() {
    let Some(binary) = binary().await else { return };
    for deployment in Deployment::both(&binary, &test_options()).await {
        let is_set = matches!(deployment, Deployment::Set(_));
        make_collections(&deployment.root().await, is_set).await;
        let node = doc! { "resource": { "db": "oplogsync", "collection": "node" }, "actions": ["find"] };
        let role = doc! { "createRole": "nothing", "privileges": [node], "roles": [] };
        deployment.root().await.database("admin").run_command(role).await.expect("it is made");
        deployment.create_user("nothing", vec![bson!("nothing")], &["SCRAM-SHA-256"]).await;

        let facts = store(&deployment.uri("nothing:canary-nothing", ""), Scope::Server).await.facts().await;

        facts.server.expect("everybody may know");
        facts.clock.expect("everybody may know");
        let login = facts.login.expect("everybody may know of himself");
        assert_eq!(login.roles, ["admin.nothing"]);
        assert!(login.may("find", Resource::Collection("oplogsync", "node")));
        assert!(!login.may("find", Resource::Database(DATABASE)) && !login.may("replSetGetConfig", Resource::Cluster));
        if is_set {
            lacks(facts.set_id, "replSetGetConfig on { cluster: true }");
            lacks(facts.oplog, "find on local.oplog.rs");
        } else {
            assert_eq!((facts.set_id.unwrap(), facts.oplog.unwrap()), (None, None));
        }
        lacks(facts.disk, "dbStats on the database oplogsync");
        assert!(facts.databases.expect("he may know where he may do something").is_empty());
    }
}

#[tokio::test]
async fn a_collection_that_one_may_only_list_hides_no_other_fact() {
    let Some(binary) = binary().await else { return };
    let deployment = Deployment::standalone(&binary, test_options()).await;
    make_collections(&deployment.root().await, false).await;
    let on = |collection: &str, actions: Bson| bson!({ "resource": { "db": DATABASE, "collection": collection }, "actions": actions });
    let privileges = vec![
        on("oplogsync.node", bson!(["find"])),
        on("", bson!(["listCollections"])),
        on("capped", bson!(["collStats", "listIndexes"])),
    ];
    let role = doc! { "createRole": "lister", "privileges": privileges, "roles": [] };
    deployment.root().await.database("admin").run_command(role).await.expect("it is made");
    deployment.create_user("lister", vec![bson!("lister")], &["SCRAM-SHA-256"]).await;
    let scope = Scope::Database { logical: "logged".to_owned(), physical: DATABASE.to_owned() };

    let databases = store(&deployment.uri("lister:canary-lister", ""), scope).await.database_facts().await;

    let mut found = databases.expect("it is told").remove(0).collections.expect("they are listed");
    assert_eq!(found.len(), 5);
    let ns = Namespace::new("logged.capped").unwrap();
    let capped = found.remove(found.iter().position(|facts| facts.ns == ns).expect("it is listed"));
    assert!(capped.size.is_ok() && capped.indexes.is_ok(), "{capped:?}");
    // One who may look at a single collection may not list it.
    let node = doc! { "resource": { "db": "oplogsync", "collection": "node" }, "actions": ["find"] };
    let capped = doc! { "resource": { "db": DATABASE, "collection": "capped" }, "actions": ["find"] };
    let role = doc! { "createRole": "looker", "privileges": [node, capped], "roles": [] };
    deployment.root().await.database("admin").run_command(role).await.expect("it is made");
    deployment.create_user("looker", vec![bson!("looker")], &["SCRAM-SHA-256"]).await;
    let looker = store(&deployment.uri("looker:canary-looker", ""), Scope::Server).await;
    let mut databases = looker.database_facts().await.expect("they are told");
    assert_eq!((databases.len(), databases[0].database.as_str()), (1, DATABASE));
    lacks(databases.remove(0).collections, &format!("listCollections on the database {DATABASE}"));

    for facts in found.into_iter().filter(|facts| facts.kind == CollectionKind::Collection) {
        let name = facts.ns.collection();
        assert_eq!(facts.unique_indexes().count(), 0);
        lacks(facts.size, &format!("collStats on {DATABASE}.{name}"));
        lacks(facts.indexes, &format!("listIndexes on {DATABASE}.{name}"));
    }
}
