//! Secondary unique indexes: what never conflicted in log order does not conflict here.

use bson::{Document as BsonDocument, doc, rawdoc};
use mongodb::{Client, IndexModel, options::IndexOptions};
use oplogsync_core::{
    batch::Batch,
    store_error::Fault,
    testing::{
        chain::{Chain, log_id, valid},
        documents::{id, namespace},
    },
};
use oplogsync_mongod::{
    ReplicaSet, Server,
    testing::{binary, test_options},
};

use crate::fixture::{Fixture, bytes, patch, words};

/// Documents 1 to 3 with `x` equal to their id, and a unique index on `x`.
async fn filled() -> Vec<(Fixture, Chain)> {
    let mut all = Vec::new();
    for fixture in Fixture::both().await {
        let mut chain = Chain::new(log_id(1));
        fill(&fixture, &mut chain).await;
        all.push((fixture, chain));
    }
    all
}

async fn fill(fixture: &Fixture, chain: &mut Chain) {
    let unique = IndexOptions::builder().unique(true).build();
    let index = IndexModel::builder().keys(doc! { "x": 1 }).options(unique).build();
    fixture.collection("items").create_index(index).await.unwrap();
    for number in 1..=3 {
        chain.insert(&namespace("items"), rawdoc! { "_id": number, "x": number });
    }
    fixture.apply(&chain.take_batch()).await.expect("it is applied");
}

async fn becomes(fixture: &Fixture, batch: &Batch, expected: &[(i32, i32)]) {
    fixture.apply(batch).await.expect("it is applied");
    let expected: Vec<Vec<u8>> =
        expected.iter().map(|(id, x)| valid(rawdoc! { "_id": *id, "x": *x }).as_bytes().to_vec()).collect();
    assert_eq!(fixture.items().await, expected);
    assert_eq!(fixture.checkpoint().await.map(|checkpoint| checkpoint.anchor), Some(batch.last()));
}

/// The same by a part of the document.
fn patch_to(chain: &mut Chain, number: i32, x: i32) {
    patch(chain, id(number), rawdoc! { "u": { "x": x } });
}

fn set_to(chain: &mut Chain, id: i32, x: i32) {
    chain.update(&namespace("items"), rawdoc! { "_id": id, "x": x });
}

#[tokio::test]
async fn a_value_that_moves_on_from_document_to_document_arrives() {
    for (fixture, mut chain) in filled().await {
        for (id, x) in [(3, 4), (2, 3), (1, 2)] {
            set_to(&mut chain, id, x);
        }
        becomes(&fixture, &chain.take_batch(), &[(1, 2), (2, 3), (3, 4)]).await;
    }
}

#[tokio::test]
async fn two_documents_swap_their_values() {
    for (fixture, mut chain) in filled().await {
        for (id, x) in [(1, 9), (2, 1), (1, 2)] {
            set_to(&mut chain, id, x);
        }
        becomes(&fixture, &chain.take_batch(), &[(1, 2), (2, 1), (3, 3)]).await;
    }
}

#[tokio::test]
async fn documents_swap_and_rotate_their_values_by_parts() {
    for (fixture, mut chain) in filled().await {
        for (id, x) in [(1, 9), (2, 1), (1, 2), (3, 8), (2, 3), (3, 1)] {
            patch_to(&mut chain, id, x);
        }
        becomes(&fixture, &chain.take_batch(), &[(1, 2), (2, 3), (3, 1)]).await;
    }
}

#[tokio::test]
async fn three_documents_rotate_their_values() {
    for (fixture, mut chain) in filled().await {
        for (id, x) in [(1, 9), (3, 1), (2, 3), (1, 2)] {
            set_to(&mut chain, id, x);
        }
        becomes(&fixture, &chain.take_batch(), &[(1, 2), (2, 3), (3, 1)]).await;
    }
}

#[tokio::test]
async fn a_value_goes_from_a_deleted_document_to_a_new_one_and_a_swap_goes_through_a_delete() {
    let ns = namespace("items");
    for (fixture, mut chain) in filled().await {
        chain.delete(&ns, id(3)).insert(&ns, rawdoc! { "_id": 4, "x": 3 });
        chain.delete(&ns, id(1));
        set_to(&mut chain, 2, 1);
        chain.insert(&ns, rawdoc! { "_id": 1, "x": 2 });
        becomes(&fixture, &chain.take_batch(), &[(1, 2), (2, 1), (4, 3)]).await;
    }
}

