//! What [`Documents::apply`](crate::documents::Documents::apply) owes of a batch that is not seen as it is.

use std::{collections::HashMap, sync::Arc};

use bson::rawdoc;

use super::{
    StoreBuilder, apply,
    apply_checks::{at, checkpoint, refused, resume},
    command_checks::{assert_gone, assert_holds, index},
    document_checks::fill,
};
use crate::{
    apply::Existence,
    batch::Batch,
    catch_up::{CatchUp, Clock, Copied, Moment, Segment},
    checkpoint::{Resume, Token},
    command::Action,
    filter::Filter,
    namespace::Namespace,
    store_error::Fault,
    testing::{
        chain::valid,
        documents::{id, namespace, only_id},
    },
    view::View,
};

/// The view of a target that was copied without snapshots, and whose source then had `until` entries.
fn replaying(until: u64) -> View {
    let until = Moment::of_index(until);
    let (listed_at, listed_until) = (Moment::default(), Moment::default());
    let catch_up = CatchUp { clock: Clock::Index, until, listed_at, listed_until, collections: HashMap::new() };
    View::whole().catching_up(Some(Arc::new(catch_up)))
}

pub(super) async fn replayed_entries_are_applied_whatever_they_find<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[rawdoc! { "_id": 1, "later": true }, only_id(2)]).await;
    chain.insert(&ns, only_id(1)).update(&ns, rawdoc! { "_id": 3, "n": 1 }).delete(&ns, id(4));
    chain.delete(&ns, id(5)).insert(&ns, only_id(5)).update(&ns, only_id(2)).insert(&ns, only_id(6)).delete(&ns, id(6));
    let batch = chain.take_batch();
    let batch = batch.seen(replaying(chain.last().position.index));
    apply(&store, &batch).await.expect("the batch is applied");
    assert_holds(&store, &ns, &[only_id(1), only_id(2), rawdoc! { "_id": 3, "n": 1 }, only_id(5)]).await;
    assert_eq!(checkpoint(&store).await, Some(at(&chain)));
}

pub(super) async fn entries_behind_a_replay_are_strict_again<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[only_id(1)]).await;
    let until = chain.insert(&ns, only_id(1)).last().position.index;
    let batch = chain.insert(&ns, only_id(2)).delete(&ns, id(3)).take_batch();
    let expected = Fault::Drift { ns: ns.clone(), id: id(3), needs: Existence::Present, index: until + 2 };
    assert_eq!(refused(builder, &store, &batch.seen(replaying(until))).await, expected);
}

/// The view of a target whose documents up to the id 10 are of the moment of the entry `first`, and the
/// others of that of `second`.
fn copied(batch: &Batch, first: usize, second: usize) -> View {
    let moment = |number: usize| Moment::of_optime(batch.entries().get(number).expect("an entry").optime());
    let segment = |until, number| Segment { until, at: moment(number) };
    let segments = vec![segment(Some(id(10)), first), segment(None, second)];
    let items = Copied { ended_at: moment(second), segments, ..Copied::default() };
    let collections = HashMap::from([(namespace("items"), items)]);
    let (until, listed) = (moment(second), moment(first));
    let catch_up = CatchUp { clock: Clock::OpTime, until, listed_at: listed, listed_until: listed, collections };
    View::whole().catching_up(Some(Arc::new(catch_up)))
}

pub(super) async fn entries_that_were_copied_already_are_skipped<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[rawdoc! { "_id": 1, "n": 1 }, rawdoc! { "_id": 20, "n": 3 }]).await;
    chain.insert(&ns, rawdoc! { "_id": 1, "n": 1 }).insert(&ns, rawdoc! { "_id": 20, "n": 1 });
    // The first of the snapshots was here,
    chain.update(&ns, rawdoc! { "_id": 1, "n": 2 }).update(&ns, rawdoc! { "_id": 20, "n": 3 });
    // and the second one here.
    chain.update(&ns, rawdoc! { "_id": 1, "n": 3 }).update(&ns, rawdoc! { "_id": 20, "n": 4 });
    let batch = chain.take_batch();
    let view = copied(&batch, 1, 3);
    apply(&store, &batch.seen(view)).await.expect("the batch is applied");
    assert_holds(&store, &ns, &[rawdoc! { "_id": 1, "n": 3 }, rawdoc! { "_id": 20, "n": 4 }]).await;
    assert_eq!(checkpoint(&store).await, Some(at(&chain)));
}

pub(super) async fn a_patch_that_was_copied_already_is_skipped<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[rawdoc! { "_id": 1, "list": [1] }, rawdoc! { "_id": 20, "list": [1] }]).await;
    let add = |item: &str, value: i32| {
        let mut items = rawdoc! { "a": true };
        items.append(bson::raw::CString::try_from(item).expect("a name"), value);
        rawdoc! { "slist": items }
    };
    chain.patch(&ns, id(1), add("u0", 1)).patch(&ns, id(20), add("u0", 1));
    chain.patch(&ns, id(1), add("u1", 2)).patch(&ns, id(20), add("u1", 2));
    let batch = chain.take_batch();
    let view = copied(&batch, 0, 1);
    apply(&store, &batch.seen(view)).await.expect("the batch is applied");
    assert_holds(&store, &ns, &[rawdoc! { "_id": 1, "list": [1, 2] }, rawdoc! { "_id": 20, "list": [1, 2] }]).await;
}

