//! Documents that something else changed are found, and not written over.

use bson::{doc, rawdoc};
use mongodb::bson::RawDocumentBuf;
use oplogsync_core::{
    apply::Existence,
    batch::Batch,
    documents::{Applied, Documents},
    store_error::Fault,
    testing::{
        chain::{Chain, log_id, valid},
        documents::{every_type, id, ids_in_order, namespace, only_id},
    },
};

use crate::fixture::Fixture;

/// A fixture whose collection holds the documents 1 to 3, and the chain that goes on from there.
async fn filled() -> Vec<(Fixture, Chain)> {
    let mut all = Vec::new();
    for fixture in Fixture::both().await {
        let mut chain = Chain::new(log_id(1));
        let ns = namespace("items");
        let batch = chain.insert(&ns, only_id(1)).insert(&ns, only_id(2)).insert(&ns, only_id(3)).take_batch();
        fixture.apply(&batch).await.expect("it is applied");
        all.push((fixture, chain));
    }
    all
}

fn drift(number: i32, needs: Existence, index: u64) -> Fault {
    Fault::Drift { ns: namespace("items"), id: id(number), needs, index }
}

/// Applies the batch twice: a repeat must not paper over what the first try found.
async fn drifts(fixture: &Fixture, batch: &Batch, expected: &Fault) {
    let checkpoint = fixture.checkpoint().await;
    for attempt in ["first", "second", "third"] {
        let error = fixture.apply(batch).await.expect_err("the batch is refused");
        assert_eq!(error.fault(), expected, "{attempt}");
        assert_eq!(fixture.checkpoint().await, checkpoint, "{attempt}");
    }
}