#[tokio::test]
async fn a_conflict_with_a_foreign_document_stays_and_names_the_document() {
    for (fixture, mut chain) in filled().await {
        let foreign: BsonDocument = doc! { "_id": 50, "x": 7 };
        fixture.collection("items").insert_one(foreign.clone()).await.unwrap();
        set_to(&mut chain, 1, 5);
        set_to(&mut chain, 2, 7);
        let batch = chain.take_batch();
        for _ in 0..2 {
            let error = fixture.apply(&batch).await.expect_err("the index refuses it");
            assert_eq!(error.fault(), &Fault::Rejected { ns: namespace("items"), id: id(2), index: 5 });
        }
        let kept = fixture.collection("items").find_one(doc! { "_id": 50 }).await.unwrap();
        assert_eq!(kept, Some(foreign));
        fixture.collection("items").delete_one(doc! { "_id": 50 }).await.unwrap();
        becomes(&fixture, &batch, &[(1, 5), (2, 7), (3, 3)]).await;
    }
}

/// Documents 1 to 3, whose `x` is unique and equal to their id, in a database of their own.
async fn filled_at(uri: &str, database: &str) -> (Fixture, Chain) {
    let fixture = Fixture::new(uri, database).await;
    let mut chain = Chain::new(log_id(1));
    fill(&fixture, &mut chain).await;
    (fixture, chain)
}

#[tokio::test]
async fn cut_off_at_every_command_of_a_swap_and_applied_again_the_documents_are_right() {
    let Some(binary) = binary().await else { return };
    let standalone = Server::start(&binary, test_options()).await.expect("it starts");
    let set = ReplicaSet::start(&binary, "swap", 1, test_options()).await.expect("it starts");
    let ns = namespace("items");
    let uris = [("standalone", standalone.uri()), ("set", set.uri())];
    let kinds =
        uris.into_iter().flat_map(|(kind, uri)| [false, true].map(|is_patched| (kind, uri.clone(), is_patched)));
    for (kind, uri, is_patched) in kinds {
        let admin = Client::with_uri_str(&uri).await.unwrap();
        let mut cut_at_all = 0;
        for skip in 0..60 {
            let (fixture, mut chain) = filled_at(&uri, &format!("{kind}_{is_patched}_{skip}")).await;
            if is_patched {
                chain.update(&ns, rawdoc! { "_id": 1, "x": 1, "sub": { "y": 0 } });
                fixture.apply(&chain.take_batch()).await.expect("it is applied");
            }
            chain.insert(&ns, rawdoc! { "_id": 7, "x": 70 }).delete(&ns, id(3));
            let set = if is_patched { patch_to } else { set_to };
            set(&mut chain, 1, 9);
            if is_patched {
                // What these have made, the first of them does not fit.
                patch(&mut chain, id(1), rawdoc! { "ssub": { "u": { "y": 1 } } });
                patch(&mut chain, id(1), rawdoc! { "d": { "sub": false } });
            }
            for (id, x) in [(2, 1), (1, 2), (7, 3)] {
                set(&mut chain, id, x);
            }
            chain.insert(&ns, rawdoc! { "_id": 8, "x": 80 }).delete(&ns, id(8));
            if !is_patched {
                chain.delete(&ns, id(1)).insert(&ns, rawdoc! { "_id": 1_i64, "x": 2 });
            }
            let batch = chain.take_batch();
            let data = doc! { "failCommands": ["findAndModify", "insert", "update", "delete"],
            "closeConnection": true, "appName": "oplogsync" };
            let command = doc! { "configureFailPoint": "failCommand", "mode": { "skip": skip }, "data": data };
            admin.database("admin").run_command(command).await.expect("the failpoint is set");
            let result = fixture.apply(&batch).await;
            let heal = doc! { "configureFailPoint": "failCommand", "mode": "off" };
            admin.database("admin").run_command(heal).await.expect("the failpoint is off");
            let uncut = result.is_ok();
            if let Err(error) = result {
                cut_at_all += 1;
                assert!(matches!(error.fault(), Fault::Unknown | Fault::Unavailable), "{skip}: {}", words(&error));
                let again = fixture.apply(&batch).await;
                again.unwrap_or_else(|error| panic!("{kind} {is_patched} {skip}: {}", words(&error)));
            }
            let first = if is_patched {
                rawdoc! { "_id": 1, "x": 2 }
            } else {
                rawdoc! { "_id": 1_i64, "x": 2 }
            };
            let expected = [first, rawdoc! { "_id": 2, "x": 1 }, rawdoc! { "_id": 7, "x": 3 }];
            assert_eq!(fixture.items().await, bytes(expected), "{kind} {is_patched} {skip}");
            if uncut {
                break;
            }
        }
        assert!((5..59).contains(&cut_at_all), "{kind}: it was cut {cut_at_all} times");
    }
}
