//! Every kind of event arrives, and comes to the same.

use bson::{Binary, Document, doc, spec::BinarySubtype};
use mongodb::options::IndexOptions;
use oplogsync_core::documents::Documents;

use super::{
    follower::synced,
    source::{Source, filter, set_of_one},
};

async fn write_documents(source: &Source) {
    source
        .insert("shop.orders", doc! { "_id": 1, "a": [1, 2, 3, { "b": 4 }], "s": { "x": { "y": 1 } }, "a.b": 1 })
        .await;
    source.insert("shop.orders", doc! { "_id": 2, "long": 5_i64, "text": "x".repeat(10_000) }).await;
    let updates = [
        doc! { "$set": { "s.x.y": 2, "a.1": 9, "new": { "deep": [] } }, "$unset": { "s.gone": 1 } },
        doc! { "$push": { "a": { "$each": [7, 8], "$slice": -3 } } },
        doc! { "$pop": { "a": -1 } },
        doc! { "$rename": { "new": "renamed" } },
        doc! { "$unset": { "s": "" }, "$inc": { "count": 1 } },
        doc! { "$set": { "a": [] } },
        doc! { "$set": { "a.5": "padded" } },
    ];
    for update in updates {
        source.update("shop.orders", 1, update).await;
    }
    let pipeline = vec![doc! { "$set": { "sum": { "$add": [1, 2] }, "a": { "$slice": ["$a", 2] } } }];
    source.collection("shop.orders").update_one(doc! { "_id": 1 }, pipeline).await.expect("it is updated");
    // The event has the `_id` behind `front`, where the pipeline has put it.
    let pipeline = vec![doc! { "$replaceWith": { "$mergeObjects": [{ "front": 1 }, "$$ROOT"] } }];
    source.collection("shop.orders").update_one(doc! { "_id": 2 }, pipeline).await.expect("it is replaced");
    let replacement = doc! { "binary": Binary { subtype: BinarySubtype::Generic, bytes: vec![1, 2] } };
    source.collection("shop.orders").replace_one(doc! { "_id": 2 }, replacement).await.expect("it is replaced");
    source.insert("bank.accounts", doc! { "_id": "text", "n": 1 }).await;
    source.insert("bank.accounts", doc! { "_id": { "a": 1, "b": [1] }, "n": 1 }).await;
    source
        .collection("bank.accounts")
        .update_many(doc! {}, doc! { "$inc": { "n": 5 } })
        .await
        .expect("they are updated");
    source.collection("bank.accounts").delete_one(doc! { "_id": "text" }).await.expect("it is deleted");
}

async fn change_collections(source: &Source) {
    source
        .command(
            "shop",
            doc! { "create": "strict", "validator": { "x": { "$gt": 1 } }, "collation": { "locale": "de" } },
        )
        .await;
    source.command("shop", doc! { "create": "seen", "viewOn": "orders", "pipeline": [{ "$match": { "x": 1 } }] }).await;
    source.command("shop", doc! { "create": "unseen", "viewOn": "orders", "pipeline": [] }).await;
    source.command("shop", doc! { "collMod": "seen", "viewOn": "orders", "pipeline": [] }).await;
    source.command("shop", doc! { "drop": "unseen" }).await;
    source
        .command(
            "shop",
            doc! { "collMod": "strict", "validator": { "x": { "$gt": 2 } }, "validationLevel": "moderate" },
        )
        .await;
    source.command("shop", doc! { "collMod": "orders", "changeStreamPreAndPostImages": { "enabled": true } }).await;
    source.command("shop", doc! { "collMod": "orders" }).await;
    source.insert("shop.old", doc! { "_id": 1 }).await;
    source.command("admin", doc! { "renameCollection": "shop.old", "to": "shop.young" }).await;
    source.update("shop.young", 1, doc! { "$set": { "x": 1 } }).await;
    source.insert("shop.older", doc! { "_id": 2 }).await;
    source.command("admin", doc! { "renameCollection": "shop.older", "to": "shop.young", "dropTarget": true }).await;
    source.insert("shop.moved", doc! { "_id": 3 }).await;
    source.command("admin", doc! { "renameCollection": "shop.moved", "to": "bank.moved" }).await;
    source.insert("shop.dropped", doc! { "_id": 1 }).await;
    source.command("shop", doc! { "drop": "dropped" }).await;
    source.insert("shop.dropped", doc! { "_id": 1, "again": true }).await;
}

async fn change_indexes(source: &Source) {
    let index = |key: Document, name: &str| doc! { "key": key, "name": name };
    let create = |indexes: Vec<Document>| doc! { "createIndexes": "orders", "indexes": indexes };
    source.command("shop", create(vec![index(doc! { "x": 1 }, "x"), index(doc! { "y": -1, "z": 1 }, "yz")])).await;
    let mut ttl = index(doc! { "t": 1 }, "ttl");
    ttl.insert("expireAfterSeconds", 1);
    let mut unique = index(doc! { "u": 1 }, "unique");
    unique.extend(doc! { "unique": true, "partialFilterExpression": { "u": { "$exists": true } } });
    let text = index(doc! { "words": "text" }, "text");
    source.command("shop", create(vec![ttl, unique, text])).await;
    source.command("shop", doc! { "collMod": "orders", "index": { "name": "ttl", "expireAfterSeconds": 1000 } }).await;
    source.command("shop", doc! { "collMod": "orders", "index": { "name": "x", "hidden": true } }).await;
    source.command("shop", doc! { "dropIndexes": "orders", "index": "yz" }).await;
    source
        .collection("shop.unborn")
        .create_index(
            mongodb::IndexModel::builder()
                .keys(doc! { "k": 1 })
                .options(IndexOptions::builder().sparse(true).build())
                .build(),
        )
        .await
        .expect("it is created");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_event_leaves_the_target_equal_to_the_source() {
    let Some(set) = set_of_one("events").await else { return };
    let source = Source::whole(&set.uri()).await;
    source.insert("shop.orders", doc! { "_id": 0, "before": true }).await;
    source.insert("gone.things", doc! { "_id": 0 }).await;
    let (target, mut follower) = synced(&source).await;

    write_documents(&source).await;
    follower.catch_up(&source).await;
    source.expect_equal(&target).await;
    change_collections(&source).await;
    change_indexes(&source).await;
    source.client.database("gone").drop().await.expect("it is dropped");
    source.insert("gone.things", doc! { "_id": 1, "again": true }).await;
    follower.catch_up(&source).await;
    source.expect_equal(&target).await;

    let told = follower.end().await;
    assert!(told.caught_up);
    assert_eq!(told.retried, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_goes_with_its_database_though_only_a_part_of_it_is_followed() {
    let Some(set) = set_of_one("partial").await else { return };
    let source = Source::through(&set.uri(), filter(&["shop.orders", "shop.seen", "crm"], &[])).await;
    for ns in ["shop.orders", "shop.others", "crm.people"] {
        source.insert(ns, doc! { "_id": 1 }).await;
    }
    source.command("shop", doc! { "create": "seen", "viewOn": "orders", "pipeline": [] }).await;
    let (target, mut follower) = synced(&source).await;
    let views = || async { target.collections().await.unwrap().iter().filter(|it| it.options.is_view()).count() };
    assert_eq!(views().await, 1);
    source.command("shop", doc! { "dropDatabase": 1 }).await;
    follower.catch_up(&source).await;
    assert_eq!(views().await, 0);
    source.expect_equal(&target).await;
    follower.end().await;
}
