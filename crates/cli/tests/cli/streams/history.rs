//! A source that has forgotten what a replica still needs is told apart, for good, with the way out.

use serde_json::json;

use super::{
    source::{Source, folder},
    spool::SPOOL,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_was_away_for_too_long_is_too_stale_until_it_is_copied_anew() {
    let Some(source) = Source::start_forgetful().await else { return };
    let folder = folder("", &source.uri(), &[("mirror", "sled:mirror")]);
    source.fill("shop.orders", 0..10, 10).await;
    folder.run(&["run", "--once"]).expect_code(0);
    source.overrun("shop.large").await;

    // It is remembered: asked again, it says the same.
    for _ in 0..2 {
        let stale = folder.run(&["run", "--once"]).expect_code(8);
        stale.says(&["mirror cannot follow app", "too stale", "oplogsync resync mirror --confirm mirror", "spool"]);
        folder
            .run(&["status"])
            .expect_code(8)
            .shows(&["mirror\ttoo_stale", "oplogsync resync mirror --confirm mirror"]);
    }
    let status = folder.run(&["status", "--json"]).expect_code(8).json();
    assert_eq!(status["replicas"][0]["state"], json!("too_stale"));
    folder.run(&["check"]).expect_code(8).shows(&["✗ mirror replica", "too stale", "oplogsync resync mirror"]);

    folder.run(&["resync", "mirror", "--confirm", "mirror"]).expect_code(0).says(&["initial sync begins"]);
    source.fill("shop.orders", 10..20, 10).await;
    folder.run(&["run", "--once"]).expect_code(0);
    folder.run(&["status"]).expect_code(0).shows(&["mirror\tfollowing"]);
    folder.run(&["verify"]).expect_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_others_still_follow_goes_on_with_those() {
    let Some(source) = Source::start_forgetful().await else { return };
    let folder = folder("", &source.uri(), &[("near", "sled:near"), ("far", "sled:far")]);
    source.fill("shop.orders", 0..10, 10).await;
    folder.run(&["run", "--once"]).expect_code(0);
    source.overrun("shop.large").await;
    folder.run(&["resync", "near", "--confirm", "near"]).expect_code(0);

    source.fill("shop.orders", 10..20, 10).await;
    let both = folder.run(&["run", "--once"]).expect_code(8);
    both.says(&["far cannot follow app", "oplogsync resync far --confirm far"]);
    folder.run(&["status"]).expect_code(8).shows(&["near\tfollowing", "far\ttoo_stale"]);
    folder.run(&["verify", "--node", "near"]).expect_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_sleeps_for_too_long_is_overtaken_and_says_so() {
    for (feed, stopped) in [("", "mirror cannot follow app"), (SPOOL, "the spool cannot be filled")] {
        let Some(source) = Source::start_forgetful().await else { return };
        let folder = folder(feed, &source.uri(), &[("mirror", "sled:mirror")]);
        source.fill("shop.orders", 0..10, 10).await;
        let running = folder.start(&["run", "--log-format", "text"]);
        folder.wait_for_log("following node=mirror");
        running.signal("-STOP");
        source.overrun("shop.large").await;
        running.signal("-CONT");
        assert_eq!(running.wait().code, 8, "{}", folder.log());
        for text in [stopped, "too stale", "oplogsync resync"] {
            assert!(folder.log().contains(text), "`{text}` is missing: {}", folder.log());
        }
    }
}
