//! Changes of parts of documents: each is made to the document as it is, once, or is told to be misfit.

use bson::{RawDocumentBuf, doc, rawdoc};
use oplogsync_core::{
    apply::Existence,
    batch::Batch,
    documents::{Applied, Documents},
    limits::DOCUMENT_BYTES_MAX,
    store_error::Fault,
    testing::{
        chain::{Chain, log_id, valid},
        documents::{id, namespace, only_id},
    },
};

use crate::fixture::{Fixture, bytes, patch, replayed, words};

/// Documents 1 to 3, `{ _id, a: 0, sub: { b: [1] } }`.
async fn filled() -> Vec<(Fixture, Chain)> {
    let mut all = Vec::new();
    for fixture in Fixture::both().await {
        let mut chain = Chain::new(log_id(1));
        for number in 1..=3 {
            chain.insert(&namespace("items"), base(number));
        }
        fixture.apply(&chain.take_batch()).await.expect("it is applied");
        all.push((fixture, chain));
    }
    all
}

fn base(number: i32) -> RawDocumentBuf {
    rawdoc! { "_id": number, "a": 0, "sub": { "b": [1] } }
}

#[tokio::test]
async fn a_patch_is_made_to_the_document_as_it_is() {
    for (fixture, mut chain) in filled().await {
        patch(&mut chain, id(1), rawdoc! { "u": { "a": 1 }, "i": { "c": "new" } });
        patch(&mut chain, id(2), rawdoc! { "d": { "a": false }, "ssub": { "sb": { "a": true, "u0": 7 } } });
        let batch = chain.take_batch();
        assert_eq!(fixture.apply(&batch).await.expect("it is applied"), Applied { changed: 2, repeated: 0 });
        let after = [
            rawdoc! { "_id": 1, "a": 1, "sub": { "b": [1] }, "c": "new" },
            rawdoc! { "_id": 2, "sub": { "b": [7] } },
            base(3),
        ];
        assert_eq!(fixture.items().await, bytes(after));
        assert_eq!(fixture.checkpoint().await.map(|checkpoint| checkpoint.anchor), Some(batch.last()));
        assert_eq!(fixture.store.unfinished().await.unwrap(), None);
    }
}

#[tokio::test]
async fn patches_of_one_document_add_up_whatever_stands_between_them() {
    let ns = namespace("items");
    for (fixture, mut chain) in filled().await {
        patch(&mut chain, id(1), rawdoc! { "u": { "a": 1 } });
        chain.insert(&ns, rawdoc! { "_id": 4, "a": 0 });
        patch(&mut chain, id(4), rawdoc! { "u": { "a": 4 } });
        patch(&mut chain, id(1), rawdoc! { "i": { "second": true } });
        patch(&mut chain, id(2), rawdoc! { "u": { "a": 2 } });
        chain.delete(&ns, id(2)).insert(&ns, rawdoc! { "_id": 2, "back": 1 });
        patch(&mut chain, id(2), rawdoc! { "u": { "back": 2 } });
        patch(&mut chain, id(3), rawdoc! { "u": { "a": 3 } });
        chain.delete(&ns, id(3));
        fixture.apply(&chain.take_batch()).await.expect("it is applied");
        let after = [
            rawdoc! { "_id": 1, "a": 1, "sub": { "b": [1] }, "second": true },
            rawdoc! { "_id": 2, "back": 2 },
            rawdoc! { "_id": 4, "a": 4 },
        ];
        assert_eq!(fixture.items().await, bytes(after));
    }
}

#[tokio::test]
async fn a_patch_that_does_not_fit_is_told_and_nothing_is_written() {
    for (fixture, mut chain) in filled().await {
        fixture.collection("items").update_one(doc! { "_id": 2 }, doc! { "$unset": { "sub": 1 } }).await.unwrap();
        let before = fixture.items().await;
        chain.insert(&namespace("items"), only_id(9));
        patch(&mut chain, id(1), rawdoc! { "u": { "a": 1 } });
        patch(&mut chain, id(2), rawdoc! { "ssub": { "d": { "b": false } } });
        let batch = chain.take_batch();
        for _ in 0..2 {
            let error = fixture.apply(&batch).await.expect_err("it does not fit");
            assert_eq!(error.fault(), &Fault::Misfit { ns: namespace("items"), id: id(2), index: 6 });
            assert!(words(&error).contains("sub"), "{}", words(&error));
            assert_eq!(fixture.items().await, before);
            assert_eq!(fixture.store.unfinished().await.unwrap(), None);
        }
        let whole = valid(rawdoc! { "_id": 2, "a": 1, "as": "at the source" });
        fixture.apply(&batch.with_image(6, Some(whole.clone()))).await.expect("the source has told the document");
        let found = fixture.store.get(&namespace("items"), &[id(1), id(2), id(9)]).await.unwrap();
        let first = valid(rawdoc! { "_id": 1, "a": 1, "sub": { "b": [1] } });
        assert_eq!(found, [Some(first), Some(whole), Some(valid(only_id(9)))]);
    }
}

