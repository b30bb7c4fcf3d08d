//! Bad input: a clear message, the right exit code, and nothing lost or written.

use crate::program::Folder;

const INSERT: [&str; 6] = ["write", "insert", "--ns", "db1.datas", "--data", "-"];

/// The number of entries in the oplog, with the new term.
fn entries(folder: &Folder) -> u64 {
    let status = folder.run(&["status", "--json"]).json();
    status["primary"]["head"]["index"].as_u64().unwrap_or_default()
}

#[test]
fn a_document_that_cannot_be_replicated_is_refused() {
    let folder = Folder::embedded();
    let deep = format!("{}1{}", r#"{"a":"#.repeat(101), "}".repeat(101));
    let large = format!(r#"{{"_id": 1, "text": "{}"}}"#, "x".repeat(16 * 1024 * 1024));
    for (document, says) in [
        (r#"{"_id": [1]}"#, "array"),
        (r#"{"_id": {"$regularExpression": {"pattern": "a", "options": ""}}}"#, "regular expression"),
        (deep.as_str(), "100 levels"),
        (large.as_str(), "bytes"),
    ] {
        folder.feed(&INSERT, document).expect_code(4).says(&["line 1", "refused", says]);
    }
    assert_eq!(entries(&folder), 0);
}

#[test]
fn a_document_that_exists_is_not_inserted_again_and_the_lines_before_it_stay() {
    let folder = Folder::embedded();
    let answer = folder.feed(&INSERT, "{\"_id\": 1}\n{\"_id\": 2}\n{\"_id\": 1.0}\n{\"_id\": 3}\n").expect_code(4);
    answer.says(&["line 3", "lines before it are written", "11000"]);
    assert_eq!(entries(&folder), 3);
}

#[test]
fn data_that_is_no_json_document_is_wrong_usage() {
    let folder = Folder::embedded();
    for data in ["{", "[]", "1", r#"{"a": {"$oid": "short"}}"#] {
        folder.run(&["write", "insert", "--ns", "db1.datas", "--data", data]).expect_code(2).says(&["the data"]);
    }
    let update = ["write", "update", "--ns", "db1.datas", "--id", "[1]", "--data", "{}"];
    folder.run(&update).expect_code(2).says(&["an `_id` cannot be an array"]);
    assert_eq!(entries(&folder), 0);
}

#[test]
fn an_operator_that_we_do_not_have_is_refused() {
    let folder = Folder::embedded();
    folder.run(&["write", "insert", "--ns", "db1.datas", "--data", r#"{"_id": 1}"#]).expect_code(0);
    let update = ["write", "update", "--ns", "db1.datas", "--id", "1", "--data", r#"{"$frob": {"a": 1}}"#];
    folder.run(&update).expect_code(4).says(&["$frob"]);
    assert_eq!(entries(&folder), 2);
}

#[test]
fn a_forbidden_namespace_is_refused() {
    let folder = Folder::embedded();
    for ns in
        ["admin.users", "config.x", "local.oplog.rs", "shop.system.views", "oplogsync.oplog", "shop.oplogsync.node"]
    {
        folder.run(&["write", "insert", "--ns", ns, "--data", "{}"]).expect_code(2).says(&[ns, "never replicated"]);
    }
    folder.run(&["write", "insert", "--ns", "nodot", "--data", "{}"]).expect_code(2).says(&["database.collection"]);
}

#[test]
fn a_write_to_a_replica_is_refused() {
    let folder = Folder::embedded();
    let update = ["write", "update", "--node", "db2", "--ns", "a.b", "--id", "1", "--data", r#"{"$set": {"a": 1}}"#];
    folder.run(&update).expect_code(5).says(&["db2 is a replica", "write to the primary, db1"]);
    let unknown = ["write", "delete", "--node", "db9", "--ns", "a.b", "--id", "1"];
    folder.run(&unknown).expect_code(3).says(&["`db9` is not configured", "db2, db3"]);
    assert_eq!(entries(&folder), 0);
}

#[test]
fn a_write_to_memory_that_ends_with_the_command_is_refused() {
    let folder = Folder::with(&crate::program::embedded_config(&["db2"], "").replace("sled:data/db1", "memory:"));
    let insert = ["write", "insert", "--ns", "a.b", "--data", "{}"];
    folder.run(&insert).expect_code(3).says(&["db1 is in memory", "sled:"]);
}

#[test]
fn a_folder_that_is_not_ours_is_left_alone() {
    let folder = Folder::embedded();
    std::fs::create_dir_all(folder.path().join("data/db1")).unwrap();
    let file = folder.write("data/db1/holiday.txt", "beach");
    folder.run(&["check"]).expect_code(4).shows(&["✗ db1 primary"]);
    folder.run(&["write", "insert", "--ns", "a.b", "--data", "{}"]).expect_code(4).says(&["db1"]);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "beach");
}

/// Flips bits all over the data of a store.
fn damage(folder: &Folder, node: &str) {
    let db = folder.path().join("data").join(node).join("db");
    let mut bytes = std::fs::read(&db).unwrap();
    for byte in bytes.iter_mut().skip(64).step_by(97) {
        *byte ^= 0x55;
    }
    std::fs::write(&db, &bytes).unwrap();
}

#[test]
fn a_damaged_store_is_refused_and_never_read_wrongly() {
    let folder = Folder::embedded();
    folder.run(&["load", "--count", "200"]).expect_code(0);
    damage(&folder, "db1");
    folder.run(&["run", "--once"]).expect_code(4).says(&["db1", "damaged"]);
}

#[test]
fn a_damaged_replica_is_refused_and_the_other_one_goes_on() {
    let folder = Folder::embedded();
    folder.run(&["load", "--count", "200"]).expect_code(0);
    folder.run(&["run", "--once", "--node", "db2"]).expect_code(0);
    damage(&folder, "db2");
    folder.run(&["run", "--once"]).expect_code(5).says(&["error: db2 cannot follow db1", "damaged"]);
    folder.run(&["verify", "--node", "db3"]).expect_code(0).shows(&["✓ db3"]);
    folder.run(&["check"]).expect_code(5).shows(&["✗ db2 replica", "✓ db3 replica"]);
    folder.run(&["run", "--once"]).expect_code(5).says(&["error: db2 cannot follow db1", "damaged"]);
}

#[test]
fn a_folder_to_keep_that_is_not_empty_is_refused() {
    let folder = Folder::embedded();
    folder.run(&["demo", "--keep", "."]).expect_code(2).says(&["not empty"]);
}
