//! What an initial sync does to a target: notes, pieces of collections, a wipe, and the checkpoint in the end.

use std::collections::BTreeMap;

use bson::{RawBson, RawDocumentBuf, Timestamp, doc, raw::cstr, rawdoc};
use oplogsync_core::{
    checkpoint::{Checkpoint, Resume, Stop, Token},
    doc_id::DocId,
    document::Document,
    documents::Documents,
    filter::Filter,
    initial_sync::{Note, Piece, SyncTarget},
    limits::{DOCUMENT_BYTES_MAX, Limits},
    log::{Acknowledgement, Log},
    namespace::Namespace,
    position::Position,
    store_error::Fault,
    testing::{
        chain::{Chain, log_id, owner_id, valid},
        documents::{every_type, id, ids_in_order, namespace, only_id},
    },
    view::View,
};

use crate::fixture::{Fixture, owner, words};

const ALL: Limits = Limits { entries_max: 100_000, bytes_max: usize::MAX };

fn note(name: &str, number: i32) -> Note {
    Note { name: name.to_owned(), document: Some(rawdoc! { "number": number, "$set": { "a": 1 } }) }
}

pub(crate) fn no_note(name: &str) -> Note {
    Note { name: name.to_owned(), document: None }
}

/// Everything of a collection, fresh or not.
fn whole(ns: &Namespace, documents: Vec<Document>, is_fresh: bool) -> Piece {
    Piece { ns: ns.clone(), after: None, until: None, documents, is_fresh }
}

async fn copy(fixture: &Fixture, piece: &Piece) {
    let copied = fixture.store.copy(piece, &note("piece", 1), owner()).await;
    copied.unwrap_or_else(|error| panic!("{:.500}", words(&error)));
    assert_eq!(fixture.store.notes().await.unwrap(), [note("piece", 1)]);
}

async fn found(fixture: &Fixture, ns: &Namespace) -> Vec<Document> {
    fixture.store.scan(ns, None, ALL).await.expect("they are read")
}

#[tokio::test]
async fn notes_are_written_in_their_order_and_taken_away() {
    for fixture in Fixture::both().await {
        assert_eq!(fixture.store.notes().await.unwrap(), []);
        let first = [note("b", 1), note("a", 2), note("range:shop.items:0001", 3), no_note("nowhere")];
        fixture.store.put_notes(&first, owner()).await.expect("they are written");
        let in_order = [note("a", 2), note("b", 1), note("range:shop.items:0001", 3)];
        assert_eq!(fixture.store.notes().await.unwrap(), in_order);
        let second = [no_note("a"), note("b", 4), no_note("b"), note("b", 5), no_note("range:shop.items:0001")];
        fixture.store.put_notes(&second, owner()).await.expect("they are written");
        assert_eq!(fixture.store.notes().await.unwrap(), [note("b", 5)]);
        assert_eq!(fixture.store.namespaces().await.unwrap(), [], "they are no documents");
    }
}

