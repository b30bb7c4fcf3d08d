//! What a killed process leaves open does not hold up whoever takes its lease over.

use bson::{Document as BsonDocument, doc, rawdoc};
use mongodb::Client;
use oplogsync_core::{
    documents::Documents,
    ids::OwnerId,
    lease::{Lease, LeaseName, Leases},
    testing::{
        chain::{Chain, log_id},
        documents::{namespace, only_id},
    },
};
use oplogsync_mongod::{
    ReplicaSet,
    testing::{binary, test_options},
};
use tokio::runtime::Runtime;

use crate::fixture::{Fixture, bytes, connect};

async fn admin(client: &Client, command: BsonDocument) -> BsonDocument {
    client.database("admin").run_command(command).await.expect("it is run")
}

#[test]
fn a_transaction_that_a_killed_process_left_open_ends_when_its_lease_is_taken_over() {
    let runtime = Runtime::new().expect("it starts");
    let Some(set) = runtime.block_on(async {
        Some(ReplicaSet::start(&binary().await?, "left", 1, test_options()).await.expect("it starts"))
    }) else {
        return;
    };
    let ns = namespace("items");
    let mut chain = Chain::new(log_id(1));
    let first = chain.insert(&ns, only_id(1)).take_batch();
    let second = chain.update(&ns, rawdoc! { "_id": 1, "a": 1 }).insert(&ns, only_id(2)).take_batch();

    // Given a process that is killed while it commits.
    let killed = Runtime::new().expect("it starts");
    let fixture = killed.block_on(async {
        let fixture = Fixture::new(&set.uri(), "left").await;
        fixture.apply(&first).await.expect("it is applied");
        fixture
    });
    runtime.block_on(async {
        let client = Client::with_uri_str(set.uri()).await.expect("it is a uri");
        let data = doc! { "failCommands": ["commitTransaction"], "blockConnection": true, "blockTimeMS": 600_000 };
        let on = doc! { "configureFailPoint": "failCommand", "mode": { "times": 1 }, "data": data };
        let entered = admin(&client, on).await.get_i32("count").expect("it counts");
        let again = second.clone();
        killed.spawn(async move { fixture.apply(&again).await.map(drop) });
        let wait = doc! { "waitForFailPoint": "failCommand", "timesEntered": entered + 1, "maxTimeMS": 30_000 };
        admin(&client, wait).await;
    });
    killed.shutdown_background();

    // When another one takes its lease over, then it can apply what was not committed.
    runtime.block_on(async {
        let store = connect(&set.uri(), "left").await;
        let old = store.lease(LeaseName::Documents).await.expect("it is read").expect("it is held");
        let owner = OwnerId::from_bytes([9; 16]);
        let new = Lease { owner, holder: "another".to_owned(), beat: 0 };
        let is_ours = store.swap_lease(LeaseName::Documents, Some(&old), Some(&new)).await.expect("nobody holds it up");
        assert!(is_ours);
        store.apply(&second, owner).await.expect("it is applied");
        let items = Fixture { store, server: set.uri(), database: "left".to_owned() }.items().await;
        assert_eq!(items, bytes([rawdoc! { "_id": 1, "a": 1 }, only_id(2)]));
    });
}
