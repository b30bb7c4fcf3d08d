//! A replica set with something in it that no replica can follow.

use bson::doc;
use oplogsync_mongod::testing;
use oplogsync_store_mongo::{MongoStore, Options, Scope};

use crate::{program::Folder, servers::config};

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_replicated_is_named_with_the_line_that_leaves_it_out() {
    let Some(database) = testing::shared_replica_set().await else { return };
    let store = MongoStore::connect(database.uri(), "db1", Scope::Server, Options::default()).await.unwrap();
    let source = store.client().database(database.name());
    source.collection("datas").insert_one(doc! { "_id": 1 }).await.unwrap();
    for create in [
        doc! { "create": "newest", "capped": true, "size": 4096 },
        doc! { "create": "measured", "timeseries": { "timeField": "t" } },
    ] {
        source.run_command(create).await.unwrap();
    }
    let config = config(&[database.uri().to_owned(), "sled:data/db2".to_owned()]);
    let folder = Folder::with(&config);
    let named = |collection: &str| format!("\"{}.{collection}\"", database.name());
    let exclude = format!("[filter] exclude = [{}, {}]", named("measured"), named("newest"));
    let check = folder.run(&["check"]).expect_code(3);
    check.shows(&["✗   collections", "a capped collection cannot be replicated", "time-series", &exclude]);
    let run = folder.run(&["run", "--once"]).expect_code(3);
    let run =
        run.says(&[&format!("cannot be replicated: leave it out by `[filter] exclude = [\"{}.", database.name())]);
    assert!(!run.stderr.contains("format is not known"), "{}", run.stderr);
    for mode in ["count", "digest", "full"] {
        let verify = folder.run(&["verify", "--mode", mode]).expect_code(3);
        verify.says(&["db1: cannot be followed", &format!("[filter] exclude = [{}]", named("measured"))]);
    }
    let tail = folder.run(&["oplog", "tail"]).expect_code(3);
    tail.says(&["db1 is followed by its change stream, and holds no oplog of ours"]);

    folder.write("oplogsync.toml", &format!("{config}{}\n", exclude.replace("[filter] ", "[filter]\n")));
    let run = folder.run(&["run", "--once"]).expect_code(0);
    folder.run(&["verify"]).expect_code(0).shows(&["✓ db2"]);
    folder.run(&["check"]).expect_code(0).shows(&["✓   collections  1 collection"]);
    assert!(run.stderr.contains("progress") && !run.stderr.contains("headroom="), "{}", run.stderr);
}

/// The oplog tells of nothing that others have put beside it, so it is not in the way.
#[tokio::test(flavor = "multi_thread")]
async fn beside_a_managed_oplog_it_is_in_nobodys_way() {
    let Some(mut databases) = testing::shared_standalones(1).await else { return };
    let database = databases.remove(0);
    let store = MongoStore::connect(database.uri(), "db1", Scope::Server, Options::default()).await.unwrap();
    let create = doc! { "create": "newest", "capped": true, "size": 4096 };
    store.client().database(database.name()).run_command(create).await.unwrap();
    let folder = Folder::with(&config(&[database.uri().to_owned(), "sled:data/db2".to_owned()]));
    let namespace = format!("{}.orders", database.name());
    folder.run(&["write", "insert", "--ns", &namespace, "--data", "{}"]).expect_code(0);
    folder.run(&["check"]).expect_code(0);
    folder.run(&["run", "--once"]).expect_code(0);
    folder.run(&["verify"]).expect_code(0).shows(&["✓ db2"]);
}