#[tokio::test]
async fn a_note_of_another_form_is_refused() {
    for fixture in Fixture::both().await {
        for other in [doc! { "_id": "a", "v": 2, "note": {} }, doc! { "_id": "a", "v": 1, "note": {}, "more": 1 }] {
            fixture.collection("oplogsync.sync").insert_one(other).await.unwrap();
            let error = fixture.store.notes().await.expect_err("it is of another version");
            assert_eq!(error.fault(), &Fault::Incompatible);
            fixture.collection("oplogsync.sync").delete_one(doc! {}).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_fresh_piece_goes_in_as_it_is() {
    const EMPTY: Timestamp = Timestamp { time: 0, increment: 0 };
    let ns = namespace("items");
    for fixture in Fixture::both().await {
        // What the source holds may not please the target.
        let validator = doc! { "create": "items", "validator": { "a": { "$exists": false } } };
        fixture.store.client().database(&fixture.database).run_command(validator).await.unwrap();
        let mut documents: Vec<_> =
            ids_in_order().iter().map(|id| valid(every_type(RawBson::from(id.value())))).collect();
        documents.push(valid(rawdoc! { "_id": "x", "a": 1, "$b": 2 }));
        documents.push(valid(rawdoc! { "_id": "y", "t": EMPTY }));
        documents.push(valid(rawdoc! { "_id": { "$ref": "a", "$id": 1 } }));
        documents.sort_by_key(Document::id);
        for is_fresh in [true, false] {
            copy(&fixture, &whole(&ns, documents.clone(), is_fresh)).await;
            assert_eq!(found(&fixture, &ns).await, documents, "fresh: {is_fresh}");
        }
    }
}

#[tokio::test]
async fn a_piece_larger_than_a_command_goes_in() {
    let ns = namespace("items");
    for fixture in Fixture::both().await {
        let largest = |number: i32, fill: &str| {
            let framed = |text: &str| rawdoc! { "_id": number, "text": text };
            valid(framed(&fill.repeat(DOCUMENT_BYTES_MAX - framed("").as_bytes().len())))
        };
        for (fill, is_fresh) in [("x", true), ("y", false)] {
            let documents: Vec<_> = (0..3).map(|number| largest(number, fill)).collect();
            copy(&fixture, &whole(&ns, documents.clone(), is_fresh)).await;
            for document in documents {
                let found = fixture.store.get(&ns, &[document.id()]).await.unwrap();
                assert!(found == [Some(document)], "fresh: {is_fresh}");
            }
        }
        let many: Vec<_> = (0..3_000).map(|number| valid(only_id(number))).collect();
        copy(&fixture, &whole(&namespace("many"), many.clone(), true)).await;
        assert_eq!(found(&fixture, &namespace("many")).await, many);
    }
}

fn with(id: &DocId, text: &str) -> Document {
    let mut document = RawDocumentBuf::new();
    document.append(cstr!("_id"), id.value());
    document.append(cstr!("text"), text);
    valid(document)
}

/// Between any two ids, of whatever types.
#[tokio::test]
async fn a_part_becomes_what_the_piece_says_and_what_is_beside_it_stays() {
    let mut ids = ids_in_order();
    ids.push(id(rawdoc! { "$ref": "a", "$id": 1 }));
    ids.sort();
    let bounds: Vec<Option<DocId>> = [None].into_iter().chain(ids.iter().cloned().map(Some)).collect();
    let parts = bounds.iter().enumerate().flat_map(|(at, after)| {
        let untils = bounds.iter().skip(at + 1).step_by(7).chain([&None]);
        untils.map(move |until| (after.clone(), until.clone()))
    });
    let parts: Vec<_> = parts.step_by(3).collect();
    assert!(parts.len() > 50, "{}", parts.len());
    for fixture in Fixture::both().await {
        for (number, (after, until)) in parts.iter().enumerate() {
            let ns = namespace(&format!("part{number}"));
            let stale: Vec<_> = ids.iter().map(|id| with(id, "stale")).collect();
            copy(&fixture, &whole(&ns, stale.clone(), true)).await;
            let mut piece = whole(&ns, Vec::new(), false);
            (piece.after, piece.until) = (after.clone(), until.clone());
            let mut expected: BTreeMap<DocId, Document> = stale.into_iter().map(|old| (old.id(), old)).collect();
            for (number, id) in ids.iter().enumerate().filter(|(_, id)| piece.contains(id)) {
                expected.remove(id);
                if number % 2 == 0 {
                    expected.insert(id.clone(), with(id, "new"));
                }
            }
            piece.documents = expected.values().filter(|document| piece.contains(&document.id())).cloned().collect();
            for _ in 0..2 {
                copy(&fixture, &piece).await;
                let expected: Vec<_> = expected.values().cloned().collect();
                assert_eq!(found(&fixture, &ns).await, expected, "behind {after:?} up to {until:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_part_that_is_not_as_fresh_as_it_was_said_to_be_is_put_right() {
    let ns = namespace("items");
    for fixture in Fixture::both().await {
        let documents: Vec<_> = (0..1_200).map(|number| with(&id(number), "new")).collect();
        fixture.collection("items").insert_one(doc! { "_id": 1_100, "text": "foreign" }).await.unwrap();
        fixture.collection("items").insert_one(doc! { "_id": 5_000, "text": "foreign" }).await.unwrap();
        copy(&fixture, &whole(&ns, documents.clone(), true)).await;
        assert_eq!(found(&fixture, &ns).await, documents);
    }
}

/// More than are looked for at once.
#[tokio::test]
async fn of_very_many_documents_that_do_not_belong_all_go() {
    let ns = namespace("items");
    for fixture in Fixture::both().await {
        let strays: Vec<_> = (0..10_500).map(|number| valid(only_id(number))).collect();
        copy(&fixture, &whole(&ns, strays, true)).await;
        let kept = vec![valid(only_id(0)), valid(only_id(10_499))];
        copy(&fixture, &whole(&ns, kept.clone(), false)).await;
        assert_eq!(found(&fixture, &ns).await, kept);
    }
}

#[tokio::test]
async fn a_wipe_leaves_what_is_ours_and_the_next_copy_begins_anew() {
    let ns = namespace("items");
    for fixture in Fixture::both().await {
        let (store, mut chain) = (&fixture.store, Chain::new(log_id(1)));
        let at = store.create_log(log_id(2)).await.unwrap().head;
        let told = Acknowledgement { replica: "replica".to_owned(), at };
        store.acknowledge(&told).await.unwrap();
        store.put_notes(&[note("sync", 1)], owner()).await.unwrap();
        fixture.apply(&chain.insert(&ns, only_id(1)).take_batch()).await.unwrap();
        let database = store.client().database(&fixture.database);
        database.run_command(doc! { "create": "view", "viewOn": "items", "pipeline": [] }).await.unwrap();
        database.run_command(doc! { "create": "capped", "capped": true, "size": 4096 }).await.unwrap();
        database.run_command(doc! { "create": "series", "timeseries": { "timeField": "t" } }).await.unwrap();
        let stop = Stop { at: Position { term: 1, index: 2 }, too_stale: true, reason: "a test".to_owned() };
        store.set_stop(&stop).await.unwrap();
        for _ in 0..2 {
            store.wipe(owner()).await.expect("it is wiped");
            let left = store.catalog().await.unwrap();
            assert_eq!((left.collections, left.others), (vec![], vec![]));
            assert_eq!((store.checkpoint().await.unwrap(), store.stop().await.unwrap()), (None, None));
            assert_eq!(store.resume().await.unwrap(), Resume::default());
            assert_eq!(store.notes().await.unwrap(), [note("sync", 1)]);
            assert_eq!(store.log_ends().await.unwrap().map(|ends| ends.head), Some(at));
            assert_eq!(store.acknowledgements().await.unwrap(), std::slice::from_ref(&told));
        }
    }
}

#[tokio::test]
async fn a_copied_target_goes_on_from_where_it_is_put_and_remembers_the_token() {
    let ns = namespace("items");
    let filter = Filter::new(&["shop".to_owned()], &[], &[]).unwrap();
    for fixture in Fixture::both().await {
        let (store, mut chain) = (&fixture.store, Chain::new(log_id(1)));
        chain.noops(3).take();
        let checkpoint = Checkpoint { log: log_id(1), anchor: chain.last() };
        let begin = Resume { filter: filter.id(), token: Some(Token::new(&b"begin"[..])) };
        for _ in 0..2 {
            store.begin_at(checkpoint, &begin, &[note("sync", 2)], owner()).await.expect("it begins");
            assert_eq!(store.checkpoint().await.unwrap(), Some(checkpoint));
            assert_eq!(
                (store.resume().await.unwrap(), store.notes().await.unwrap()),
                (begin.clone(), vec![note("sync", 2)])
            );
        }
        let batch = chain.insert(&ns, only_id(1)).take_batch();
        let batch = batch.seen(View::through(filter.clone())).with_token(Some(Token::new(&b"next"[..])));
        fixture.apply(&batch).await.expect("it goes on");
        assert_eq!(store.resume().await.unwrap(), batch.resume());
        let without = chain.insert(&ns, only_id(2)).take_batch().seen(View::through(filter.clone()));
        fixture.apply(&without).await.expect("it goes on");
        assert_eq!(store.resume().await.unwrap(), Resume { filter: filter.id(), token: None });
        fixture.apply(&chain.insert(&ns, only_id(3)).take_batch()).await.expect("it goes on");
        assert_eq!(store.resume().await.unwrap(), Resume::default());
        let stored = fixture.collection("oplogsync.node").find_one(doc! { "_id": "documents" }).await.unwrap().unwrap();
        assert!(!stored.contains_key("resume"), "as it was before there were tokens: {stored}");
    }
}

#[tokio::test]
async fn who_does_not_hold_the_lease_copies_nothing() {
    let ns = namespace("items");
    for fixture in Fixture::both().await {
        let (store, stranger) = (&fixture.store, owner_id(9));
        let mut chain = Chain::new(log_id(1));
        fixture.apply(&chain.insert(&ns, only_id(1)).take_batch()).await.unwrap();
        let checkpoint = Checkpoint { log: log_id(1), anchor: chain.noops(1).last() };
        let action = oplogsync_core::command::Action::Drop { ns: ns.clone() };
        let piece = whole(&ns, vec![valid(only_id(2))], true);
        let results = [
            store.put_notes(&[note("a", 1)], stranger).await,
            store.copy(&piece, &note("a", 1), stranger).await,
            store.wipe(stranger).await,
            store.run(&action, stranger).await,
            store.begin_at(checkpoint, &Resume::default(), &[note("a", 1)], stranger).await,
        ];
        for result in results {
            let error = result.expect_err("another one holds the lease");
            assert_eq!(error.fault(), &Fault::Busy { holder: "a test".to_owned() }, "{}", words(&error));
        }
        assert_eq!((store.notes().await.unwrap(), found(&fixture, &ns).await), (vec![], vec![valid(only_id(1))]));
        assert_ne!(store.checkpoint().await.unwrap(), Some(checkpoint));
    }
}
