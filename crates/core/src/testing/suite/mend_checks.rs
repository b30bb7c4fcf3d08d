//! What [`SyncTarget::mend`] owes.

use bson::{RawDocumentBuf, Timestamp, rawdoc};

use super::{
    StoreBuilder, apply,
    apply_checks::checkpoint,
    command_checks::{assert_holds, validated},
    copy_checks::note,
    document_checks::fill,
    lease_documents,
};
use crate::{
    checkpoint::Stop,
    command::Action,
    doc_id::DocId,
    documents::Documents,
    initial_sync::SyncTarget,
    store_error::Fault,
    testing::{
        chain::{owner_id, valid},
        documents::{every_type, id, ids_in_order, namespace, only_id},
    },
};

async fn put(store: &impl SyncTarget, document: RawDocumentBuf) {
    lease_documents(store, owner_id(1)).await;
    let document = valid(document);
    let mended = store.mend(&namespace("items"), &document.id(), Some(&document), owner_id(1)).await;
    mended.expect("the document is mended");
}

async fn take_away(store: &impl SyncTarget, value: impl Into<bson::RawBson>) {
    lease_documents(store, owner_id(1)).await;
    store.mend(&namespace("items"), &id(value), None, owner_id(1)).await.expect("the document is taken away");
}

pub(super) async fn a_document_is_mended_whatever_is_there<B: StoreBuilder>(builder: &B) {
    let (guard, store) = builder.build().await;
    let ns = namespace("items");
    let other = rawdoc! { "_id": "other", "n": 1 };
    fill(&store, &ns, &[only_id(1), only_id(2), other.clone()]).await;
    for document in
        [every_type(1), rawdoc! { "_id": 1, "$a": 1, "t": Timestamp { time: 0, increment: 0 } }, every_type(3)]
    {
        for _ in 0..2 {
            put(&store, document.clone()).await;
        }
    }
    let first = rawdoc! { "_id": 1, "$a": 1, "t": Timestamp { time: 0, increment: 0 } };
    assert_holds(&store, &ns, &[first.clone(), only_id(2), every_type(3), other.clone()]).await;
    for _ in 0..2 {
        take_away(&store, 2).await;
        take_away(&store, 3.0).await;
    }
    assert_holds(&store, &ns, &[first.clone(), other.clone()]).await;
    let Some(store) = builder.reopen(&guard, store).await else { return };
    assert_holds(&store, &ns, &[first, other]).await;
}

pub(super) async fn a_document_with_an_equal_id_is_the_same_document<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    fill(&store, &namespace("items"), &[only_id(1)]).await;
    put(&store, rawdoc! { "_id": 1.0, "n": 1 }).await;
    assert_holds(&store, &namespace("items"), &[rawdoc! { "_id": 1.0, "n": 1 }]).await;
    put(&store, rawdoc! { "_id": 1_i64, "n": 1 }).await;
    assert_holds(&store, &namespace("items"), &[rawdoc! { "_id": 1_i64, "n": 1 }]).await;
    take_away(&store, 1).await;
    assert_holds(&store, &namespace("items"), &[]).await;
}

pub(super) async fn a_document_with_any_id_is_mended<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let documents: Vec<RawDocumentBuf> = ids_in_order().iter().map(DocId::to_raw_document).collect();
    for document in documents.iter().rev() {
        put(&store, document.clone()).await;
    }
    assert_holds(&store, &namespace("items"), &documents).await;
    for id in ids_in_order() {
        take_away(&store, id.value()).await;
    }
    assert_holds(&store, &namespace("items"), &[]).await;
}

pub(super) async fn nothing_else_is_mended<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[only_id(1), only_id(2)]).await;
    store.put_notes(&[note("sync", 1)], owner_id(1)).await.expect("they are written");
    let stop = Stop { at: chain.last().position, too_stale: false, reason: "a test".to_owned() };
    store.set_stop(&stop).await.expect("it is remembered");
    let before = checkpoint(&store).await;
    put(&store, rawdoc! { "_id": 1, "n": 1 }).await;
    take_away(&store, 2).await;
    assert_eq!(checkpoint(&store).await, before);
    assert_eq!(store.stop().await.expect("it is read"), Some(stop));
    assert_eq!(store.notes().await.expect("they are read"), [note("sync", 1)]);
    // What follows the checkpoint goes on from what was mended.
    let batch = chain.update(&ns, rawdoc! { "_id": 1, "n": 2 }).insert(&ns, only_id(2)).take_batch();
    apply(&store, &batch).await.expect("the batch is applied");
    assert_holds(&store, &ns, &[rawdoc! { "_id": 1, "n": 2 }, only_id(2)]).await;
}

pub(super) async fn a_document_that_no_validator_lets_pass_is_mended<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    lease_documents(&store, owner_id(1)).await;
    let create = Action::Create { ns: namespace("items"), options: validated() };
    store.run(&create, owner_id(1)).await.expect("the command is run");
    put(&store, only_id(1)).await;
    assert_holds(&store, &namespace("items"), &[only_id(1)]).await;
}

pub(super) async fn a_target_of_somebody_else_is_not_mended<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    fill(&store, &ns, &[only_id(1)]).await;
    lease_documents(&store, owner_id(2)).await;
    for document in [Some(valid(rawdoc! { "_id": 1, "n": 1 })), None] {
        let refused = store.mend(&ns, &id(1), document.as_ref(), owner_id(1)).await.expect_err("it is refused");
        assert!(matches!(refused.fault(), Fault::Busy { .. }), "{refused}");
        assert_eq!(refused.node(), builder.node());
    }
    assert_holds(&store, &ns, &[only_id(1)]).await;
}
