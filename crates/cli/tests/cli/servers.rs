//! The program on real MongoDB servers.

use std::{
    io::{BufRead, BufReader},
    net::TcpStream,
    time::Duration,
};

use oplogsync_mongod::{Options, Server, testing};
use oplogsync_store_mongo::{MongoStore, Scope};
use serde_json::json;

use crate::program::{Folder, wait_until};

/// A configuration of nodes on servers: db1 is the primary.
pub(crate) fn config(uris: &[String]) -> String {
    let mut text = "[sync]\npoll_interval = \"200ms\"\n".to_owned();
    for (at, uri) in uris.iter().enumerate() {
        let role = if at == 0 { "primary" } else { "replica" };
        text.push_str(&format!("[[nodes]]\nname = \"db{}\"\nrole = \"{role}\"\nuri = \"{uri}\"\n", at + 1));
    }
    text
}

async fn shared(count: usize) -> Option<Folder> {
    let databases = testing::shared_standalones(count).await?;
    let uris: Vec<_> = databases.iter().map(|database| database.uri().to_owned()).collect();
    Some(Folder::with(&config(&uris)))
}

#[tokio::test(flavor = "multi_thread")]
async fn three_servers_are_kept_in_step() {
    let Some(folder) = shared(3).await else { return };
    folder.run(&["check"]).expect_code(0).shows(&["✓ db1 primary", "empty, to be synced"]);
    let namespace = namespace(&folder);
    folder.run(&["load", "--count", "500", "--ns", &namespace]).expect_code(0);
    folder.run(&["run", "--once"]).expect_code(0);
    let verified = folder.run(&["verify", "--json"]).expect_code(0).json();
    assert_eq!(verified["equal"], json!(true));
    assert!(verified["replicas"][0]["namespaces"][0]["primary"].as_u64().unwrap() > 100, "{verified}");
    folder.run(&["status"]).expect_code(0).shows(&["db2\tcaught_up", "db3\tcaught_up"]);
    folder.run(&["check"]).expect_code(0).shows(&["0 entries behind"]);
    folder.run(&["oplog", "tail", "--ns", &namespace]).expect_code(0).shows(&[&namespace]);
}

/// A collection in the primary's database, which is the only one that the nodes replicate.
pub(crate) fn namespace(folder: &Folder) -> String {
    namespace_of(&std::fs::read_to_string(folder.path().join("oplogsync.toml")).unwrap())
}