/// Without `secrets`, and with `items` under the name of `goods`.
fn filter() -> Filter {
    let renames = [("shop.items".to_owned(), "shop.goods".to_owned())];
    Filter::new(&[], &["shop.secrets".to_owned(), "shop.goods".to_owned()], &renames).expect("a filter")
}

pub(super) async fn a_filter_leaves_out_and_renames<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (ns, secrets, goods, orders) = names();
    let mut chain = fill(&store, &orders, &[only_id(1)]).await;
    chain.insert(&ns, only_id(1)).insert(&secrets, only_id(1)).insert(&orders, only_id(2));
    chain.insert(&ns, only_id(2)).delete(&ns, id(1)).update(&secrets, only_id(7));
    apply(&store, &chain.take_batch().seen(View::through(filter()))).await.expect("the batch is applied");
    assert_gone(&store, &ns).await;
    assert_gone(&store, &secrets).await;
    assert_holds(&store, &goods, &[only_id(2)]).await;
    assert_holds(&store, &orders, &[only_id(1), only_id(2)]).await;
    chain.delete(&secrets, id(9));
    apply(&store, &chain.take_batch().seen(View::through(filter()))).await.expect("nothing of it is left");
    assert_eq!(checkpoint(&store).await, Some(at(&chain)));
}

fn names() -> (Namespace, Namespace, Namespace, Namespace) {
    (namespace("items"), namespace("secrets"), namespace("goods"), namespace("orders"))
}

pub(super) async fn a_filtered_command_goes_by_the_name_at_the_target<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (ns, secrets, goods, orders) = names();
    let mut chain = fill(&store, &goods, &[only_id(1)]).await;
    let actions = [
        Action::CreateIndexes { ns: ns.clone(), indexes: vec![index("n", false)] },
        Action::CreateIndexes { ns: secrets.clone(), indexes: vec![index("n", false)] },
        Action::Rename { ns: ns.clone(), to: orders.clone(), drop_target: false },
        Action::Drop { ns: secrets.clone() },
    ];
    for action in actions {
        let batch = chain.command(action).take_batch().seen(View::through(filter()));
        apply(&store, &batch).await.expect("the command is run");
    }
    assert_holds(&store, &orders, &[only_id(1)]).await;
    let found: Vec<_> = super::command_checks::collections(&store).await;
    assert!(
        found.len() == 1 && found.iter().all(|it| it.ns == orders && it.indexes == [index("n", false)]),
        "{found:?}"
    );
    for ns in [&ns, &secrets, &goods] {
        assert_gone(&store, ns).await;
    }
}

pub(super) async fn an_image_takes_the_place_of_a_patch<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[only_id(1), only_id(2), only_id(3)]).await;
    let diff = rawdoc! { "smissing": { "u": { "n": 1 } } };
    for (number, image) in [(1, Some(valid(rawdoc! { "_id": 1, "n": 1 }))), (2, None), (4, Some(valid(only_id(4))))] {
        let batch = chain.patch(&ns, id(number), diff.clone()).take_batch();
        let index = batch.last().position.index;
        apply(&store, &batch.with_image(index, image)).await.expect("the batch is applied");
    }
    assert_holds(&store, &ns, &[rawdoc! { "_id": 1, "n": 1 }, only_id(3), only_id(4)]).await;
}

pub(super) async fn what_stands_beside_the_checkpoint_is_remembered<B: StoreBuilder>(builder: &B) {
    let (guard, store) = builder.build().await;
    let mut chain = fill(&store, &namespace("items"), &[only_id(1)]).await;
    assert_eq!(resume(&store).await, Resume::default());
    let token = |text: &str| Some(Token::new(text.as_bytes()));
    apply(&store, &chain.noops(1).take_batch().with_token(token("82"))).await.expect("the batch is applied");
    assert_eq!(resume(&store).await, Resume { token: token("82"), ..Resume::default() });
    apply(&store, &chain.noops(1).take_batch()).await.expect("the batch is applied");
    assert_eq!(resume(&store).await, Resume::default(), "it is that of the last batch");
    let batch = chain.noops(1).take_batch().with_token(token("84")).seen(View::through(filter()));
    apply(&store, &batch).await.expect("the batch is applied");
    let expected = Resume { filter: filter().id(), token: token("84") };
    assert_eq!(resume(&store).await, expected);
    let Some(store) = builder.reopen(&guard, store).await else { return };
    assert_eq!((resume(&store).await, checkpoint(&store).await), (expected, Some(at(&chain))));
}
