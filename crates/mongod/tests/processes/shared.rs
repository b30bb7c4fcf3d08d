use std::{
    collections::HashSet,
    env,
    process::{Command, Output},
};

use oplogsync_mongod::testing;

use crate::{count, insert};

const WITHOUT: &str = "OPLOGSYNC_WITHOUT_MONGOD";

#[test]
fn shared_servers_outlive_the_runtime_that_started_them() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let Some(first) = runtime().block_on(testing::shared_standalones(1)) else { return };
    let Some(second) = runtime().block_on(testing::shared_standalones(2)) else { return };

    assert_eq!(first[0].server(), second[0].server());
    assert_ne!(second[0].server(), second[1].server());
    let names: HashSet<_> = [&first[0], &second[0], &second[1]].map(testing::Database::name).into();
    assert_eq!(names.len(), 3);
    for database in [&first[0], &second[1]] {
        runtime().block_on(insert(database.uri(), 1)).unwrap_or_else(|error| panic!("{}: {error}", database.uri()));
    }
}

#[tokio::test]
async fn the_shared_replica_set_has_a_primary() {
    let Some(database) = testing::shared_replica_set().await else { return };
    insert(database.server(), 1).await.unwrap();
    assert_eq!(count(database.server()).await.unwrap(), 1);
    assert!(database.uri().contains(database.name()));
}

/// Runs a test that needs a mongod in a process of its own, with one variable set.
fn run_with(variable: &str, value: &str) -> (Output, String) {
    let test = ["--exact", "shared::the_shared_replica_set_has_a_primary"];
    let output =
        Command::new(env::current_exe().unwrap()).args(test).env_remove(WITHOUT).env(variable, value).output().unwrap();
    // The harness keeps back what a test prints, until it fails.
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output, said)
}

#[test]
fn a_test_is_skipped_loudly_on_request() {
    let (output, said) = run_with(WITHOUT, "1");
    assert!(output.status.success(), "{said}");
    assert!(said.contains("SKIPPED: shared::the_shared_replica_set_has_a_primary"), "{said}");
}

#[test]
fn a_test_without_a_mongod_fails_with_what_to_do() {
    let (output, said) = run_with("MONGOD_BIN", "/nonexistent/mongod");
    assert!(!output.status.success());
    assert!(said.contains("MONGOD_BIN=/nonexistent/mongod does not run"), "{said}");
}
