//! The demo, embedded.

use std::time::Duration;

use serde_json::Value;

use crate::program::Folder;

const QUICK: [&str; 7] = ["demo", "--duration", "3s", "--write-every", "20ms", "--poll-every", "50ms"];

fn all_equal(answer: &Value, nodes: usize) {
    assert_eq!(answer["equal"], true, "{answer}");
    let nodes_found = answer["nodes"].as_array().unwrap();
    assert_eq!(nodes_found.len(), nodes, "{answer}");
    for node in nodes_found {
        assert_eq!(node["digest"], nodes_found[0]["digest"], "{answer}");
        assert_eq!(node["documents"], nodes_found[0]["documents"], "{answer}");
        assert_eq!(node["checkpoint"], nodes_found[0]["checkpoint"], "{answer}");
        assert_eq!(node["applied"], nodes_found[0]["applied"], "{answer}");
        assert!(node["documents"].as_u64().unwrap() > 0, "{answer}");
    }
}

#[test]
fn the_demo_tells_its_story_and_ends_with_equal_digests() {
    let answer = Folder::new().run(&["demo"]).expect_code(0);
    assert!(answer.took < Duration::from_secs(15), "{answer:#?}");
    let answer = answer.shows(&[
        "db1 primary   db2 replica   db3 replica",
        "✂ db3 cut off from the primary",
        "db3 can be reached again",
        "db3 has caught up",
        "all replicas equal the primary",
        "next:",
    ]);
    let digests: Vec<_> = answer
        .stdout
        .lines()
        .filter(|line| line.starts_with("db") && line.contains('\t'))
        .map(|line| line.split('\t').next_back().unwrap().trim_end_matches(" ✓").to_owned())
        .collect();
    assert_eq!(digests.len(), 3, "{answer:#?}");
    assert!(digests.iter().all(|digest| *digest == digests[0] && digest.len() == 32), "{digests:?}");
}

#[test]
fn the_demo_with_more_replicas_ends_equal() {
    let answer = Folder::new().run(&[&QUICK[..], &["--replicas", "4", "--json"]].concat()).expect_code(0);
    all_equal(&answer.json(), 5);
}

#[test]
fn the_demo_with_inserts_only_keeps_every_document() {
    let answer = Folder::new().run(&[&QUICK[..], &["--ops", "insert", "--json"]].concat()).expect_code(0).json();
    all_equal(&answer, 3);
    // One entry is the new term.
    let (documents, applied) = (&answer["nodes"][0]["documents"], &answer["nodes"][0]["applied"]);
    assert_eq!(documents.as_u64().unwrap() + 1, applied.as_u64().unwrap(), "{answer}");
}

#[test]
fn the_demos_folder_is_removed_unless_it_is_to_be_kept() {
    let folder = Folder::new();
    let temporary = folder.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let with = [("TMPDIR", temporary.to_str().unwrap())];
    folder.run_with(&QUICK, &with).expect_code(0);
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    folder.run_with(&[&QUICK[..], &["--keep", "kept"]].concat(), &with).expect_code(0);
    assert!(folder.path().join("kept/db1/db").is_file());
    let config = crate::program::embedded_config(&["db2", "db3"], "").replace("sled:data/", "sled:kept/");
    folder.write("oplogsync.toml", &config);
    folder.run(&["verify"]).expect_code(0).shows(&["✓ db2", "✓ db3"]);
}

#[test]
fn the_classic_demo_writes_and_polls_until_it_is_stopped_and_ends_equal() {
    let mut running = Folder::new().start(&["demo", "--classic"]);
    let stdout = running.take_stdout();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stdout)).map_while(Result::ok);
    assert!(lines.any(|line| line.contains("one every 7s · poll every 5s")));
    assert!(lines.any(|line| line.contains("db1 wrote \"Val-")));
    assert!(lines.any(|line| line.contains("applied")));
    running.signal("-INT");
    assert!(lines.any(|line| line.contains("all replicas equal the primary")));
    running.wait().expect_code(0);
}
