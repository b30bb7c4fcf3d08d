//! The roles that `deploy/roles` makes: enough for what a node does, and for nothing else.

use bson::{Bson, Document, bson, doc};
use mongodb::error::ErrorKind;
use oplogsync_core::{store_error::Fault, testing::documents::DATABASE};
use oplogsync_mongod::testing::{binary, test_options};
use oplogsync_store_mongo::{MongoStore, Options, Scope};

use super::{Deployment, attempt_as, told, work};

const SOURCE_READER: &str = include_str!("../../../../deploy/roles/source-reader.json");
const OPLOG_WINDOW: &str = include_str!("../../../../deploy/roles/source-oplog-window.json");
const SOURCE_PRIMARY: &str = include_str!("../../../../deploy/roles/source-primary.json");
const TARGET_APPLIER: &str = include_str!("../../../../deploy/roles/target-applier.json");

/// Which databases a node holds, as the scripts ask for it.
#[derive(Clone, Copy)]
enum Held {
    /// The whole server is the node, and these of its databases are followed; "" stands for all.
    Server(&'static str),
    /// This database is the node.
    Database(&'static str),
}

impl Held {
    fn scope(self) -> Scope {
        match self {
            Self::Server(_) => Scope::Server,
            Self::Database(physical) => Scope::Database { logical: DATABASE.to_owned(), physical: physical.to_owned() },
        }
    }

    /// The command with its placeholders replaced, as the scripts do it.
    fn fill_in(self, role: &str) -> Document {
        let (database, own, prefix) = match self {
            Self::Server(database) => (database, "oplogsync", ""),
            Self::Database(database) => (database, database, "oplogsync."),
        };
        let filled = role
            .replace("\"DATABASE\"", &format!("\"{database}\""))
            .replace("\"OWN_DATABASE\"", &format!("\"{own}\""))
            .replace("OWN_PREFIX", prefix);
        serde_json::from_str(&filled).expect("it is JSON")
    }
}

/// The URI of a new user with these roles, and with no others.
async fn user(deployment: &Deployment, name: &str, held: Held, roles: &[&str]) -> String {
    let mut names = Vec::new();
    for (n, role) in roles.iter().enumerate() {
        let mut command = held.fill_in(role);
        // Several nodes of one server have each their own here.
        let name = format!("{name}-{n}");
        command.insert("createRole", &name);
        deployment.root().await.database("admin").run_command(command).await.expect("the role is made");
        names.push(bson!(name));
    }
    deployment.create_user(name, names, &["SCRAM-SHA-256"]).await;
    deployment.uri(&format!("{name}:canary-{name}"), "")
}

async fn store(uri: &str, held: Held) -> MongoStore {
    let result = attempt_as(uri, held.scope(), Options::default()).await;
    result.unwrap_or_else(|error| panic!("{}", told(&error)))
}

async fn run(store: &MongoStore, database: &str, command: Document) -> Result<Document, i32> {
    let result = store.client().database(database).run_command(command.clone()).await;
    result.map_err(|error| match error.kind.as_ref() {
        ErrorKind::Command(refused) => refused.code,
        kind => panic!("{command}: {kind}"),
    })
}

async fn permitted(store: &MongoStore, database: &str, commands: &[Document]) {
    for command in commands {
        assert_eq!(run(store, database, command.clone()).await.err(), None, "{database}: {command}");
    }
}

async fn denied(store: &MongoStore, database: &str, commands: &[Document]) {
    const UNAUTHORIZED: i32 = 13;
    for command in commands {
        assert_eq!(run(store, database, command.clone()).await.err(), Some(UNAUTHORIZED), "{database}: {command}");
    }
}

fn insert(collection: &str) -> Document {
    doc! { "insert": collection, "documents": [{}] }
}

/// What nobody of ours may do. In the database `elsewhere` there is a collection `c`.
async fn denied_to_all(store: &MongoStore) {
    denied(
        store,
        "elsewhere",
        &[doc! { "find": "c" }, insert("c"), doc! { "listCollections": 1 }, doc! { "dropDatabase": 1 }],
    )
    .await;
    let create_user = doc! { "createUser": "x", "pwd": "canary", "roles": [] };
    let grant = doc! { "grantRolesToUser": "root", "roles": ["root"] };
    denied(store, "admin", &[insert("c"), doc! { "find": "system.users" }, create_user, grant, doc! { "shutdown": 1 }])
        .await;
    denied(store, "local", &[insert("c")]).await;
    denied(store, "config", &[insert("c")]).await;
}

#[tokio::test]
async fn a_primary_and_a_replica_do_all_their_work_by_their_roles_and_nothing_outside() {
    let Some(binary) = binary().await else { return };
    for deployment in Deployment::both(&binary, &test_options()).await {
        deployment.root().await.database("elsewhere").run_command(insert("c")).await.expect("it is inserted");
        for (name, held_by_source, held_by_target) in [
            ("a", Held::Server(DATABASE), Held::Database("copy")),
            ("b", Held::Database("origin"), Held::Server(DATABASE)),
        ] {
            // What the first round has left is in the way of the second one.
            let root = deployment.root().await;
            for database in [DATABASE, "oplogsync"] {
                root.database(database).drop().await.expect("it is dropped");
            }
            let uri = user(&deployment, &format!("primary-{name}"), held_by_source, &[SOURCE_PRIMARY]).await;
            let source = store(&uri, held_by_source).await;
            let uri = user(&deployment, &format!("replica-{name}"), held_by_target, &[TARGET_APPLIER]).await;
            let target = store(&uri, held_by_target).await;

            work::write(&source).await;
            work::replicate(&source, &target).await;
            work::look(&source, &target).await;
            work::hear(&source).await;
            work::change(&source, &target).await;

            for store in [&source, &target] {
                denied_to_all(store).await;
                let facts = store.facts().await;
                facts.server.expect("it is told");
                assert!(facts.disk.expect("it is told").is_some());
                let databases = facts.databases.expect("they are told");
                assert_eq!(databases.len(), 1, "{databases:?}");
                for facts in databases {
                    for facts in facts.collections.expect("they are told") {
                        assert!(facts.size.is_ok() && facts.indexes.is_ok(), "{facts:?}");
                    }
                }
            }
            work::copy(&target).await;
        }
    }
}

#[tokio::test]
async fn a_reader_of_a_source_follows_and_copies_what_its_role_names_and_writes_nothing() {
    let Some(binary) = binary().await else { return };
    let deployment = Deployment::set(&binary, test_options()).await;
    let root = deployment.root().await;
    for database in [DATABASE, "elsewhere"] {
        root.database(database).run_command(insert("c")).await.expect("it is inserted");
    }
    let follow = |options: Document, collection: Bson| {
        let mut stage = doc! { "showExpandedEvents": true };
        stage.extend(options);
        doc! { "aggregate": collection, "pipeline": [{ "$changeStream": stage }], "cursor": {} }
    };
    let snapshot = doc! { "find": "c", "readConcern": { "level": "snapshot" } };
    let copying = [
        doc! { "find": "c" },
        snapshot,
        doc! { "listCollections": 1 },
        doc! { "listIndexes": "c" },
        doc! { "collStats": "c" },
    ];
    let following = [follow(doc! {}, bson!("c")), follow(doc! {}, bson!(1))];
    let cluster = [follow(doc! { "allChangesForCluster": true }, bson!(1))];
    let writing = [
        insert("c"),
        doc! { "update": "c", "updates": [{ "q": {}, "u": { "$set": { "a": 1 } } }] },
        doc! { "delete": "c", "deletes": [{ "q": {}, "limit": 0 }] },
        doc! { "create": "d" },
        doc! { "createIndexes": "c", "indexes": [{ "key": { "a": 1 }, "name": "a" }] },
        doc! { "drop": "c" },
        doc! { "dropDatabase": 1 },
    ];
    for (name, held) in [("one", Held::Server(DATABASE)), ("all", Held::Server("")), ("node", Held::Database(DATABASE))]
    {
        let everything = name == "all";
        let reader = store(&user(&deployment, name, held, &[SOURCE_READER]).await, held).await;

        permitted(&reader, DATABASE, &copying).await;
        permitted(&reader, DATABASE, &following).await;
        denied(&reader, DATABASE, &writing).await;
        if everything {
            permitted(&reader, "elsewhere", &copying).await;
            permitted(&reader, "admin", &cluster).await;
            denied(&reader, "elsewhere", &writing).await;
        } else {
            denied_to_all(&reader).await;
            denied(&reader, "elsewhere", &following).await;
            denied(&reader, "admin", &cluster).await;
        }
        let secrets = [("admin", "system.users"), ("local", "oplog.rs"), ("config", "transactions")];
        for (database, collection) in secrets {
            denied(&reader, database, &[doc! { "find": collection }]).await;
        }

        let facts = reader.facts().await;
        assert!(facts.set_id.expect("it is told").is_some());
        let databases = facts.databases.expect("they are told");
        let names: Vec<_> = databases.iter().map(|facts| facts.database.as_str()).collect();
        assert_eq!(names, if everything { vec!["elsewhere", DATABASE] } else { vec![DATABASE] });
        for facts in databases.into_iter().flat_map(|facts| facts.collections.expect("they are told")) {
            assert!(facts.size.is_ok() && facts.indexes.is_ok(), "{facts:?}");
        }
        assert_eq!(facts.oplog.unwrap_err().fault(), &Fault::Denied);
        let both = user(&deployment, &format!("{name}-window"), held, &[SOURCE_READER, OPLOG_WINDOW]).await;
        assert!(store(&both, held).await.oplog_window().await.expect("it is told").is_some());
    }
}

#[tokio::test]
async fn a_replica_s_role_is_enough_for_all_changes_of_collections_and_indexes() {
    let Some(binary) = binary().await else { return };
    let index = doc! { "createIndexes": "c", "indexes": [{ "key": { "a": 1 }, "name": "a", "unique": true }] };
    let changes = [
        doc! { "create": "c", "validator": { "a": { "$exists": true } } },
        doc! { "insert": "c", "documents": [{ "_id": 1 }], "bypassDocumentValidation": true },
        doc! { "create": "view", "viewOn": "c", "pipeline": [] },
        index,
        doc! { "collMod": "c", "index": { "name": "a", "hidden": true } },
        doc! { "collMod": "c", "validator": {} },
        doc! { "dropIndexes": "c", "index": "a" },
        doc! { "delete": "c", "deletes": [{ "q": { "_id": { "$gt": 0 } }, "limit": 0 }] },
        doc! { "drop": "view" },
        doc! { "drop": "c" },
        doc! { "create": "d" },
        doc! { "drop": "d" },
    ];
    for deployment in Deployment::both(&binary, &test_options()).await {
        deployment.root().await.database("elsewhere").run_command(insert("c")).await.expect("it is inserted");
        for (name, held) in [("one", Held::Server(DATABASE)), ("node", Held::Database(DATABASE))] {
            let applier = store(&user(&deployment, name, held, &[TARGET_APPLIER]).await, held).await;
            permitted(&applier, DATABASE, &changes).await;
            // A rename is a command of the whole server.
            permitted(&applier, DATABASE, &[insert("from"), insert("to")]).await;
            let rename = |to: &str| {
                doc! { "renameCollection": format!("{DATABASE}.from"), "to": format!("{to}.to"), "dropTarget": true }
            };
            permitted(&applier, "admin", &[rename(DATABASE)]).await;
            permitted(&applier, DATABASE, &[insert("from"), doc! { "drop": "from" }]).await;
            denied(&applier, "admin", &[rename("elsewhere")]).await;
            denied(&applier, "elsewhere", &changes).await;
            denied(&applier, DATABASE, &[doc! { "dropDatabase": 1 }]).await;
            denied_to_all(&applier).await;
        }
    }
}
