//! A spool keeps what the source forgets.

use oplogsync_mongod::{
    Server,
    testing::{self, Database, test_options},
};

use super::source::{Application, Source, copies, folder};

/// Keeps a spool beside the configuration.
pub(super) const SPOOL: &str = "[feed]\nspool = \"sled:spool\"";

/// A database on a shared server, and who looks at it.
async fn near() -> (Database, Application) {
    let near = testing::shared_standalones(1).await.unwrap().remove(0);
    let replica = Application::on(near.server()).await;
    (near, replica)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_was_away_goes_on_from_the_spool_though_the_source_has_forgotten() {
    let Some(source) = Source::start_forgetful().await else { return };
    let (near, replica) = near().await;
    let mut alone = Server::start(&testing::binary().await.unwrap(), test_options()).await.unwrap();
    let nodes = [("alone", alone.uri_of("shop")), ("near", near.uri().to_owned())];
    let nodes = nodes.each_ref().map(|(name, uri)| (*name, uri.as_str()));
    let folder = folder(SPOOL, &source.set.uri_of("shop"), &nodes);
    source.fill("shop.orders", 0..10, 10).await;
    let first = folder.run(&["run", "--once", "--log-format", "text"]).expect_code(0);
    first.says(&["following feed=\"change-stream, spooled\"", "capturing into the spool"]);
    folder.run(&["verify"]).expect_code(0).shows(&["✓ alone", "✓ near"]);

    // The replica is away, the capture goes on, and time passes.
    let running = folder.start(&["run", "--log-format", "text", "--progress-every", "1s"]);
    folder.wait_for_log("following node=near");
    alone.kill().unwrap();
    folder.wait_for_log("retrying node=alone");
    source.overrun_slowly("shop.large", &replica, &format!("{}.large", near.name())).await;
    source.fill("shop.marks", 0..1, 10).await;
    alone.restart().await.unwrap();
    Application::on(&alone.uri()).await.wait_for("shop.marks", 0).await;
    running.signal("-TERM");
    assert_eq!(running.wait().code, 0, "{}", folder.log());
    assert!(!copies(&folder.log()), "{}", folder.log());

    folder.run(&["run", "--once"]).expect_code(0);
    folder.run(&["verify"]).expect_code(0).shows(&["✓ alone", "✓ near"]);
    folder.run(&["status"]).expect_code(0).shows(&["alone\tfollowing", "near\tfollowing"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_nobody_runs_is_waited_for_by_the_spool() {
    let Some(source) = Source::start_forgetful().await else { return };
    let (near, replica) = near().await;
    let folder = folder(SPOOL, &source.set.uri_of("shop"), &[("near", near.uri()), ("far", "sled:far")]);
    source.fill("shop.orders", 0..10, 10).await;
    folder.run(&["run", "--once"]).expect_code(0);

    let running = folder.start(&["run", "--node", "near"]);
    source.overrun_slowly("shop.large", &replica, &format!("{}.large", near.name())).await;
    running.signal("-TERM");
    assert_eq!(running.wait().code, 0, "{}", folder.log());

    let late = folder.run(&["run", "--once"]).expect_code(0);
    assert!(!copies(&late.stderr), "{late:?}");
    folder.run(&["verify"]).expect_code(0).shows(&["✓ near", "✓ far"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_that_nobody_filled_for_too_long_is_begun_anew() {
    let Some(source) = Source::start_forgetful().await else { return };
    let folder = folder(SPOOL, &source.uri(), &[("mirror", "sled:mirror")]);
    source.fill("shop.orders", 0..10, 10).await;
    folder.run(&["run", "--once"]).expect_code(0);
    source.overrun("shop.large").await;
    for _ in 0..2 {
        let stale = folder.run(&["run", "--once"]).expect_code(8);
        let remedy = "remove the folder spool, and sync every replica anew: `oplogsync resync NODE --confirm NODE`";
        stale.says(&["the spool cannot be filled", "too stale", remedy]);
    }
    std::fs::remove_dir_all(folder.path().join("spool")).unwrap();
    folder.run(&["resync", "mirror", "--confirm", "mirror"]).expect_code(0).says(&["initial sync begins"]);
    source.fill("shop.orders", 10..20, 10).await;
    folder.run(&["run", "--once"]).expect_code(0);
    folder.run(&["verify"]).expect_code(0);
}
