//! What [`Documents::apply`] owes.

use bson::rawdoc;

use super::{
    StoreBuilder, apply,
    command_checks::collections,
    document_checks::{all, fill, get},
    lease_documents,
};
use crate::{
    apply::Existence,
    batch::Batch,
    checkpoint::{Checkpoint, Resume, Stop},
    documents::{Applied, Documents},
    entry::Entry,
    lease::{Lease, LeaseName, Leases},
    position::Position,
    store_error::{Fault, StoreError},
    testing::{
        chain::{Chain, log_id, owner_id, valid},
        documents::{id, namespace, only_id},
    },
};

pub(super) async fn checkpoint(store: &impl Documents) -> Option<Checkpoint> {
    store.checkpoint().await.expect("the checkpoint is read")
}

/// Where the checkpoint is after everything that `chain` has made.
pub(super) fn at(chain: &Chain) -> Checkpoint {
    Checkpoint { log: chain.log(), anchor: chain.last() }
}

/// The batch is refused with a fault, the node is named, and the checkpoint stays, with what stands
/// beside it. Where data and checkpoint are written as one, and where the batch does not follow, the
/// documents and collections stay as well.
pub(super) async fn refused<B: StoreBuilder>(builder: &B, store: &B::Store, batch: &Batch) -> Fault {
    let before = (checkpoint(store).await, resume(store).await);
    let data = (all(store, &namespace("items")).await, collections(store).await);
    let error = apply(store, batch).await.expect_err("the batch is refused");
    assert_eq!(error.node(), builder.node(), "the error names the node");
    assert_eq!((checkpoint(store).await, resume(store).await), before, "the checkpoint stays");
    if builder.atomic() || matches!(error.fault(), Fault::CheckpointMoved { .. }) {
        let now = (all(store, &namespace("items")).await, collections(store).await);
        assert_eq!(now, data, "the documents and collections stay");
    }
    error.fault().clone()
}

pub(super) async fn resume(store: &impl Documents) -> Resume {
    store.resume().await.expect("it is read")
}

pub(super) async fn an_apply_inserts_replaces_and_deletes<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[rawdoc! { "_id": 1, "a": 1, "b": 2 }, only_id(2)]).await;
    chain.insert(&ns, only_id(3)).update(&ns, rawdoc! { "_id": 1, "b": 3, "a": null }).delete(&ns, id(2));
    let applied = apply(&store, &chain.take_batch()).await.expect("the batch is applied");
    assert_eq!(applied, Applied { changed: 3, repeated: 0 });
    let expected = [valid(rawdoc! { "_id": 1, "b": 3, "a": null }), valid(only_id(3))];
    assert_eq!(all(&store, &ns).await, expected);
}

pub(super) async fn an_apply_moves_the_checkpoint<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let mut chain = Chain::new(log_id(1));
    for number in 1..=3 {
        let batch = chain.insert(&namespace("items"), only_id(number)).noops(1).take_batch();
        apply(&store, &batch).await.expect("the batch is applied");
        assert_eq!(checkpoint(&store).await, Some(at(&chain)));
        assert_eq!(store.unfinished().await.expect("it is read"), None);
    }
}

pub(super) async fn a_document_may_come_and_go_within_a_batch<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[only_id(1), only_id(2)]).await;
    chain.insert(&ns, only_id(3)).update(&ns, rawdoc! { "_id": 3, "a": 1 }).delete(&ns, id(3));
    chain.update(&ns, rawdoc! { "_id": 1, "a": 1 }).delete(&ns, id(1)).insert(&ns, rawdoc! { "_id": 1, "a": 2 });
    chain.delete(&ns, id(2)).insert(&ns, only_id(2)).delete(&ns, id(2));
    apply(&store, &chain.take_batch()).await.expect("the batch is applied");
    assert_eq!(all(&store, &ns).await, [valid(rawdoc! { "_id": 1, "a": 2 })]);
    assert_eq!(checkpoint(&store).await, Some(at(&chain)));
    chain.insert(&ns, only_id(3)).delete(&ns, id(3));
    apply(&store, &chain.take_batch()).await.expect("a batch without a lasting change moves the checkpoint");
    assert_eq!(checkpoint(&store).await, Some(at(&chain)));
}

pub(super) async fn a_document_may_come_back_as_an_equal_id_of_another_type<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[only_id(1), only_id(2)]).await;
    apply(&store, &chain.delete(&ns, id(1)).insert(&ns, only_id(1.0)).take_batch()).await.expect("in one batch");
    apply(&store, &chain.delete(&ns, id(2)).take_batch()).await.expect("in two batches: the delete");
    apply(&store, &chain.insert(&ns, only_id(2_i64)).take_batch()).await.expect("in two batches: the insert");
    let expected = [valid(only_id(1.0)), valid(only_id(2_i64))];
    assert_eq!(all(&store, &ns).await, expected, "byte for byte as the log says");
}

