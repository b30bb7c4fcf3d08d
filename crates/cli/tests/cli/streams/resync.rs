//! A replica is copied anew on purpose, and only on purpose.

use bson::doc;
use oplogsync_mongod::testing;

use super::source::{Application, copies, folder};

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_copied_anew_when_that_is_confirmed() {
    let Some(set) = testing::shared_replica_set().await else { return };
    let alone = testing::shared_standalones(1).await.unwrap().remove(0);
    let (source, replica) = (Application::on(set.server()).await, Application::on(alone.server()).await);
    let (origin, copy) = (format!("{}.orders", set.name()), format!("{}.orders", alone.name()));
    source.fill(&origin, 0..100, 10).await;
    let folder = folder("", set.uri(), &[("alone", alone.uri()), ("mirror", "sled:mirror")]);
    folder.run(&["run", "--once"]).expect_code(0);
    // Somebody has been there.
    replica.collection(&copy).delete_one(doc! { "_id": 7 }).await.unwrap();
    replica.insert(&format!("{}.stray", alone.name()), [doc! { "_id": 1 }]).await;
    source.fill(&origin, 100..110, 10).await;

    for args in [&["resync", "alone"][..], &["resync", "alone", "--confirm", "mirror"]] {
        folder.run(args).expect_code(2).says(&["everything that alone holds", "--confirm alone"]);
        assert_eq!(replica.collections(alone.name()).await, ["orders", "stray"]);
        assert_eq!(replica.count(&copy).await, 99);
    }
    folder.run(&["resync", "app", "--confirm", "app"]).expect_code(3).says(&["`app` is the primary"]);
    folder.run(&["resync", "nobody", "--confirm", "nobody"]).expect_code(3).says(&["alone, mirror"]);

    let answer = folder.run(&["resync", "alone", "--confirm", "alone"]).expect_code(0);
    answer.says(&["initial sync begins", "everything is copied"]);
    assert_eq!(replica.collections(alone.name()).await, ["orders"]);
    assert_eq!(replica.count(&copy).await, 110);
    folder.run(&["resync", "mirror", "--confirm", "mirror"]).expect_code(0).says(&["initial sync begins"]);
    folder.run(&["verify"]).expect_code(0).shows(&["✓ alone", "✓ mirror"]);
    let again = folder.run(&["run", "--once"]).expect_code(0);
    assert!(!copies(&again.stderr), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_in_use_is_not_copied_anew() {
    let Some(set) = testing::shared_replica_set().await else { return };
    let alone = testing::shared_standalones(1).await.unwrap().remove(0);
    let (source, replica) = (Application::on(set.server()).await, Application::on(alone.server()).await);
    source.fill(&format!("{}.orders", set.name()), 0..10, 10).await;
    let folder = folder("", set.uri(), &[("alone", alone.uri())]);
    let mut running = folder.start(&["run"]);
    replica.wait_for(&format!("{}.orders", alone.name()), 9).await;
    folder.run(&["resync", "alone", "--confirm", "alone"]).expect_code(9).says(&["alone", "stop that one"]);
    assert!(running.is_running());
    assert_eq!(replica.count(&format!("{}.orders", alone.name())).await, 10);
    running.signal("-TERM");
    running.wait().expect_code(0);
}
