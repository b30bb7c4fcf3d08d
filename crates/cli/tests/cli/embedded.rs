//! A whole life on embedded nodes: write, replicate, look, verify.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use serde_json::json;

use crate::program::{Folder, embedded_config};

#[test]
fn writes_arrive_at_every_replica() {
    let folder = Folder::embedded();
    folder.run(&["check"]).expect_code(0).shows(&["no oplog yet", "empty, to be synced"]);
    let write = |args: &[&str]| folder.run(&[&["write"], args].concat());
    write(&["insert", "--ns", "shop.orders", "--data", r#"{"_id": 1, "qty": 2}"#])
        .expect_code(0)
        .shows(&["inserted shop.orders 1 at 1:2"]);
    write(&["update", "--ns", "shop.orders", "--id", "1", "--data", r#"{"$inc": {"qty": 3}}"#])
        .expect_code(0)
        .shows(&["updated shop.orders 1 at"]);
    write(&["replace", "--ns", "shop.orders", "--id", "two", "--upsert", "--data", r#"{"qty": 9}"#])
        .expect_code(0)
        .shows(&["inserted shop.orders \"two\""]);
    write(&["delete", "--ns", "shop.orders", "--id", "7"]).expect_code(0).shows(&["not found"]);
    folder.run(&["status"]).expect_code(0).shows(&["db2\tnew\t-"]);
    folder.run(&["run", "--once"]).expect_code(0);
    folder.run(&["status"]).expect_code(0).shows(&["db2\tcaught_up", "db3\tcaught_up"]);
    let verified = folder.run(&["verify", "--json"]).expect_code(0).json();
    assert_eq!(verified["equal"], json!(true));
    assert_eq!(verified["replicas"][1]["namespaces"], json!([{ "ns": "shop.orders", "primary": 2, "replica": 2 }]));
    for mode in ["count", "digest", "full"] {
        folder.run(&["verify", "--mode", mode]).expect_code(0).shows(&["db2 equals", "db3 equals"]);
    }
}

#[test]
fn each_node_has_the_engine_that_its_uri_names() {
    let folder = Folder::embedded();
    let config = embedded_config(&["db2", "db3"], "");
    let mixed = config.replace("sled:data/db1", "fjall:data/db1").replace("sled:data/db3", "fjall:data/db3");
    folder.write("oplogsync.toml", &mixed);
    folder.run(&["load", "--count", "50"]).expect_code(0);
    folder.run(&["run", "--once"]).expect_code(0);
    folder.run(&["verify", "--mode", "full"]).expect_code(0).shows(&["db2 equals", "db3 equals"]);
    folder.run(&["check"]).expect_code(0).shows(&["fjall:data/db1", "sled:data/db2", "fjall:data/db3"]);
    // What one of them has written the other does not touch.
    folder.write("oplogsync.toml", &config);
    folder.run(&["run", "--once"]).expect_code(4).says(&["which is not oplogsync's (on sled)"]);
    folder.write("oplogsync.toml", &mixed.replace("sled:data/db2", "fjall:data/db2"));
    folder.run(&["run", "--once"]).expect_code(5).says(&["which is not oplogsync's (on fjall)"]);
    folder.write("oplogsync.toml", &mixed);
    folder.run(&["verify"]).expect_code(0);
}

#[test]
fn check_says_of_a_primary_what_write_would_refuse() {
    let folder = Folder::embedded();
    folder.run(&["load", "--count", "10"]).expect_code(0);
    folder.run(&["run", "--once"]).expect_code(0);
    // db2 is a replica by its data, and the primary by this configuration.
    let swapped = embedded_config(&["new"], "").replace("sled:data/db1", "sled:data/db2");
    folder.write("swapped.toml", &swapped);
    let insert = ["write", "insert", "-c", "swapped.toml", "--ns", "a.b", "--data", "{}"];
    folder.run(&insert).expect_code(4).says(&["is a replica"]);
    let fix = "give the primary a database of its own";
    folder.run(&["check", "-c", "swapped.toml"]).expect_code(4).shows(&["✗ db1 primary", "it is a replica", fix]);
}

#[test]
fn a_replica_that_misses_documents_is_told_apart_and_exits_7() {
    let folder = Folder::embedded();
    let insert = ["write", "insert", "--ns", "db1.datas", "--data", "-"];
    folder.feed(&insert, "{\"_id\": 1}\n\n{\"_id\": 2}\n").expect_code(0);
    folder.run(&["run", "--once", "--node", "db2"]).expect_code(0);
    let answer = folder.run(&["verify", "--limit", "1"]).expect_code(7);
    answer.shows(&["✓ db2", "✗ db3", "db1.datas 1 missing", "and 1 more"]);
    folder.run(&["verify", "--mode", "count", "--node", "db2"]).expect_code(0);
}

#[test]
fn status_tells_how_far_a_replica_is_behind() {
    let folder = Folder::embedded();
    folder.run(&["load", "--count", "20"]).expect_code(0);
    folder.run(&["run", "--once"]).expect_code(0);
    folder.run(&["load", "--count", "20", "--seed", "7", "--ns", "db1.more"]).expect_code(0);
    let status = folder.run(&["status", "--json"]).expect_code(0).json();
    let (primary, replica) = (&status["primary"], &status["replicas"][0]);
    assert_eq!(replica["state"], "behind");
    let behind = primary["head"]["index"].as_u64().unwrap() - replica["checkpoint"]["index"].as_u64().unwrap();
    assert_eq!(replica["behind"], json!(behind));
    // The second load began with a new term.
    assert!(behind > 20 / 2 && replica["lagSeconds"].as_f64().unwrap() >= 0.0, "{status}");
    assert_eq!(replica["headroom"], replica["checkpoint"]["index"]);
}

#[test]
fn the_oplog_can_be_read_by_people_and_programs() {
    let folder = Folder::embedded();
    let insert = ["write", "insert", "--ns", "db1.datas", "--data", "-"];
    folder.feed(&insert, r#"{"_id": {"$oid": "507f191e810c19729de860ea"}, "z": 1, "a": {"$numberLong": "5"}}"#);
    folder.run(&["write", "delete", "--ns", "db1.datas", "--id", r#"{"$oid": "507f191e810c19729de860ea"}"#]);
    let tail = folder.run(&["oplog", "tail", "-n", "2"]).expect_code(0);
    assert_eq!(tail.stdout.lines().count(), 2, "{tail:#?}");
    let tail = folder.run(&["oplog", "tail", "--ns", "db1.datas"]).expect_code(0);
    tail.shows(&["insert\tdb1.datas\tObjectId('507f191e810c19729de860ea')", "delete\tdb1.datas"]);
    let entry = folder.run(&["oplog", "show", "2"]).expect_code(0).json();
    assert_eq!(entry["op"], "insert");
    assert_eq!(entry["document"].to_string(), r#"{"_id":{"$oid":"507f191e810c19729de860ea"},"z":1,"a":5}"#);
    folder.run(&["oplog", "show", "1:2"]).expect_code(0);
    folder.run(&["oplog", "show", "9:2"]).expect_code(2).says(&["no entry at 9:2"]);
    folder.run(&["oplog", "show", "99"]).expect_code(2).says(&["no entry at 99"]);
    folder.run(&["oplog", "show", "x"]).expect_code(2).says(&["`x` is no position"]);
    let lines = folder.run(&["oplog", "tail", "--json"]).expect_code(0);
    for line in lines.stdout.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

#[test]
fn run_follows_until_it_is_asked_to_stop_and_keeps_others_out() {
    let folder = Folder::embedded();
    folder.run(&["load", "--count", "100"]).expect_code(0);
    let running = folder.start(&["run", "--log-format", "text", "--progress-every", "100ms"]);
    folder.wait_for_log("node=db3 state=caught_up");
    folder.run(&["run", "--once"]).expect_code(9).says(&["another oplogsync"]);
    let write = folder.run(&["write", "insert", "--ns", "a.b", "--data", "{}"]);
    write.expect_code(9).says(&["db1", "another oplogsync"]);
    running.signal("-TERM");
    running.wait().expect_code(0);
    folder.run(&["verify"]).expect_code(0);
}

#[test]
fn a_second_signal_does_not_wait() {
    let folder = Folder::new();
    let mut running = folder.start(&["demo", "--poll-every", "1h", "--write-every", "100ms", "--duration", "1h"]);
    let stdout = running.take_stdout();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stdout)).map_while(Result::ok);
    // The replicas look again in an hour, so the first stop has something to wait for.
    assert!(lines.any(|line| line.contains("db1 ▶ 1")));
    running.signal("-INT");
    assert!(lines.any(|line| line.contains("draining")));
    running.signal("-INT");
    running.wait().expect_code(130);
}

#[test]
fn a_goal_that_is_not_reached_in_time_exits_6() {
    let folder = Folder::embedded();
    folder.run(&["load", "--count", "100"]).expect_code(0);
    folder.run(&["run", "--once", "--timeout", "1ms"]).expect_code(6).says(&["within 1ms"]);
}

#[test]
fn a_run_that_is_out_of_time_finishes_the_batch_and_gives_its_leases_back() {
    let folder = Folder::with(&embedded_config(&["db2"], "[sync]\nbatch_size = 1\n"));
    folder.run(&["load", "--count", "3000"]).expect_code(0);
    folder.run(&["run", "--once", "--timeout", "500ms"]).expect_code(6).says(&["within 500ms"]);
    let status = folder.run(&["status", "--json"]).expect_code(0).json();
    let replica = &status["replicas"][0];
    assert_eq!((&replica["state"], &replica["appliedBy"]), (&json!("behind"), &json!(null)), "{status}");
}

#[cfg(feature = "mongo")]
#[test]
fn a_server_that_takes_connections_and_never_answers_is_given_up_soon() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("mongodb://{}/db9", silent.local_addr().unwrap());
    let replica = embedded_config(&["db2"], "").replace("sled:data/db2", &uri).replace("data/db1", "data/db9");
    let primary = embedded_config(&["db2"], "").replace("sled:data/db1", &uri);
    for (config, code) in [(replica, 5), (primary, 4)] {
        let folder = Folder::with(&config);
        if code == 5 {
            folder.run(&["load", "--count", "5", "--ns", "db9.a"]).expect_code(0);
        }
        let answer = folder.run(&["run", "--once"]).expect_code(code);
        assert!(answer.took < std::time::Duration::from_secs(8), "{answer:#?}");
    }
}

#[test]
fn a_replica_that_comes_after_the_oplog_was_trimmed_is_copied_and_an_old_one_is_too_stale() {
    let folder =
        Folder::with(&embedded_config(&["db2"], "[oplog]\nkeep = \"1s\"\n[sync]\npoll_interval = \"100ms\"\n"));
    folder.run(&["load", "--count", "50"]).expect_code(0);
    folder.run(&["run", "--once"]).expect_code(0);
    // A backup of the replica.
    let copied = Command::new("cp").args(["-r", "data/db2", "data/old"]).current_dir(folder.path()).status().unwrap();
    assert!(copied.success());
    folder.run(&["load", "--count", "50", "--ns", "db1.more"]).expect_code(0);
    let running = folder.start(&["run", "--log-format", "text"]);
    folder.wait_for_log("trimmed the oplog");
    running.signal("-INT");
    running.wait().expect_code(0);
    folder.write("late.toml", &embedded_config(&["db2", "late", "old"], ""));
    let args = |command: &'static str| [command, "-c", "late.toml"];
    let remedy = "oplogsync resync old --confirm old";
    folder.run(&["run", "-c", "late.toml", "--once"]).expect_code(8).says(&["old cannot follow", "too stale", remedy]);
    let status = folder.run(&args("status")).expect_code(8);
    status.shows(&["old\ttoo_stale", remedy, "late\tcaught_up", "db2\tcaught_up"]);
    folder.run(&args("check")).expect_code(8).shows(&["✗ old replica", "too stale", remedy]);
    folder.run(&["resync", "-c", "late.toml", "old", "--confirm", "old"]).expect_code(0);
    folder.run(&args("verify")).expect_code(0).shows(&["✓ late", "✓ old"]);
}

#[test]
fn a_replica_of_another_primary_is_refused_and_exits_8() {
    let folder = Folder::embedded();
    folder.run(&["load", "--count", "10"]).expect_code(0);
    folder.run(&["run", "--once"]).expect_code(0);
    let other = embedded_config(&["db2"], "").replace("sled:data/db1", "sled:data/other");
    folder.write("other.toml", &other);
    folder.run(&["load", "-c", "other.toml", "--count", "10"]).expect_code(0);
    folder
        .run(&["run", "-c", "other.toml", "--once"])
        .expect_code(8)
        .says(&["follows log", "synced from another primary"]);
}

#[test]
fn a_write_that_is_retried_under_its_operation_id_stands_in_the_oplog_once() {
    let folder = Folder::embedded();
    let insert = ["write", "insert", "--ns", "db1.datas", "--data", r#"{"qty": 1}"#];
    let first = folder.run(&[&insert[..], &["--json"]].concat()).expect_code(0).json();
    let again = [&insert[..], &["--op-id", first["opId"].as_str().unwrap(), "--json"]].concat();
    let second = folder.run(&again).expect_code(0).json();
    assert_eq!(second["outcome"], "repeated", "{second}");
    assert_eq!(folder.run(&["oplog", "tail", "--ns", "db1.datas"]).stdout.lines().count(), 1);
    folder.run(&[&insert[..], &["--op-id", "short"]].concat()).expect_code(2).says(&["32 hexadecimal digits"]);
    let lines = ["write", "insert", "--ns", "a.b", "--data", "-", "--op-id", first["opId"].as_str().unwrap()];
    folder.feed(&lines, "{}\n{}\n").expect_code(2).says(&["--op-id names one write"]);
}

#[test]
fn a_write_that_waits_for_its_input_ends_cleanly_when_it_is_told_to() {
    let folder = Folder::embedded();
    let mut command = folder.command(&["write", "insert", "--ns", "db1.datas", "--data", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"{\"_id\": 1}\n").unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("inserted db1.datas 1"), "{line}");
    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    folder.run(&["run", "--once"]).expect_code(0);
    folder.run(&["verify"]).expect_code(0).shows(&["db2\tdb1.datas\t1\t1"]);
}
