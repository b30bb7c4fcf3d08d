//! Comparing replicas with their primary, and mending them.

#[cfg(feature = "mongo")]
mod servers;

use bson::{RawDocumentBuf, rawdoc};
use oplogsync_core::{
    catalog::Index,
    command::Action,
    document::Document,
    namespace::Namespace,
    testing::{documents::id, foreign::Foreign},
};
use oplogsync_store_sled::{Options, SledStore};
use serde_json::{Value, json};

use crate::program::{Folder, embedded_config};

/// A primary with documents 1 to 3 of `shop.orders`, and a replica that has them.
fn synced(config: &str) -> Folder {
    let folder = Folder::with(&embedded_config(&["db2"], config));
    let insert = ["write", "insert", "--ns", "shop.orders", "--data", "-"];
    folder.feed(&insert, "{\"_id\": 1}\n{\"_id\": 2}\n{\"_id\": 3}\n").expect_code(0);
    folder.run(&["run", "--once"]).expect_code(0);
    folder
}

/// What somebody does to a node beside oplogsync.
async fn beside(folder: &Folder, node: &str, act: impl AsyncFnOnce(Foreign<'_, SledStore>)) {
    let store = SledStore::open(folder.path().join("data").join(node), node, Options::default()).unwrap();
    act(Foreign(&store)).await;
}

fn ns(name: &str) -> Namespace {
    Namespace::new(name).unwrap()
}

fn document(raw: RawDocumentBuf) -> Document {
    Document::new(raw).unwrap()
}

/// Changes 1, deletes 2 and adds 9.
async fn disturb(foreign: Foreign<'_, SledStore>, ns: &Namespace) {
    foreign.put(ns, &document(rawdoc! { "_id": 1, "by": "somebody" })).await;
    foreign.delete(ns, &id(2)).await;
    foreign.put(ns, &document(rawdoc! { "_id": 9 })).await;
}

#[tokio::test]
async fn documents_that_somebody_changed_on_a_replica_are_mended() {
    let folder = synced("");
    beside(&folder, "db2", async |foreign| disturb(foreign, &ns("shop.orders")).await).await;
    let found = ["✗ db2", "shop.orders 1 changed", "shop.orders 2 missing", "shop.orders 9 extra"];
    folder.run(&["verify"]).expect_code(7).shows(&found);
    let mended = ["shop.orders 1: put", "shop.orders 2: put", "shop.orders 9: removed", "✓ db2 is mended"];
    folder.run(&["verify", "--repair"]).expect_code(0).shows(&found).shows(&mended);
    folder.run(&["verify"]).expect_code(0).shows(&["✓ db2 equals the primary"]);
    // And replication goes on from there.
    for number in ["1", "2", "3"] {
        folder.run(&["write", "delete", "--ns", "shop.orders", "--id", number]).expect_code(0);
    }
    folder.run(&["run", "--once"]).expect_code(0);
    folder.run(&["verify"]).expect_code(0);
}

#[tokio::test]
async fn documents_of_which_a_digest_tells_that_they_differ_are_mended_too() {
    let folder = synced("");
    beside(&folder, "db2", async |foreign| foreign.delete(&ns("shop.orders"), &id(2)).await).await;
    let digest = ["verify", "--mode", "digest"];
    folder.run(&[&digest[..], &["--repair"]].concat()).expect_code(0).shows(&["shop.orders 2: put"]);
    folder.run(&digest).expect_code(0);
}

#[tokio::test]
async fn a_replica_that_is_behind_gets_what_the_entries_to_come_need() {
    let folder = synced("");
    beside(&folder, "db2", async |foreign| foreign.delete(&ns("shop.orders"), &id(1)).await).await;
    let update = ["write", "update", "--ns", "shop.orders", "--id", "1", "--data", r#"{"$set": {"a": 1}}"#];
    folder.run(&update).expect_code(0);
    folder.run(&["write", "insert", "--ns", "shop.orders", "--data", r#"{"_id": 4}"#]).expect_code(0);
    folder.run(&["run", "--once"]).expect_code(7).says(&["something else wrote to the node"]);
    let repaired = folder.run(&["verify", "--repair", "--json"]).expect_code(0).json();
    let replica = &repaired["replicas"][0];
    assert_eq!((&repaired["equal"], &replica["mended"]), (&json!(false), &json!(true)), "{repaired:#}");
    assert_eq!(replica["repaired"][0]["outcome"], "stand-in", "{repaired:#}");
    assert_eq!(replica["repaired"][1]["outcome"], "right already", "{repaired:#}");
    assert!(replica["behind"].as_u64().unwrap() >= 2, "{repaired:#}");
    folder.run(&["run", "--once"]).expect_code(0);
    folder.run(&["verify"]).expect_code(0);
}

fn index(name: &str) -> Index {
    Index::new(&rawdoc! { "v": 2, "key": { "n": 1 }, "name": name }).unwrap()
}

#[tokio::test]
async fn an_index_that_is_missing_is_named_and_made() {
    let folder = synced("");
    for (node, name) in [("db1", "ours"), ("db2", "theirs")] {
        let action = Action::CreateIndexes { ns: ns("shop.orders"), indexes: vec![index(name)] };
        beside(&folder, node, async |foreign| foreign.run(&action).await).await;
    }
    let found = ["shop.orders index ours missing", "shop.orders index theirs extra"];
    folder.run(&["verify"]).expect_code(7).shows(&found);
    let repaired = folder.run(&["verify", "--repair", "--json"]).expect_code(0).json();
    let index = |name: &str, more: Value| {
        let mut value = json!({ "ns": "shop.orders", "what": "index", "index": name });
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        value
    };
    let replica = &repaired["replicas"][0];
    let found = [index("ours", json!({ "kind": "missing" })), index("theirs", json!({ "kind": "extra" }))];
    assert_eq!(replica["catalog"], json!(found));
    let put = index("ours", json!({ "outcome": "put", "mended": true }));
    let removed = index("theirs", json!({ "outcome": "removed", "mended": true }));
    assert_eq!(replica["repaired"], json!([put, removed]));
    folder.run(&["verify"]).expect_code(0);
}

#[tokio::test]
async fn what_is_renamed_is_compared_under_its_new_name_and_what_is_left_out_is_not() {
    let folder =
        synced("[filter]\ninclude = [\"shop\"]\nexclude = [\"shop.tmp_*\"]\nrename = { \"shop\" = \"copy\" }\n");
    folder.run(&["write", "insert", "--ns", "shop.tmp_1", "--data", "{}"]).expect_code(0);
    folder.run(&["run", "--once"]).expect_code(0);
    for mode in ["count", "digest", "full"] {
        let verified = folder.run(&["verify", "--mode", mode]).expect_code(0);
        verified.shows(&["db2\tshop.orders → copy.orders\t3\t3\n✓ db2"]);
    }
    beside(&folder, "db2", async |foreign| foreign.put(&ns("shop.orders"), &document(rawdoc! { "_id": 1 })).await)
        .await;
    let counted = folder.run(&["verify", "--mode", "count", "--json"]).expect_code(7).json();
    let copied = json!({ "ns": "copy.orders", "primaryNs": "shop.orders", "primary": 3, "replica": 3 });
    let extra = json!({ "ns": "shop.orders", "primaryNs": null, "primary": 0, "replica": 1 });
    assert_eq!(counted["replicas"][0]["namespaces"], json!([copied, extra]));
    beside(&folder, "db2", async |foreign| disturb(foreign, &ns("copy.orders")).await).await;
    let mended = ["copy.orders 1: put", "copy.orders 2: put", "copy.orders 9: removed", "shop.orders 1: removed"];
    folder.run(&["verify", "--repair"]).expect_code(0).shows(&mended);
    folder.run(&["verify"]).expect_code(0);
}

/// Left out, it would make a replica equal that lacks it.
#[test]
fn a_collection_that_cannot_have_its_new_name_is_named_with_both_ways_out() {
    let (long, new_name) = (format!("shop.{}", "c".repeat(240)), "d".repeat(60));
    let folder = synced(&format!("[filter]\ninclude = [\"shop\"]\nrename = {{ \"shop\" = \"{new_name}\" }}\n"));
    folder.run(&["verify"]).expect_code(0);
    folder.run(&["write", "insert", "--ns", &long, "--data", "{}"]).expect_code(0);
    let ways_out = [&*format!("exclude = [\"{long}\"]"), "longer than 255 bytes", "`[filter] rename`"];
    for mode in ["count", "digest", "full"] {
        folder.run(&["verify", "--mode", mode]).expect_code(3).says(&ways_out);
    }
    folder.run(&["run", "--once"]).expect_code(3).says(&ways_out);
}

#[test]
fn numbers_do_not_tell_what_to_mend() {
    let folder = Folder::embedded();
    folder.run(&["verify", "--repair", "--mode", "count"]).expect_code(2).says(&["--mode full"]);
}

#[test]
fn a_primary_and_a_replica_that_was_never_synced_are_not_mended() {
    let folder = Folder::embedded();
    folder.run(&["write", "insert", "--ns", "a.b", "--data", "{}"]).expect_code(0);
    folder.run(&["verify", "--repair", "--node", "db1"]).expect_code(3).says(&["`db1` is the primary"]);
    let answer = folder.run(&["verify", "--repair"]).expect_code(5);
    answer.shows(&["✗ db3", "a.b"]).says(&["was never synced", "`oplogsync run`"]);
}

/// One that was a primary holds an oplog, and its documents follow that.
#[test]
fn a_former_primary_is_not_mended() {
    let folder = synced("");
    folder.run(&["write", "insert", "-c", &elsewhere(&folder), "--ns", "a.b", "--data", "{}"]).expect_code(0);
    let answer = folder.run(&["verify", "--repair"]).expect_code(5);
    answer.says(&["db2 is a primary", "nothing is ever repaired there"]);
}

/// A configuration in which another node is the primary, by whose oplog db2 is replaced.
fn elsewhere(folder: &Folder) -> String {
    std::fs::remove_dir_all(folder.path().join("data/db2")).unwrap();
    let config = embedded_config(&["db3"], "").replace("sled:data/db1", "sled:data/db2");
    folder.write("elsewhere.toml", &config).display().to_string()
}