#[tokio::test]
async fn a_document_that_was_deleted_is_missed_by_its_update() {
    for (fixture, mut chain) in filled().await {
        fixture.collection("items").delete_one(doc! { "_id": 2 }).await.unwrap();
        let ns = namespace("items");
        chain.update(&ns, rawdoc! { "_id": 1, "a": 1 }).update(&ns, rawdoc! { "_id": 2, "a": 1 });
        drifts(&fixture, &chain.take_batch(), &drift(2, Existence::Present, 5)).await;
        assert_eq!(fixture.collection("items").count_documents(doc! { "_id": 2 }).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_document_that_was_deleted_is_missed_by_its_delete() {
    for (fixture, mut chain) in filled().await {
        fixture.collection("items").delete_one(doc! { "_id": 2 }).await.unwrap();
        let ns = namespace("items");
        let batch = chain.insert(&ns, only_id(9)).delete(&ns, id(1)).delete(&ns, id(2)).take_batch();
        drifts(&fixture, &batch, &drift(2, Existence::Present, 6)).await;
        assert_eq!(fixture.items().await.len(), 2, "nothing was written");
    }
}

#[tokio::test]
async fn a_foreign_document_in_the_way_of_an_insert_is_kept_and_reported() {
    for (fixture, mut chain) in filled().await {
        fixture.collection("items").insert_one(doc! { "_id": 4, "foreign": true }).await.unwrap();
        let batch = chain.insert(&namespace("items"), only_id(4)).take_batch();
        drifts(&fixture, &batch, &drift(4, Existence::Absent, 4)).await;
        let kept = fixture.collection("items").find_one(doc! { "_id": 4 }).await.unwrap();
        assert_eq!(kept, Some(doc! { "_id": 4, "foreign": true }));
        fixture.collection("items").delete_one(doc! { "_id": 4 }).await.unwrap();
        fixture.apply(&batch).await.expect("mended, it goes on");
    }
}

#[tokio::test]
async fn a_foreign_document_in_the_way_of_one_that_comes_and_goes_is_reported() {
    for (fixture, mut chain) in filled().await {
        fixture.collection("items").insert_one(doc! { "_id": 4, "foreign": true }).await.unwrap();
        let ns = namespace("items");
        let batch = chain.insert(&ns, only_id(4)).delete(&ns, id(4)).take_batch();
        drifts(&fixture, &batch, &drift(4, Existence::Absent, 5)).await;
    }
}

#[tokio::test]
async fn a_validator_does_not_keep_out_what_the_source_has_taken() {
    for (fixture, mut chain) in filled().await {
        let validator = doc! { "collMod": "items", "validator": { "a": { "$ne": "bad" } } };
        fixture.store.client().database(&fixture.database).run_command(validator).await.unwrap();
        let ns = namespace("items");
        let after = ["bad", "good"].map(|text| rawdoc! { "_id": 9, "a": text });
        chain.insert(&ns, rawdoc! { "_id": 8, "a": "good" }).insert(&ns, after[0].clone());
        chain.update(&ns, rawdoc! { "_id": 1, "a": "bad" }).update(&ns, rawdoc! { "_id": 2, "a": "good" });
        let applied = fixture.apply(&chain.delete(&ns, id(3)).take_batch()).await.expect("it is applied");
        assert_eq!(applied, Applied { changed: 5, repeated: 0 });
        let found = fixture.store.get(&ns, &[id(1), id(9)]).await.unwrap();
        assert_eq!(found, [rawdoc! { "_id": 1, "a": "bad" }, after[0].clone()].map(|raw| Some(valid(raw))));
        fixture.apply(&chain.update(&ns, after[1].clone()).take_batch()).await.expect("it is applied");
    }
}

#[tokio::test]
async fn every_type_survives_a_batch_of_its_own_and_a_replacement() {
    let ns = namespace("items");
    for fixture in Fixture::both().await {
        let mut chain = Chain::new(log_id(1));
        for id in ids_in_order() {
            let raw: RawDocumentBuf = every_type(bson::RawBson::from(id.value()));
            fixture.apply(&chain.insert(&ns, only_id(bson::RawBson::from(id.value()))).take_batch()).await.unwrap();
            let applied = fixture.apply(&chain.update(&ns, raw.clone()).take_batch()).await.expect("it is applied");
            assert_eq!(applied, Applied { changed: 1, repeated: 0 }, "{id}");
            let found = fixture.store.get(&ns, std::slice::from_ref(&id)).await.unwrap();
            assert_eq!(found, [Some(valid(raw))], "{id}");
        }
        assert_eq!(fixture.items().await.len(), ids_in_order().len());
        for id in ids_in_order() {
            fixture.apply(&chain.delete(&ns, id).take_batch()).await.expect("it is deleted");
        }
        assert_eq!(fixture.items().await.len(), 0);
    }
}

#[tokio::test]
async fn a_document_with_a_field_that_starts_with_a_dollar_sign_is_replaced() {
    let ns = namespace("items");
    for (fixture, mut chain) in filled().await {
        let (one, two) =
            (rawdoc! { "_id": 1, "$set": { "a": 1 } }, rawdoc! { "_id": 2, "a": { "$inc": "$b" }, "$x": "$y" });
        let batch = chain
            .update(&ns, one.clone())
            .update(&ns, two.clone())
            .insert(&ns, rawdoc! { "_id": 5, "$z": 1 })
            .take_batch();
        fixture.apply(&batch).await.expect("it is applied");
        let found = fixture.store.get(&ns, &[id(1), id(2)]).await.unwrap();
        assert_eq!(found, [Some(valid(one)), Some(valid(two))]);
    }
}

#[tokio::test]
async fn a_batch_larger_than_one_command_is_applied() {
    let ns = namespace("items");
    for fixture in Fixture::both().await {
        let mut chain = Chain::new(log_id(1));
        let text = "x".repeat(3 * 1024 * 1024);
        for number in 0..12 {
            chain.insert(&ns, rawdoc! { "_id": number, "text": text.as_str() });
        }
        for number in 100..3000 {
            chain.insert(&ns, only_id(number));
        }
        let applied = fixture.apply(&chain.take_batch()).await.expect("it is applied");
        assert_eq!(applied, Applied { changed: 2912, repeated: 0 });
        assert_eq!(fixture.items().await.len(), 2912);
    }
}
