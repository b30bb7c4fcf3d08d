//! What a server would change or refuse of a document is stored as it is.

use bson::{RawDocumentBuf, Timestamp, rawdoc};
use oplogsync_core::{
    apply::Existence,
    documents::Documents,
    store_error::Fault,
    testing::{
        chain::{Chain, log_id},
        documents::{id, namespace},
    },
};

use crate::fixture::{Fixture, bytes};

const EMPTY: Timestamp = Timestamp { time: 0, increment: 0 };

fn empty(number: i32, text: &str) -> RawDocumentBuf {
    rawdoc! { "_id": number, "t": EMPTY, "text": text }
}

#[tokio::test]
async fn an_empty_timestamp_stays_empty_however_it_is_written() {
    let ns = namespace("items");
    for fixture in Fixture::both().await {
        let mut chain = Chain::new(log_id(1));
        chain.insert(&ns, empty(1, "new")).insert(&ns, rawdoc! { "_id": 2 }).insert(&ns, rawdoc! { "_id": EMPTY });
        fixture.apply(&chain.take_batch()).await.expect("inserted");
        let inserted = [empty(1, "new"), rawdoc! { "_id": 2 }, rawdoc! { "_id": EMPTY }];
        assert_eq!(fixture.items().await, bytes(inserted));
        chain.update(&ns, empty(1, "replaced")).update(&ns, empty(2, "replaced"));
        chain.delete(&ns, id(EMPTY)).insert(&ns, rawdoc! { "_id": EMPTY, "t": EMPTY });
        fixture.apply(&chain.take_batch()).await.expect("replaced");
        let replaced = [empty(1, "replaced"), empty(2, "replaced"), rawdoc! { "_id": EMPTY, "t": EMPTY }];
        assert_eq!(fixture.items().await, bytes(replaced));
    }
}

#[tokio::test]
async fn an_insert_with_an_empty_timestamp_is_as_strict_as_any() {
    let ns = namespace("items");
    for fixture in Fixture::both().await {
        let mut chain = Chain::new(log_id(1));
        fixture.apply(&chain.insert(&ns, empty(1, "first")).take_batch()).await.expect("inserted");
        fixture.collection("items").insert_one(bson::doc! { "_id": 2, "text": "foreign" }).await.unwrap();
        let batch = chain.insert(&ns, empty(2, "second")).take_batch();
        for _ in 0..2 {
            let error = fixture.apply(&batch).await.expect_err("it is there");
            let expected = Fault::Drift { ns: ns.clone(), id: id(2), needs: Existence::Absent, index: 2 };
            assert_eq!(error.fault(), &expected);
        }
        let kept = [empty(1, "first"), rawdoc! { "_id": 2, "text": "foreign" }];
        assert_eq!(fixture.items().await, bytes(kept));
        fixture.store.unfinished().await.expect("it is read");
    }
}
