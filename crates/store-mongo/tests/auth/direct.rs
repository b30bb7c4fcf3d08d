//! One member of a set, reached by an address of its own.

use bson::{doc, rawdoc};
use oplogsync_core::{
    documents::Documents,
    store_error::Fault,
    testing::{
        chain::{Chain, log_id},
        documents::namespace,
    },
};
use oplogsync_mongod::{
    Server,
    testing::{binary, test_options},
};

use super::{attempt, told, uri};
use crate::{
    fixture::{lease, owner},
    proxy::{Proxy, Script},
};

/// A set of one member whose name leads there only as long as the proxy is there.
async fn member(server: &Server, name: &Proxy) {
    let client = mongodb::Client::with_uri_str(uri(server, "directConnection=true")).await.unwrap();
    let host = format!("127.0.0.1:{}", name.port);
    let config = doc! { "_id": "far", "members": [{ "_id": 0, "host": host }] };
    client
        .database("admin")
        .run_command(doc! { "replSetInitiate": config })
        .await
        .expect("it knows itself by that name");
    let primary = async {
        loop {
            let hello = client.database("admin").run_command(doc! { "hello": 1 }).await.unwrap();
            if hello.get_bool("isWritablePrimary").unwrap() {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), primary).await.expect("it becomes a primary");
}

#[tokio::test]
async fn a_set_whose_names_lead_nowhere_is_reached_through_one_member_directly() {
    let Some(binary) = binary().await else { return };
    let server = Server::start(&binary, test_options().arg("--replSet").arg("far")).await.expect("it starts");
    let name = Proxy::start(server.port(), Script::new()).await;
    member(&server, &name).await;
    attempt(&uri(&server, "replicaSet=far")).await.expect("its name leads there");

    drop(name);

    let error = attempt(&uri(&server, "replicaSet=far")).await.unwrap_err();
    assert_eq!(error.fault(), &Fault::Unavailable, "{}", told(&error));
    let store = attempt(&uri(&server, "directConnection=true")).await.expect("it answers");
    assert!(store.is_transactional());
    lease(&store).await;
    let mut chain = Chain::new(log_id(1));
    let batch = chain.insert(&namespace("items"), rawdoc! { "_id": 1 }).take_batch();
    store.apply(&batch, owner()).await.expect("a batch is one transaction there");
    assert_eq!(store.namespaces().await.unwrap(), [namespace("items")]);
}
