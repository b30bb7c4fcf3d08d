use bson::doc;
use oplogsync_mongod::{Options, ReplicaSet, ServerError, testing};

use crate::{admin, client, count, insert};

#[tokio::test]
async fn a_set_of_one_member_takes_transactions() {
    let Some(binary) = testing::binary().await else { return };
    let set = ReplicaSet::start(&binary, "one", 1, Options::default()).await.unwrap();
    assert_eq!(set.wait_for_primary().await.unwrap(), 0);
    let client = client(&set.uri()).await;
    let mut session = client.start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    client.database("t").collection("c").insert_one(doc! { "_id": 1 }).session(&mut session).await.unwrap();
    session.commit_transaction().await.unwrap();
    assert_eq!(count(&set.members()[0].uri()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_set_of_three_members_elects_another_primary_when_the_first_is_killed() {
    let Some(binary) = testing::binary().await else { return };
    let mut set = ReplicaSet::start(&binary, "three", 3, Options::default()).await.unwrap();
    let first = set.wait_for_primary().await.unwrap();
    let majority = doc! { "insert": "c", "documents": [{ "_id": 1 }], "writeConcern": { "w": "majority" } };
    client(&set.uri()).await.database("t").run_command(majority).await.unwrap();

    set.members_mut()[first].kill().unwrap();
    let second = set.wait_for_primary().await.unwrap();

    assert_ne!(second, first);
    assert_eq!(count(&set.uri()).await.unwrap(), 1);
    set.members_mut()[first].restart().await.unwrap();
    let status = admin(&set.members()[first].uri(), doc! { "hello": 1 }).await.unwrap();
    assert_eq!(status.get_str("setName").unwrap(), "three");
}

#[tokio::test]
async fn a_set_with_a_user_refuses_everybody_else_and_can_be_kept() {
    let Some(binary) = testing::binary().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let options = Options::default().user("u", "p").folder(folder.path());
    let set = ReplicaSet::start(&binary, "auth", 1, options.clone()).await.unwrap();
    insert(&set.uri(), 1).await.unwrap();
    let port = set.members()[0].port();
    let stranger = format!("mongodb://127.0.0.1:{port}/?replicaSet=auth");
    assert!(insert(&stranger, 2).await.unwrap_err().to_string().contains("requires authentication"));
    drop(set);

    let set = ReplicaSet::start(&binary, "auth", 1, options.port(port)).await.unwrap();
    assert_eq!(count(&set.uri()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_set_without_members_is_refused() {
    let Some(binary) = testing::binary().await else { return };
    let error = ReplicaSet::start(&binary, "none", 0, Options::default()).await.unwrap_err();
    assert!(matches!(error, ServerError::Members { members: 0 }));
}