/// The same for the text of a configuration.
pub(crate) fn namespace_of(config: &str) -> String {
    let uri = config.lines().find(|line| line.starts_with("uri")).unwrap();
    let database = uri.trim_end_matches('"').rsplit('/').next().unwrap();
    format!("{database}.datas")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_the_nodes_do_not_hold_is_refused() {
    let Some(folder) = shared(2).await else { return };
    folder.run(&["write", "insert", "--ns", "elsewhere.x", "--data", "{}"]).expect_code(4).says(&["elsewhere.x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_database_under_another_address_is_no_replica() {
    let Some(databases) = testing::shared_standalones(1).await else { return };
    let uri = databases[0].uri();
    let alias = uri.replace("127.0.0.1", "127.1");
    assert_ne!(alias, uri);
    let folder = Folder::with(&config(&[uri.to_owned(), alias]));
    folder.run(&["load", "--count", "5", "--ns", &namespace(&folder)]).expect_code(0);
    folder.run(&["check"]).expect_code(3).shows(&["✗ db2 replica", "the primary's own database"]);
    folder.run(&["status"]).expect_code(3).shows(&["db2\tsame_database"]);
    for args in [&["run", "--once"][..], &["verify"]] {
        folder.run(args).expect_code(3).says(&["db2 is the same database as db1", "correct the uri"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_of_a_primary_with_documents_from_elsewhere_what_write_would_refuse() {
    let Some(databases) = testing::shared_standalones(1).await else { return };
    let uri = databases[0].uri().to_owned();
    let folder = Folder::with(&config(&[uri.clone(), "sled:data/db2".to_owned()]));
    let namespace = namespace(&folder);
    let store =
        MongoStore::connect(&uri, "db1", Scope::Server, oplogsync_store_mongo::Options::default()).await.unwrap();
    let documents = store.client().database(databases[0].name()).collection::<bson::Document>("datas");
    documents.insert_one(bson::doc! { "_id": 1 }).await.unwrap();
    let stray = format!("holds documents in {namespace} that came from no oplog");
    let insert = ["write", "insert", "--ns", &namespace, "--data", "{}"];
    folder.run(&insert).expect_code(4).says(&[&stray]);
    folder.run(&["check"]).expect_code(4).shows(&["✗ db1 primary", &stray, "give it an empty database"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_runs_on_real_servers() {
    if testing::binary().await.is_none() {
        return;
    }
    let folder = Folder::new();
    let answer = folder.run(&["demo", "--mongo", "--free-ports"]).expect_code(0);
    answer.shows(&["3 standalone mongod", "✂ db3 killed", "db3 has caught up", "✓ all replicas equal the primary"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_stops_its_servers_however_it_is_stopped() {
    if testing::binary().await.is_none() {
        return;
    }
    for (signals, code) in [(&["-INT"][..], 0), (&["-TERM"], 0), (&["-INT", "-TERM"], 130)] {
        let folder = Folder::new();
        let mut running = folder.start(&["demo", "--mongo", "--free-ports"]);
        let mut lines = BufReader::new(running.take_stdout()).lines().map_while(Result::ok);
        let ports = lines.find_map(|line| line.split_once("on ports ").map(|(_, ports)| ports.to_owned()));
        let ports = ports.unwrap_or_else(|| panic!("no servers: {}", folder.log()));
        let ports: Vec<u16> = ports.split(", ").map(|port| port.parse().unwrap()).collect();
        let is_up = |port: &u16| TcpStream::connect(("127.0.0.1", *port)).is_ok();
        assert!(ports.len() == 3 && ports.iter().all(is_up), "{ports:?}");
        assert!(lines.any(|line| line.contains("▶")));
        for signal in signals {
            running.signal(signal);
            let told = lines.find(|line| line.contains("stopped writing"));
            assert!(told.is_some() || code == 130, "{signals:?}");
        }
        lines.by_ref().for_each(drop);
        running.wait().expect_code(code);
        assert!(!ports.iter().any(is_up), "{signals:?}: {ports:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_named_with_the_way_out() {
    let Some(binary) = testing::binary().await else { return };
    let Ok(_taken) = Server::start(&binary, Options::default().port(27019)).await else {
        // Something else has the port: as good.
        Folder::new().run(&["demo", "--mongo"]).expect_code(9).says(&["27019", "--free-ports"]);
        return;
    };
    Folder::new().run(&["demo", "--mongo"]).expect_code(9).says(&["27019", "--free-ports"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_within_five_seconds() {
    let Some(binary) = testing::binary().await else { return };
    let server = Server::start(&binary, Options::default().user("app", "right")).await.unwrap();
    let wrong = server.uri_of("db1").replace("right", "wrong");
    let replica = Folder::with(&config(&["sled:data/db1".to_owned(), wrong.clone()]));
    replica.run(&["load", "--count", "5", "--ns", "db1.a"]).expect_code(0);
    for args in [&["check"][..], &["status"], &["verify"], &["run", "--once"]] {
        let answer = replica.run(args).expect_code(5);
        assert!(answer.took < Duration::from_secs(5), "{args:?}: {answer:#?}");
    }
    let folder = Folder::with(&config(&[wrong, "sled:data/db2".to_owned()]));
    for args in [&["check"][..], &["status"], &["run", "--once"], &["write", "delete", "--ns", "db1.a", "--id", "1"]] {
        let answer = folder.run(args).expect_code(4);
        assert!(answer.took < Duration::from_secs(5), "{args:?}: {answer:#?}");
        let text = answer.stdout.clone() + &answer.stderr;
        assert!(text.contains("access is denied") && !text.contains("wrong@"), "{args:?}: {answer:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_told_within_five_seconds() {
    let Some(database) = testing::shared_standalones(1).await else { return };
    let gone = "mongodb://127.0.0.1:1/db2".to_owned();
    let folder = Folder::with(&config(&[database[0].uri().to_owned(), gone.clone()]));
    for args in [&["check"][..], &["status"], &["verify"]] {
        let answer = folder.run(args).expect_code(5);
        assert!(answer.took < Duration::from_secs(5), "{args:?}: {answer:#?}");
        let text = answer.stdout.clone() + &answer.stderr;
        assert!(text.contains("127.0.0.1:1"), "{args:?}: {answer:#?}");
    }
    let folder = Folder::with(&config(&[gone, database[0].uri().to_owned()]));
    for args in [&["check"][..], &["status"], &["verify"], &["oplog", "tail"]] {
        let answer = folder.run(args).expect_code(4);
        assert!(answer.took < Duration::from_secs(5), "{args:?}: {answer:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_down_at_start_and_another_that_dies_do_not_disturb_the_rest() {
    let Some(binary) = testing::binary().await else { return };
    let primary = Server::start(&binary, testing::test_options()).await.unwrap();
    let mut late = Server::start(&binary, testing::test_options()).await.unwrap();
    let uris = [primary.uri_of("db1"), late.uri_of("db2"), "sled:data/db3".to_owned()];
    let folder = Folder::with(&config(&uris));
    late.kill().unwrap();
    folder.run(&["load", "--count", "300"]).expect_code(0);
    let running = folder.start(&["run", "--log-format", "text", "--progress-every", "200ms"]);
    folder.wait_for_log("node=db3 state=caught_up");
    folder.wait_for_log("retrying node=db2");
    late.restart().await.unwrap();
    folder.wait_for_log("node=db2 state=caught_up");
    let before = folder.log().matches("retrying node=db2").count();
    late.kill().unwrap();
    folder.run(&["load", "--count", "100", "--seed", "9", "--ns", "db1.more"]).expect_code(0);
    wait_until("db2 to be missed", || folder.log().matches("retrying node=db2").count() > before);
    // What was known of its lag is old by now.
    folder.wait_for_log("progress node=db2 state=retrying applied=");
    late.restart().await.unwrap();
    folder.wait_for_log("back node=db2");
    wait_until("db2 to catch up", || {
        let status = folder.log();
        status
            .lines()
            .rev()
            .find(|line| line.contains("progress node=db2"))
            .is_some_and(|line| line.contains("caught_up"))
    });
    running.signal("-TERM");
    running.wait().expect_code(0);
    // db3 is embedded, so it can be looked at now that nobody uses it.
    folder.run(&["run", "--once"]).expect_code(0);
    folder.run(&["verify"]).expect_code(0).shows(&["✓ db2", "✓ db3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_on_the_same_targets_is_busy_and_the_first_goes_on() {
    let Some(folder) = shared(2).await else { return };
    let namespace = namespace(&folder);
    folder.run(&["load", "--count", "50", "--ns", &namespace]).expect_code(0);
    let mut running = folder.start(&["run", "--log-format", "text", "--progress-every", "200ms"]);
    folder.wait_for_log("node=db2 state=caught_up");
    folder.run(&["run"]).expect_code(9).says(&["db2", "oplogsync process", "stop that one"]);
    // A writer is no rival: the primary's log is free.
    folder.run(&["write", "insert", "--ns", &namespace, "--data", "{}"]).expect_code(0);
    assert!(running.is_running());
    running.signal("-TERM");
    running.wait().expect_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_somebody_changed_on_a_replica_is_found() {
    let Some(databases) = testing::shared_standalones(2).await else { return };
    let uris: Vec<_> = databases.iter().map(|database| database.uri().to_owned()).collect();
    let folder = Folder::with(&config(&uris));
    let namespace = namespace(&folder);
    let insert = ["write", "insert", "--ns", &namespace, "--data", "-"];
    folder.feed(&insert, "{\"_id\": 1, \"a\": 1}\n{\"_id\": 2, \"a\": 1}\n").expect_code(0);
    folder.run(&["run", "--once"]).expect_code(0);
    let replica =
        MongoStore::connect(&uris[1], "db2", Scope::Server, oplogsync_store_mongo::Options::default()).await.unwrap();
    let database = replica.client().database(databases[1].name());
    let documents = database.collection::<bson::Document>("datas");
    assert_eq!(documents.delete_one(bson::doc! { "_id": 1 }).await.unwrap().deleted_count, 1);
    folder.run(&["verify"]).expect_code(7).shows(&["✗ db2", &format!("{namespace} 1 missing")]);
    let update = ["write", "update", "--ns", &namespace, "--id", "1", "--data", r#"{"$set": {"a": 2}}"#];
    folder.run(&update).expect_code(0);
    folder.run(&["run", "--once"]).expect_code(7).says(&["db2", &namespace, "something else wrote to the node"]);
    folder.run(&["status"]).expect_code(5).shows(&["db2\tstopped", "something else wrote"]);
}