pub(super) async fn a_batch_of_noops_only_moves_the_checkpoint<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let mut chain = Chain::new(log_id(1));
    let applied = apply(&store, &chain.noops(3).take_batch()).await.expect("the batch is applied");
    assert_eq!(applied, Applied::default());
    assert_eq!(checkpoint(&store).await, Some(at(&chain)));
    assert_eq!(store.namespaces().await.expect("they are read"), []);
}

pub(super) async fn a_new_term_moves_the_checkpoint<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let mut chain = fill(&store, &namespace("items"), &[only_id(1)]).await;
    apply(&store, &chain.new_term().take_batch()).await.expect("the batch is applied");
    assert_eq!(checkpoint(&store).await, Some(at(&chain)));
    assert_eq!(chain.last().position, Position { term: 1, index: 2 });
    apply(&store, &chain.delete(&namespace("items"), id(1)).take_batch()).await.expect("the log goes on");
}

pub(super) async fn a_batch_goes_to_many_namespaces<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let names = ["items", "items.archive", "orders"].map(namespace);
    let mut chain = Chain::new(log_id(1));
    for (number, ns) in names.iter().cycle().take(30).enumerate() {
        chain.insert(ns, rawdoc! { "_id": i32::try_from(number / 3).unwrap_or_default(), "ns": ns.as_str() });
    }
    apply(&store, &chain.take_batch()).await.expect("the batch is applied");
    for ns in &names {
        let expected: Vec<_> = (0..10).map(|number| valid(rawdoc! { "_id": number, "ns": ns.as_str() })).collect();
        assert_eq!(all(&store, ns).await, expected);
    }
}

pub(super) async fn the_first_batch_starts_at_the_origin<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let mut chain = Chain::new(log_id(1));
    chain.noops(2).take();
    let fault = refused(builder, &store, &chain.noops(1).take_batch()).await;
    assert_eq!(fault, Fault::CheckpointMoved { found: Position::default() });
}

pub(super) async fn a_batch_is_applied_once<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let mut chain = Chain::new(log_id(1));
    let batch = chain.insert(&namespace("items"), only_id(1)).take_batch();
    apply(&store, &batch).await.expect("the batch is applied");
    let found = chain.last().position;
    assert_eq!(refused(builder, &store, &batch).await, Fault::CheckpointMoved { found });
    apply(&store, &chain.noops(1).take_batch()).await.expect("the log goes on");
}

pub(super) async fn a_batch_that_skips_entries_is_refused<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let mut chain = fill(&store, &namespace("items"), &[only_id(1)]).await;
    let found = chain.last().position;
    chain.noops(1).take();
    let fault = refused(builder, &store, &chain.insert(&namespace("items"), only_id(2)).take_batch()).await;
    assert_eq!(fault, Fault::CheckpointMoved { found });
}

pub(super) async fn a_batch_of_another_log_is_refused<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let chain = fill(&store, &namespace("items"), &[only_id(1)]).await;
    let found = chain.last().position;
    let mut from_its_start = Chain::new(log_id(2));
    let mut from_here = Chain::after(log_id(2), chain.last());
    for foreign in [&mut from_its_start, &mut from_here] {
        let batch = foreign.insert(&namespace("items"), only_id(2)).take_batch();
        assert_eq!(refused(builder, &store, &batch).await, Fault::CheckpointMoved { found });
    }
}

pub(super) async fn a_batch_of_another_history_is_refused<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let mut chain = Chain::new(log_id(1));
    let mut rival = chain.rival(2);
    apply(&store, &chain.noops(2).take_batch()).await.expect("the batch is applied");
    rival.noops(2).take();
    let batch = rival.insert(&namespace("items"), only_id(1)).take_batch();
    let found = chain.last().position;
    assert_eq!(rival.last().position.index, found.index + 1, "it would fit by its index");
    assert_eq!(refused(builder, &store, &batch).await, Fault::CheckpointMoved { found });
}

fn is_busy(result: &Result<Applied, StoreError>, node: &str) -> bool {
    result.as_ref().is_err_and(|error| matches!(error.fault(), Fault::Busy { .. }) && error.node() == node)
}

pub(super) async fn an_owner_without_a_lease_is_refused<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let batch = Chain::new(log_id(1)).insert(&namespace("items"), only_id(1)).take_batch();
    assert!(is_busy(&store.apply(&batch, owner_id(1)).await, builder.node()));
    let other = Lease { owner: owner_id(1), holder: "a writer".to_owned(), beat: 0 };
    assert!(store.swap_lease(LeaseName::Log, None, Some(&other)).await.expect("the lease is taken"));
    assert!(is_busy(&store.apply(&batch, owner_id(1)).await, builder.node()), "the lease on the log is another");
    assert_eq!((checkpoint(&store).await, all(&store, &namespace("items")).await), (None, vec![]));
}

