//! Collections whose collation takes different texts for one, or orders them in a way of its own.

use bson::{RawBson, RawDocumentBuf, doc, rawdoc};
use oplogsync_core::{
    doc_id::DocId,
    document::Document,
    documents::Documents,
    initial_sync::{Note, Piece, SyncTarget},
    limits::Limits,
    testing::{
        chain::{Chain, log_id, valid},
        documents::{id, namespace, only_id},
    },
};

use crate::fixture::{Fixture, bytes, owner, replayed};

const ALL: Limits = Limits { entries_max: 100_000, bytes_max: usize::MAX };

/// A collection `items` to which `a` and `A` are one.
async fn collated() -> Vec<Fixture> {
    let fixtures = Fixture::both().await;
    for fixture in &fixtures {
        let create = doc! { "create": "items", "collation": { "locale": "en", "strength": 2 } };
        fixture.store.client().database(&fixture.database).run_command(create).await.expect("it is created");
    }
    fixtures
}

/// Ids of several types in the order of the bytes, which is not that of the collation.
fn ids() -> Vec<DocId> {
    let texts = ["B", "C", "Y", "a", "d", "x", "z", "\u{c4}"];
    let mut ids: Vec<DocId> = texts.into_iter().map(id).collect();
    ids.extend(["Z", "b", "D"].map(|text| id(RawBson::Document(rawdoc! { "k": text }))));
    ids.extend([id(1), id(2.5), id(true), id(RawBson::Null), id(RawBson::MaxKey)]);
    ids.sort();
    ids
}

fn with(id: &DocId, text: &str) -> Document {
    let mut document = RawDocumentBuf::new();
    document.append(bson::raw::cstr!("_id"), id.value());
    document.append(bson::raw::cstr!("text"), text);
    valid(document)
}

async fn copy(fixture: &Fixture, piece: &Piece) {
    let note = Note { name: "piece".to_owned(), document: None };
    fixture.store.copy(piece, &note, owner()).await.expect("it is copied");
}

/// A resumed copy empties its part behind what it has done already.
#[tokio::test]
async fn a_part_ends_where_the_bytes_say_and_what_is_beside_it_stays() {
    for fixture in collated().await {
        let ns = namespace("items");
        let whole = Piece { ns: ns.clone(), after: None, until: None, documents: Vec::new(), is_fresh: false };
        let bounds: Vec<Option<DocId>> = [None].into_iter().chain(ids().into_iter().map(Some)).collect();
        for (at, after) in bounds.iter().enumerate() {
            for until in bounds.iter().skip(at + 1).step_by(3).chain([&None]) {
                let all = Piece { documents: ids().iter().map(|id| with(id, "old")).collect(), ..whole.clone() };
                copy(&fixture, &all).await;
                let mut piece = Piece { after: after.clone(), until: until.clone(), ..whole.clone() };
                let inside: Vec<DocId> = ids().into_iter().filter(|id| piece.contains(id)).collect();
                piece.documents = inside.iter().step_by(2).map(|id| with(id, "new")).collect();
                let mut expected: Vec<Document> =
                    ids().iter().filter(|id| !piece.contains(id)).map(|id| with(id, "old")).collect();
                expected.extend(piece.documents.iter().cloned());
                expected.sort_by_key(Document::id);
                copy(&fixture, &piece).await;
                let found = fixture.store.scan(&ns, None, ALL).await.expect("they are read");
                assert_eq!(found, expected, "behind {after:?} up to {until:?}");
            }
        }
    }
}

#[tokio::test]
async fn documents_are_walked_through_in_the_order_of_the_bytes() {
    for fixture in collated().await {
        let ns = namespace("items");
        for id in ids().into_iter().rev() {
            fixture.raw_collection("items").insert_one(only_id(RawBson::from(id.value()))).await.expect("it goes in");
        }
        for entries_max in [1, 2, 3, 100] {
            let (mut found, mut last) = (Vec::new(), None);
            loop {
                let limits = Limits { entries_max, ..ALL };
                let page = fixture.store.scan(&ns, last.as_ref(), limits).await.expect("they are read");
                let Some(document) = page.last() else { break };
                last = Some(document.id());
                found.extend(page.iter().map(Document::id));
            }
            assert_eq!(found, ids(), "pages of {entries_max}");
        }
    }
}

#[tokio::test]
async fn a_document_gives_way_to_one_whose_id_the_collation_takes_for_its_own() {
    let ns = namespace("items");
    for fixture in collated().await {
        let mut chain = Chain::new(log_id(1));
        let nested = |text: &str| RawBson::Document(rawdoc! { "k": text });
        for number in 0..20 {
            chain.insert(&ns, only_id(format!("a{number}"))).insert(&ns, only_id(nested(&format!("a{number}"))));
        }
        fixture.apply(&chain.take_batch()).await.expect("they are inserted");
        let mut expected = Vec::new();
        for number in 0..20 {
            let (small, large) = (format!("a{number}"), format!("A{number}"));
            chain.delete(&ns, id(small.clone())).insert(&ns, only_id(large.clone()));
            chain.delete(&ns, id(nested(&small))).insert(&ns, only_id(nested(&large)));
            expected.extend([valid(only_id(large.clone())), valid(only_id(nested(&large)))]);
        }
        let batch = chain.take_batch();
        fixture.apply(&batch).await.expect("they give way");
        expected.sort_by_key(Document::id);
        let expected = bytes(expected.iter().map(|document| document.as_raw().to_owned()));
        assert_eq!(fixture.items().await, expected);
    }
}

/// What an entry deleted long ago is not what stands there by now.
#[tokio::test]
async fn a_replayed_delete_leaves_a_document_whose_id_the_collation_takes_for_its_own() {
    let ns = namespace("items");
    for fixture in collated().await {
        let mut chain = Chain::new(log_id(1));
        fixture.raw_collection("items").insert_one(only_id("A")).await.expect("it goes in");
        let deleted = chain.delete(&ns, id("a")).take_batch();
        fixture.apply(&replayed(deleted)).await.expect("it is replayed");
        assert_eq!(fixture.items().await, bytes([only_id("A")]));
        let both = chain.delete(&ns, id("a")).update(&ns, rawdoc! { "_id": "A", "new": true }).take_batch();
        fixture.apply(&replayed(both)).await.expect("it is replayed");
        assert_eq!(fixture.items().await, bytes([rawdoc! { "_id": "A", "new": true }]));
        fixture.store.mend(&ns, &id("a"), None, owner()).await.expect("there is nothing to mend");
        assert_eq!(fixture.items().await, bytes([rawdoc! { "_id": "A", "new": true }]));
    }
}
