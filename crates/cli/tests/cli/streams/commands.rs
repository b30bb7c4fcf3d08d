//! Writing through oplogsync: not beside a change stream; and collections and indexes too.

use oplogsync_core::{documents::Documents, namespace::Namespace};
use oplogsync_mongod::testing;
use oplogsync_store_sled::SledStore;

use super::source::{Application, folder};
use crate::program::Folder;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_followed_by_its_change_stream_takes_no_writes_from_us() {
    let Some(set) = testing::shared_replica_set().await else { return };
    let source = Application::on(set.server()).await;
    let ns = format!("{}.orders", set.name());
    source.fill(&ns, 0..3, 10).await;
    let by_configuration = "[feed]\nkind = \"change-stream\"";
    let folder = folder(by_configuration, set.uri(), &[("mirror", "sled:mirror")]);
    let create = ["write", "command", "--db", set.name(), "--data", r#"{"create": "more"}"#];
    for args in [
        &["write", "insert", "--ns", &ns, "--data", "{}"][..],
        &["write", "delete", "--ns", &ns, "--id", "1"],
        &create,
        &["load", "--count", "5", "--ns", &ns],
    ] {
        let remedy = ["app is followed by its change stream", "write with your application", "kind = \"managed\""];
        folder.run(args).expect_code(3).says(&remedy);
    }
    assert_eq!(source.collections(set.name()).await, ["orders"]);
    assert_eq!(source.count(&ns).await, 3);
}

/// Runs a command on the primary.
fn command(folder: &Folder, data: &str) {
    folder.run(&["write", "command", "--db", "shop", "--data", data]).expect_code(0).shows(&["done"]);
}

fn insert(folder: &Folder, ns: &str, data: &str) {
    folder.feed(&["write", "insert", "--ns", ns, "--data", "-"], data).expect_code(0);
}

fn embedded() -> Folder {
    folder("[feed]\nkind = \"managed\"", "sled:app", &[("mirror", "sled:mirror")])
}

fn mirror(folder: &Folder) -> SledStore {
    let options = oplogsync_store_sled::Options::default();
    SledStore::open(folder.path().join("mirror"), "mirror", options).unwrap()
}

#[tokio::test]
async fn commands_written_through_oplogsync_arrive_in_their_order() {
    let folder = embedded();
    command(&folder, r#"{"create": "people", "validator": {"name": {"$type": "string"}}}"#);
    let index = r#"{"createIndexes": "people", "indexes": [{"key": {"name": 1}, "name": "name_1", "unique": true}]}"#;
    command(&folder, index);
    insert(&folder, "shop.people", "{\"_id\": 1, \"name\": \"Ada\"}\n{\"_id\": 2, \"name\": \"Grace\"}\n");
    insert(&folder, "shop.draft", "{\"_id\": 1}\n{\"_id\": 2}\n");
    folder.run(&["run", "--once"]).expect_code(0);
    {
        let mirror = mirror(&folder);
        let names: Vec<String> = mirror.namespaces().await.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["shop.draft", "shop.people"]);
    }
    // A rename and a drop between documents of the same names: any other order ends in something else.
    let rename = r#"{"renameCollection": "shop.draft", "to": "shop.orders"}"#;
    folder.run(&["write", "command", "--db", "shop", "--data", rename]).expect_code(0);
    insert(&folder, "shop.draft", "{\"_id\": 3}\n");
    command(&folder, r#"{"drop": "people"}"#);
    insert(&folder, "shop.people", "{\"_id\": 1, \"name\": 5}\n");
    command(&folder, r#"{"createIndexes": "orders", "indexes": [{"key": {"qty": 1}, "name": "qty_1"}]}"#);
    command(&folder, r#"{"dropIndexes": "orders", "index": "qty_1"}"#);
    command(&folder, r#"{"collMod": "orders", "validator": {"a": {"$exists": true}}}"#);
    folder.run(&["run", "--once"]).expect_code(0);
    folder.run(&["verify", "--json"]).expect_code(0);

    let mirror = mirror(&folder);
    let count = async |ns: &str| mirror.size(&Namespace::new(ns).unwrap()).await.unwrap().documents;
    assert_eq!([count("shop.orders").await, count("shop.draft").await, count("shop.people").await], [2, 1, 1]);
    let more = mirror.collections().await.unwrap();
    let more: Vec<_> = more.iter().filter(|collection| !collection.is_plain()).collect();
    assert_eq!(more.len(), 1, "{more:?}");
    assert_eq!(more[0].ns.as_str(), "shop.orders");
    assert_eq!(more[0].indexes.len(), 0, "{more:?}");
}

#[test]
fn a_command_that_makes_no_sense_is_refused_and_writes_nothing() {
    let folder = embedded();
    insert(&folder, "shop.orders", "{\"_id\": 1}\n");
    let before = folder.run(&["status", "--json"]).json()["primary"]["head"].clone();
    let refused = |data: &str, code| {
        folder.run(&["write", "command", "--db", "shop", "--data", data]).expect_code(code);
    };
    refused(r#"{"shutdown": 1}"#, 2);
    refused(r#"{"create": "a", "unheardOf": 1}"#, 2);
    refused(r#"{"drop": "nothing"}"#, 4);
    refused(r#"{"create": "orders"}"#, 4);
    assert_eq!(folder.run(&["status", "--json"]).json()["primary"]["head"], before);
}