pub(super) async fn an_owner_whose_lease_was_taken_is_refused<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let batch = Chain::new(log_id(1)).insert(&namespace("items"), only_id(1)).take_batch();
    lease_documents(&store, owner_id(1)).await;
    lease_documents(&store, owner_id(2)).await;
    assert!(is_busy(&store.apply(&batch, owner_id(1)).await, builder.node()));
    assert_eq!((checkpoint(&store).await, all(&store, &namespace("items")).await), (None, vec![]));
    store.apply(&batch, owner_id(2)).await.expect("the holder may apply");
}

pub(super) async fn of_two_appliers_one_moves_the_checkpoint<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let chain = Chain::new(log_id(1));
    let [one, two] = [1, 2].map(|writer| {
        let mut chain = chain.rival(writer);
        chain.noops(1).insert(&namespace("items"), only_id(i32::from(writer))).take_batch()
    });
    lease_documents(&store, owner_id(1)).await;
    // Two tasks of one process, by mistake: they have one owner.
    let (first, second) = tokio::join!(store.apply(&one, owner_id(1)), store.apply(&two, owner_id(1)));
    let winners: Vec<_> = [(first, one), (second, two)].into_iter().filter(|(result, _)| result.is_ok()).collect();
    assert!(winners.len() <= 1, "{winners:?}");
    let moved = winners.first().map(|(_, batch)| Checkpoint { log: chain.log(), anchor: batch.last() });
    assert_eq!(checkpoint(&store).await, moved);
    if builder.atomic() {
        assert_eq!((winners.len(), all(&store, &namespace("items")).await.len()), (1, 1));
    }
}

fn drift(number: i32, needs: Existence, entry: Option<&Entry>) -> Fault {
    let index = entry.expect("there is an entry").position().index;
    Fault::Drift { ns: namespace("items"), id: id(number), needs, index }
}

pub(super) async fn an_insert_of_a_present_document_is_drift<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[only_id(1), only_id(2)]).await;
    chain.insert(&ns, only_id(3)).delete(&ns, id(2)).insert(&ns, rawdoc! { "_id": 1, "other": true });
    let batch = chain.take_batch();
    let expected = drift(1, Existence::Absent, batch.entries().last());
    assert_eq!(refused(builder, &store, &batch).await, expected);
    assert_eq!(get(&store, &ns, id(1)).await, Some(valid(only_id(1))), "the document that was there stays");
}

pub(super) async fn an_update_of_an_absent_document_is_drift<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[only_id(1), only_id(2)]).await;
    chain.insert(&ns, only_id(3)).delete(&ns, id(2)).update(&ns, rawdoc! { "_id": 4, "a": 1 });
    let batch = chain.take_batch();
    let expected = drift(4, Existence::Present, batch.entries().last());
    assert_eq!(refused(builder, &store, &batch).await, expected);
    assert_eq!(get(&store, &ns, id(4)).await, None, "an update makes no document");
}

pub(super) async fn a_delete_of_an_absent_document_is_drift<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[only_id(1), only_id(2)]).await;
    chain.insert(&ns, only_id(3)).delete(&ns, id(2)).delete(&ns, id(4));
    let batch = chain.take_batch();
    let expected = drift(4, Existence::Present, batch.entries().last());
    assert_eq!(refused(builder, &store, &batch).await, expected);
}

pub(super) async fn a_log_that_contradicts_itself_is_refused<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[only_id(1)]).await;
    let batch = chain.delete(&ns, id(1)).update(&ns, only_id(1)).take_batch();
    let before = at(&Chain::after(chain.log(), *batch.after()));
    let error = apply(&store, &batch).await.expect_err("the batch is refused");
    assert_eq!(error.node(), builder.node());
    assert_eq!((checkpoint(&store).await, all(&store, &ns).await), (Some(before), vec![valid(only_id(1))]));
}

pub(super) async fn an_apply_forgets_a_stop<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let mut chain = fill(&store, &namespace("items"), &[only_id(1)]).await;
    let stop = Stop { at: chain.last().position, too_stale: false, reason: "a test".to_owned() };
    store.set_stop(&stop).await.expect("it is remembered");
    let foreign = Chain::new(log_id(2)).noops(1).take_batch();
    refused(builder, &store, &foreign).await;
    assert_eq!(store.stop().await.expect("it is read"), Some(stop), "a refused batch forgets nothing");
    apply(&store, &chain.noops(1).take_batch()).await.expect("the batch is applied");
    assert_eq!(store.stop().await.expect("it is read"), None);
}
