//! `check` says of a source what a copy and a change stream need, and how to mend what is missing.

use bson::doc;

use super::source::{Source, folder};

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_matters_of_a_source_is_told() {
    let Some(source) = Source::start().await else { return };
    source.fill("shop.orders", 0..300, 10).await;
    let index = doc! { "key": { "no": 1 }, "name": "no_1", "unique": true, "sparse": true };
    source.command("shop", doc! { "createIndexes": "orders", "indexes": [index] }).await;
    let folder = folder("", &source.uri(), &[("mirror", "sled:mirror")]);
    let told = [
        "✓ app primary",
        "MongoDB 6.0",
        "replica set source, 1 member, followed by its change stream",
        "set id ",
        "the server demands none",
        "its clock is within",
        "1 collection, 300 documents",
        "1 unique index, built when everything is from one moment",
        "reaches back ",
        "a copy takes about 0s at most",
        "MiB of disk are free",
        "✓ mirror replica",
        "empty, to be synced",
    ];
    folder.run(&["check"]).expect_code(0).shows(&told);
    folder.run(&["run", "--once"]).expect_code(0);
    folder.run(&["check"]).expect_code(0).shows(&["it follows"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_replicated_is_named_with_the_filter_that_leaves_it_out() {
    let Some(source) = Source::start().await else { return };
    source.fill("shop.orders", 0..3, 10).await;
    source.command("shop", doc! { "create": "weather", "timeseries": { "timeField": "at" } }).await;
    let nodes = [("mirror", "sled:mirror")];
    let folder = folder("", &source.uri(), &nodes);
    let fix = "[filter] exclude = [\"shop.weather\"]";
    folder.run(&["check"]).expect_code(3).shows(&["✗   collections", "shop.weather", fix]);
    folder.write("oplogsync.toml", &super::source::config(&fix.replace("] ", "]\n"), &source.uri(), &nodes));
    folder.run(&["check"]).expect_code(0).shows(&["1 collection, 3 documents"]);
    folder.run(&["run", "--once"]).expect_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oplog_that_does_not_last_for_a_copy_is_warned_of() {
    let Some(source) = Source::start_forgetful().await else { return };
    source.fill("shop.large", 0..100, 1_000_000).await;
    source.overrun("shop.large").await;
    let folder = folder("", &source.uri(), &[("mirror", "sled:mirror")]);
    let fix = ["!   oplog", "reaches back", "replSetResizeOplog", "or set [feed] spool"];
    folder.run(&["check"]).expect_code(0).shows(&fix).shows(&["1 warning"]);
}
