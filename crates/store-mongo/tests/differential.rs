//! The rules of core against a real mongod: the same documents, byte for byte, and the same
//! error codes.
//!
//! `OPLOGSYNC_SEED` replays a run, `OPLOGSYNC_CASES` sets the number of cases.

mod apply_ops;
mod changes;
mod diffs;
mod generate;
mod ids;
mod pipelines;
mod random;
mod sections;
mod updates;
mod whole_documents;

use std::{collections::HashMap, env};

use bson::Document as Fields;
use mongodb::{Client, Database};
use oplogsync_core::clock::OpTime;

use self::random::Random;

/// A time that no generated value has.
const NOW: (u32, u32) = (2_000_000_000, 7);

fn now() -> OpTime {
    OpTime::from_timestamp(NOW.0, NOW.1)
}

/// A database on a shared server, or nothing when tests are to run without one.
async fn database() -> Option<Database> {
    let nodes = oplogsync_mongod::testing::shared_standalones(1).await?;
    let client = Client::with_uri_str(nodes[0].uri()).await.unwrap();
    Some(client.database(nodes[0].name()))
}

/// The randomness of a test, and how to get it again.
fn random(test: &str) -> Random {
    let from_env = env::var("OPLOGSYNC_SEED").ok().map(|seed| seed.parse().expect("OPLOGSYNC_SEED is a number"));
    let seed = from_env.unwrap_or_else(Random::seed);
    eprintln!("replay with: OPLOGSYNC_SEED={seed} cargo test -p oplogsync-store-mongo --test main {test}");
    Random::new(seed)
}

fn cases(default: usize) -> usize {
    env::var("OPLOGSYNC_CASES").map_or(default, |cases| cases.parse().expect("OPLOGSYNC_CASES is a number"))
}

/// Runs a write command of many statements; the error codes by statement, in the end.
async fn write(database: &Database, command: Fields) -> HashMap<usize, (i32, String)> {
    let reply = database.run_command(command).await.unwrap();
    let errors = reply.get_array("writeErrors").cloned().unwrap_or_default();
    let error = |error: &bson::Bson| {
        let error = error.as_document().unwrap();
        let index = usize::try_from(error.get_i32("index").unwrap()).unwrap();
        (index, (error.get_i32("code").unwrap(), error.get_str("errmsg").unwrap_or_default().to_owned()))
    };
    errors.iter().map(error).collect()
}

/// Fails with the first of the differences.
fn report(differences: &[String]) {
    let shown: Vec<_> = differences.iter().take(5).map(String::as_str).collect();
    assert!(differences.is_empty(), "{} differences, the first:\n{}", differences.len(), shown.join("\n"));
}
