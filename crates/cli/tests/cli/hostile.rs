//! Hostile input on the command line, on standard input and in files: a message, the right exit
//! code, never an abort, and nothing is written.

use crate::program::Folder;

const INSERT: [&str; 6] = ["write", "insert", "--ns", "db1.datas", "--data", "-"];
const MILLION: usize = 1_000_000;

fn assert_nothing_was_written(folder: &Folder) {
    let status = folder.run(&["status", "--json"]).json();
    assert!(status["primary"]["head"]["index"].as_u64().unwrap_or_default() <= 1, "{status}");
}

#[test]
fn json_that_is_a_million_levels_deep_is_wrong_usage() {
    let folder = Folder::embedded();
    for data in [r#"{"a":"#.repeat(MILLION), format!(r#"{{"a":{}"#, "[".repeat(MILLION)), "[".repeat(MILLION)] {
        folder.feed(&INSERT, &data).expect_code(2).says(&["the data"]);
    }
    assert_nothing_was_written(&folder);
}

#[test]
fn a_line_without_an_end_is_refused() {
    let folder = Folder::embedded();
    let data = format!(r#"{{"a": "{}"#, "x".repeat(80 * MILLION));
    folder.feed(&INSERT, &data).expect_code(1).says(&["standard input", "longer than"]);
    assert_nothing_was_written(&folder);
}

#[test]
fn json_that_no_document_can_hold_is_refused() {
    let folder = Folder::embedded();
    for (data, code, says) in [
        (r#"{"a\u0000b": 1}"#, 2, "the data"),
        (r#"{"_id": {"$ne": null}}"#, 4, "$ne"),
        (r#"{"_id": {"$undefined": true}}"#, 4, "undefined"),
        (r#"{"$set": {"a": 1}}"#, 4, "$set"),
        (r#"{"a": "\ud800"}"#, 2, "the data"),
        (r#"{"a": {"$numberLong": "99999999999999999999"}}"#, 2, "the data"),
    ] {
        folder.feed(&INSERT, data).expect_code(code).says(&[says]);
    }
    let delete = ["write", "delete", "--ns", "db1.datas", "--id", r#"{"$ne": null}"#];
    folder.run(&delete).expect_code(2).says(&["_id", "starts with `$`"]);
    assert_nothing_was_written(&folder);
}

#[test]
fn a_long_id_or_namespace_is_not_repeated_in_full() {
    let folder = Folder::embedded();
    let long = "x".repeat(100_000);
    let ns = format!("{long}.y");
    let answer = folder.run(&["write", "insert", "--ns", &ns, "--data", "{}"]).expect_code(2);
    answer.says(&["database name", "100002 bytes"]);
    let insert = format!(r#"{{"_id": "{long}"}}"#);
    folder.feed(&INSERT, &insert).expect_code(0);
    let answer = folder.feed(&INSERT, &insert).expect_code(4);
    assert!(answer.stderr.len() < 2_000, "{} bytes", answer.stderr.len());
}

#[test]
fn a_configuration_that_is_endless_or_deep_is_refused() {
    let large = format!("# {}\n", "x".repeat(1024 * 1024));
    for (config, says) in [
        (large, "larger than 1 MiB"),
        (format!("a = {}", "[".repeat(500_000)), "oplogsync.toml"),
        (format!("a = {}", "{a=".repeat(300_000)), "oplogsync.toml"),
        (format!("[{}a]", "a.".repeat(500_000)), "oplogsync.toml"),
        (format!("{}a = 1", "a.".repeat(500_000)), "oplogsync.toml"),
    ] {
        Folder::with(&config).run(&["status"]).expect_code(3).says(&[says]);
    }
    Folder::new().run(&["--config", "/dev/zero", "status"]).expect_code(3).says(&["larger than 1 MiB"]);
    let node =
        |name: &str, role: &str| format!("[[nodes]]\nname = \"{name}\"\nrole = \"{role}\"\nuri_file = \"/dev/zero\"\n");
    let config = format!("{}{}", node("db1", "primary"), node("db2", "replica"));
    Folder::with(&config).run(&["status"]).expect_code(3).says(&["db1", "larger than 1 MiB"]);
}
