//! What [`SyncTarget::copy`] owes.

use bson::{RawDocumentBuf, rawdoc};

use super::{
    StoreBuilder, apply,
    apply_checks::checkpoint,
    command_checks::{assert_holds, options},
    document_checks::fill,
    lease_documents,
};
use crate::{
    command::Action,
    doc_id::DocId,
    documents::Documents,
    initial_sync::{Note, Piece, SyncTarget},
    testing::{
        chain::{owner_id, valid},
        documents::{every_type, id, namespace, only_id},
    },
};

/// A piece of `items` that begins behind `after` and ends with `until`.
fn piece(after: Option<DocId>, until: Option<DocId>, documents: &[RawDocumentBuf]) -> Piece {
    let documents = documents.iter().cloned().map(valid).collect();
    Piece { ns: namespace("items"), after, until, documents, is_fresh: false }
}

/// The note with this name that says how far something has come.
pub(super) fn note(name: &str, done: i32) -> Note {
    Note { name: name.to_owned(), document: Some(rawdoc! { "v": 1, "done": done }) }
}

async fn copy(store: &impl SyncTarget, piece: &Piece, note: &Note) {
    lease_documents(store, owner_id(1)).await;
    store.copy(piece, note, owner_id(1)).await.expect("the piece is copied");
    assert!(store.notes().await.expect("they are read").contains(note), "the note is written with it");
}

/// Documents with the ids of a range.
fn numbers(ids: std::ops::Range<i32>) -> Vec<RawDocumentBuf> {
    ids.map(|number| rawdoc! { "_id": number, "text": "x".repeat(50) }).collect()
}

pub(super) async fn a_piece_is_copied_with_its_note<B: StoreBuilder>(builder: &B) {
    let (guard, store) = builder.build().await;
    let fresh = Piece { is_fresh: true, ..piece(None, None, &[every_type(1), only_id(2), only_id("a")]) };
    copy(&store, &fresh, &note("range", 1)).await;
    let expected = [every_type(1), only_id(2), only_id("a")];
    assert_holds(&store, &namespace("items"), &expected).await;
    assert_eq!(checkpoint(&store).await, None, "a copy moves no checkpoint");
    let Some(store) = builder.reopen(&guard, store).await else { return };
    assert_holds(&store, &namespace("items"), &expected).await;
    assert_eq!(store.notes().await.expect("they are read"), [note("range", 1)]);
}

pub(super) async fn a_copied_part_holds_nothing_else<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    fill(&store, &ns, &[only_id(1), rawdoc! { "_id": 2, "old": true }, only_id(3), only_id("a")]).await;
    copy(&store, &piece(None, None, &[rawdoc! { "_id": 2, "new": true }, only_id(4)]), &note("range", 1)).await;
    assert_holds(&store, &ns, &[rawdoc! { "_id": 2, "new": true }, only_id(4)]).await;
}

pub(super) async fn documents_outside_of_the_part_are_left_alone<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (ns, other) = (namespace("items"), namespace("items.archive"));
    let mut chain = fill(&store, &ns, &numbers(0..10)).await;
    apply(&store, &chain.insert(&other, only_id(5)).take_batch()).await.expect("the batch is applied");
    copy(&store, &piece(Some(id(2)), Some(id(6)), &[only_id(4), only_id(5.5)]), &note("range", 1)).await;
    let expected = [numbers(0..3), vec![only_id(4), only_id(5.5)], numbers(7..10)].concat();
    assert_holds(&store, &ns, &expected).await;
    copy(&store, &piece(Some(id(8)), None, &[only_id("b")]), &note("range", 2)).await;
    let expected = [numbers(0..3), vec![only_id(4), only_id(5.5)], numbers(7..9), vec![only_id("b")]].concat();
    assert_holds(&store, &ns, &expected).await;
    copy(&store, &piece(None, Some(id(0.5)), &[]), &note("range", 3)).await;
    assert_holds(&store, &ns, expected.get(1..).expect("there are some")).await;
    assert_holds(&store, &other, &[only_id(5)]).await;
}

pub(super) async fn a_piece_is_copied_again<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let first = piece(None, Some(id(5)), &numbers(0..6));
    let second = piece(Some(id(5)), None, &numbers(6..9));
    for done in [1, 1, 2] {
        copy(&store, &first, &note("range", done)).await;
        copy(&store, &second, &note("range", done)).await;
        assert_holds(&store, &ns, &numbers(0..9)).await;
    }
    copy(&store, &Piece { is_fresh: true, ..first }, &note("range", 3)).await;
    assert_holds(&store, &ns, &numbers(0..9)).await;
}

pub(super) async fn an_empty_piece_empties_its_part<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    copy(&store, &piece(None, None, &[]), &note("range", 0)).await;
    assert_holds(&store, &ns, &[]).await;
    let mut chain = fill(&store, &ns, &numbers(0..5)).await;
    copy(&store, &piece(None, None, &[]), &note("range", 1)).await;
    assert_holds(&store, &ns, &[]).await;
    apply(&store, &chain.insert(&ns, only_id(1)).take_batch()).await.expect("nothing of it is left");
    assert_holds(&store, &ns, &[only_id(1)]).await;
}

pub(super) async fn a_piece_over_many_others_leaves_only_itself<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    fill(&store, &ns, &numbers(0..2_500)).await;
    let kept = [numbers(7..8), numbers(2_000..2_010)].concat();
    copy(&store, &piece(Some(id(4)), Some(id(2_400)), &kept), &note("range", 1)).await;
    assert_holds(&store, &ns, &[numbers(0..5), kept, numbers(2_401..2_500)].concat()).await;
}

pub(super) async fn pieces_follow_each_other<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let all = numbers(0..1_000);
    let mut after = None;
    for (done, part) in (1..).zip(all.chunks(300)) {
        let last = part.last().map(|document| valid(document.clone()).id());
        let until = if part.len() < 300 { None } else { last.clone() };
        let piece = Piece { is_fresh: done > 1, ..piece(after, until, part) };
        copy(&store, &piece, &note("range", done)).await;
        after = last;
    }
    assert_holds(&store, &ns, &all).await;
    assert_eq!(store.notes().await.expect("they are read"), [note("range", 4)]);
}

pub(super) async fn a_document_is_replaced_by_one_with_an_equal_id<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    fill(&store, &ns, &[only_id(1), only_id(2.0)]).await;
    copy(&store, &piece(None, None, &[only_id(1.0), only_id(2_i64)]), &note("range", 1)).await;
    assert_holds(&store, &ns, &[only_id(1.0), only_id(2_i64)]).await;
}

pub(super) async fn a_piece_into_a_view_is_refused<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    lease_documents(&store, owner_id(1)).await;
    let options = options(&rawdoc! { "viewOn": "others", "pipeline": [] });
    store.run(&Action::Create { ns, options }, owner_id(1)).await.expect("the view is created");
    let copied = store.copy(&piece(None, None, &[only_id(1)]), &note("range", 1), owner_id(1)).await;
    assert_eq!(copied.expect_err("a view has no documents").node(), builder.node());
    assert_eq!(store.namespaces().await.expect("they are read"), []);
    assert_eq!(store.notes().await.expect("they are read"), []);
}