#[tokio::test]
async fn a_patch_of_a_document_that_is_gone_is_drift() {
    for (fixture, mut chain) in filled().await {
        fixture.collection("items").delete_one(doc! { "_id": 2 }).await.unwrap();
        patch(&mut chain, id(1), rawdoc! { "u": { "a": 1 } });
        patch(&mut chain, id(2), rawdoc! { "u": { "a": 1 } });
        let batch = chain.take_batch();
        for _ in 0..2 {
            let error = fixture.apply(&batch).await.expect_err("it is gone");
            let expected = Fault::Drift { ns: namespace("items"), id: id(2), needs: Existence::Present, index: 5 };
            assert_eq!(error.fault(), &expected);
        }
        assert_eq!(fixture.items().await, bytes([base(1), base(3)]), "the other one is as it was");
    }
}

#[tokio::test]
async fn what_is_replayed_finds_what_it_may() {
    let ns = namespace("items");
    for (fixture, mut chain) in filled().await {
        chain.insert(&ns, rawdoc! { "_id": 1, "a": 1 }).delete(&ns, id(7)).update(&ns, rawdoc! { "_id": 8, "a": 8 });
        chain.delete(&ns, id(2)).insert(&ns, only_id(9)).delete(&ns, id(9));
        patch(&mut chain, id(7), rawdoc! { "u": { "a": 1 } });
        patch(&mut chain, id(3), rawdoc! { "u": { "a": 3 } });
        let batch = replayed(chain.take_batch());
        fixture.apply(&batch).await.expect("it is applied");
        let third = rawdoc! { "_id": 3, "a": 3, "sub": { "b": [1] } };
        let after = [rawdoc! { "_id": 1, "a": 1 }, third, rawdoc! { "_id": 8, "a": 8 }];
        assert_eq!(fixture.items().await, bytes(after));
        assert_eq!(fixture.checkpoint().await.map(|checkpoint| checkpoint.anchor), Some(batch.last()));
    }
}

/// More than are held at once.
#[tokio::test]
async fn patches_of_the_largest_documents_are_made_bit_by_bit() {
    let ns = namespace("items");
    for fixture in Fixture::both().await {
        let mut chain = Chain::new(log_id(1));
        let whole = |number: i32, a: i32| {
            let framed = |text: &str| rawdoc! { "_id": number, "a": a, "text": text };
            framed(&"x".repeat(DOCUMENT_BYTES_MAX - framed("").as_bytes().len()))
        };
        for number in 0..4 {
            fixture.apply(&chain.insert(&ns, whole(number, 0)).take_batch()).await.expect("inserted");
        }
        for number in 0..4 {
            patch(&mut chain, id(number), rawdoc! { "u": { "a": 1 } });
        }
        let applied = fixture.apply(&chain.take_batch()).await.expect("it is applied");
        assert_eq!(applied, Applied { changed: 4, repeated: 0 });
        for number in 0..4 {
            let found = fixture.store.get(&ns, &[id(number)]).await.unwrap();
            assert!(found == [Some(valid(whole(number, 1)))], "{number}");
        }
    }
}

/// A batch as a store holds it that goes on after a crash: it does not know what the source has told.
#[tokio::test]
async fn a_document_that_comes_from_elsewhere_between_two_tries_is_misfit_not_patched_twice() {
    let Some(standalone) = oplogsync_mongod::testing::shared_standalones(1).await else { return };
    let fixture = Fixture::new(standalone[0].server(), standalone[0].name()).await;
    let ns = namespace("items");
    let mut chain = Chain::new(log_id(1));
    fixture.apply(&chain.insert(&ns, base(1)).insert(&ns, base(2)).take_batch()).await.expect("inserted");
    // The batch is begun, and is stopped by a document that is in its way.
    fixture.collection("items").insert_one(doc! { "_id": 9 }).await.unwrap();
    patch(&mut chain, id(1), rawdoc! { "u": { "a": 1 } });
    patch(&mut chain, id(2), rawdoc! { "u": { "a": 1 } });
    let batch: Batch = chain.insert(&ns, only_id(9)).take_batch();
    assert!(matches!(fixture.apply(&batch).await.unwrap_err().fault(), Fault::Drift { .. }));
    assert_eq!(fixture.store.unfinished().await.unwrap(), Some(5));
    fixture.collection("items").delete_one(doc! { "_id": 9 }).await.unwrap();
    // The patch fits this document too; but it is not the one that it was noted for.
    fixture.raw_collection("items").replace_one(doc! { "_id": 2 }, rawdoc! { "_id": 2, "a": 5 }).await.unwrap();
    for _ in 0..2 {
        let error = fixture.apply(&batch).await.expect_err("it is another document");
        assert_eq!(error.fault(), &Fault::Misfit { ns: ns.clone(), id: id(2), index: 4 });
    }
    let image = valid(rawdoc! { "_id": 2, "a": 1, "sub": { "b": [1] } });
    fixture.apply(&batch.with_image(4, Some(image.clone()))).await.expect("the source has told the document");
    let first = rawdoc! { "_id": 1, "a": 1, "sub": { "b": [1] } };
    assert_eq!(fixture.items().await, bytes([first, image.as_raw().to_owned(), only_id(9)]));
    assert_eq!(fixture.store.unfinished().await.unwrap(), None);
}
