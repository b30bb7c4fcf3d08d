//! What is followed is chosen by what the primary is, or by the configuration, and is said.

use oplogsync_mongod::testing;
use serde_json::json;

use super::source::{Application, config, folder};

/// A database of a shared replica set, and the URI of it.
async fn database() -> Option<(Application, String, String)> {
    let database = testing::shared_replica_set().await?;
    Some((Application::on(database.server()).await, database.name().to_owned(), database.uri().to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_knows_nothing_of_us_is_followed_by_its_change_stream() {
    let Some((application, name, uri)) = database().await else { return };
    application.fill(&format!("{name}.orders"), 0..10, 10).await;
    let folder = folder("", &uri, &[("mirror", "sled:mirror")]);
    let answer = folder.run(&["run", "--once", "--log-format", "text"]).expect_code(0);
    answer.says(&["following feed=\"change-stream\" chosen_by=\"what the primary is\""]);
    folder.run(&["status"]).expect_code(0).shows(&["change stream", "mirror\tfollowing\t"]);
    folder.run(&["verify"]).expect_code(0).shows(&[&format!("mirror\t{name}.orders\t10\t10")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_with_an_oplog_of_ours_is_followed_by_that() {
    let Some((_, name, uri)) = database().await else { return };
    let ns = format!("{name}.orders");
    let folder = folder("[feed]\nkind = \"managed\"", &uri, &[("mirror", "sled:mirror")]);
    folder.run(&["write", "insert", "--ns", &ns, "--data", r#"{"_id": 1}"#]).expect_code(0);
    folder.write("oplogsync.toml", &config("", &uri, &[("mirror", "sled:mirror")]));
    let answer = folder.run(&["run", "--once", "--log-format", "text"]).expect_code(0);
    answer.says(&["following feed=\"managed\" chosen_by=\"what the primary is\""]);
    let status = folder.run(&["status", "--json"]).expect_code(0).json();
    assert_eq!(status["primary"]["feed"], json!("managed"));
    assert_eq!(status["replicas"][0]["state"], json!("caught_up"));
    folder.run(&["write", "insert", "--ns", &ns, "--data", r#"{"_id": 2}"#]).expect_code(0);
    folder.run(&["run", "--once"]).expect_code(0);
    folder.run(&["verify"]).expect_code(0).shows(&[&format!("mirror\t{ns}\t2\t2")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standalone_primary_has_no_change_stream_and_the_way_out_is_told() {
    let Some(databases) = testing::shared_standalones(1).await else { return };
    let kind = "[feed]\nkind = \"change-stream\"";
    let folder = folder(kind, databases[0].uri(), &[("mirror", "sled:mirror")]);
    let told = ["app", "standalone", "--replSet", "rs.initiate()", "[feed] kind = \"managed\""];
    for args in [&["run", "--once"][..], &["run"], &["resync", "mirror", "--confirm", "mirror"]] {
        folder.run(args).expect_code(3).says(&told);
    }
    assert!(!folder.path().join("mirror").exists(), "the replica was opened");
    folder.run(&["check"]).expect_code(3).shows(&["✗ app primary"]).shows(&told);
    folder.run(&["status"]).expect_code(3).shows(&told);
    let status = folder.run(&["status", "--json"]).expect_code(3).json();
    assert!(status["primary"]["error"].as_str().unwrap().contains("rs.initiate()"), "{status}");
    let write = ["write", "insert", "--ns", "a.b", "--data", "{}"];
    folder.run(&write).expect_code(3).says(&["[feed] kind = \"managed\""]);
}

#[test]
fn an_embedded_primary_has_no_change_stream() {
    let folder = folder("[feed]\nkind = \"change-stream\"", "sled:app", &[("mirror", "sled:mirror")]);
    folder.run(&["run", "--once"]).expect_code(3).says(&["only MongoDB replica sets", "use \"managed\""]);
}
