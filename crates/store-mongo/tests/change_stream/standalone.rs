//! A standalone server as the target, which cannot write documents and checkpoint as one.

use bson::doc;
use oplogsync_core::{
    documents::{Applied, Documents},
    testing::chain::{Chain, log_id},
};
use oplogsync_mongod::{
    Server,
    testing::{binary, test_options},
};

use crate::fixture::Fixture;

/// A feed whose last entry did nothing has others to tell when it is asked again: a note would bind it to that one.
#[tokio::test]
async fn what_changes_no_document_is_applied_by_one_write_and_leaves_no_note() {
    let Some(binary) = binary().await else { return };
    let server = Server::start(&binary, test_options()).await.expect("it starts");
    let fixture = Fixture::new(&server.uri(), "target").await;
    let batch = Chain::new(log_id(1)).noops(1).take_batch();
    // The note would be the first one, the checkpoint the second.
    let data = doc! { "failCommands": ["findAndModify"], "errorCode": 91 };
    let fail = doc! { "configureFailPoint": "failCommand", "mode": { "skip": 1 }, "data": data };
    let admin = fixture.store.client().database("admin");
    admin.run_command(fail).await.expect("it is set");
    assert_eq!(fixture.apply(&batch).await.expect("it is applied"), Applied::default());
    assert_eq!(fixture.store.unfinished().await.expect("it is read"), None);
    assert_eq!(fixture.checkpoint().await.map(|checkpoint| checkpoint.anchor), Some(batch.last()));
}
