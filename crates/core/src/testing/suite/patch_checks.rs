//! What [`Documents::apply`](crate::documents::Documents::apply) owes of patches.

use bson::rawdoc;

use super::{
    StoreBuilder, apply,
    apply_checks::{at, checkpoint, refused},
    command_checks::assert_holds,
    document_checks::{all, fill},
};
use crate::{
    apply::Existence,
    batch::Batch,
    documents::Applied,
    store_error::Fault,
    testing::{
        chain::valid,
        documents::{every_type, id, namespace, only_id},
    },
};

pub(super) async fn a_patch_changes_a_part_of_a_document<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let base = rawdoc! { "_id": 1, "a": 1, "a.b": 2, "sub": { "x": 1, "y": [1, 2, 3, 4] }, "gone": true };
    let mut chain = fill(&store, &ns, &[base, every_type(2)]).await;
    let diff = rawdoc! {
        "d": { "gone": false },
        "u": { "a.b": 3_i64 },
        "i": { "new": null },
        "ssub": { "u": { "x": "one" }, "sy": { "a": true, "l": 3, "u1": { "z": 1.5 } } },
    };
    chain.patch(&ns, id(1), diff).patch(&ns, id(2), rawdoc! { "i": { "more": 1 } });
    let applied = apply(&store, &chain.take_batch()).await.expect("the batch is applied");
    assert_eq!(applied, Applied { changed: 2, repeated: 0 });
    let patched = rawdoc! {
        "_id": 1, "a": 1, "a.b": 3_i64, "sub": { "x": "one", "y": [1, { "z": 1.5 }, 3] }, "new": null,
    };
    let mut longer = every_type(2);
    longer.append(bson::raw::cstr!("more"), 1);
    assert_holds(&store, &ns, &[patched, longer]).await;
    assert_eq!(checkpoint(&store).await, Some(at(&chain)));
}

pub(super) async fn patches_of_one_document_are_applied_in_order<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[rawdoc! { "_id": 1, "list": [] }, only_id(2)]).await;
    for number in 0..3 {
        let mut items = rawdoc! { "a": true };
        let name = bson::raw::CString::try_from(format!("u{number}")).expect("a name");
        items.append(name, number);
        chain.patch(&ns, id(1), rawdoc! { "slist": items }).update(&ns, rawdoc! { "_id": 2, "n": number });
    }
    chain.patch(&ns, id(1), rawdoc! { "slist": { "a": true, "l": 2 } });
    let batch = chain.take_batch();
    apply(&store, &batch).await.expect("the batch is applied");
    assert_holds(&store, &ns, &[rawdoc! { "_id": 1, "list": [0, 1] }, rawdoc! { "_id": 2, "n": 2 }]).await;
}

pub(super) async fn a_patch_may_follow_an_insert_or_a_replacement<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[rawdoc! { "_id": 1, "old": 1 }, only_id(3)]).await;
    let diff = rawdoc! { "u": { "n": 2 } };
    chain.update(&ns, rawdoc! { "_id": 1, "n": 1 }).patch(&ns, id(1), diff.clone());
    chain.insert(&ns, rawdoc! { "_id": 2, "n": 1 }).patch(&ns, id(2), diff.clone());
    chain.delete(&ns, id(3)).insert(&ns, rawdoc! { "_id": 3, "n": 1 }).patch(&ns, id(3), diff);
    apply(&store, &chain.take_batch()).await.expect("the batch is applied");
    let expected: Vec<_> = (1..=3).map(|number| rawdoc! { "_id": number, "n": 2 }).collect();
    assert_holds(&store, &ns, &expected).await;
}

pub(super) async fn a_patched_document_may_be_deleted_or_replaced<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[only_id(1), only_id(2), only_id(3)]).await;
    let diff = rawdoc! { "i": { "n": 1 } };
    chain.patch(&ns, id(1), diff.clone()).delete(&ns, id(1));
    chain.patch(&ns, id(2), diff.clone()).update(&ns, rawdoc! { "_id": 2, "m": 1 });
    chain.patch(&ns, id(3), diff).delete(&ns, id(3)).insert(&ns, rawdoc! { "_id": 3, "new": true });
    apply(&store, &chain.take_batch()).await.expect("the batch is applied");
    assert_holds(&store, &ns, &[rawdoc! { "_id": 2, "m": 1 }, rawdoc! { "_id": 3, "new": true }]).await;
}

fn misfit(number: i32, batch: &Batch, entry: usize) -> Fault {
    let index = batch.entries().get(entry).expect("there is an entry").position().index;
    Fault::Misfit { ns: namespace("items"), id: id(number), index }
}

pub(super) async fn a_patch_that_does_not_fit_is_refused<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[only_id(1), only_id(2), only_id(3)]).await;
    chain.insert(&ns, only_id(4)).delete(&ns, id(1));
    chain.patch(&ns, id(2), rawdoc! { "i": { "n": 1 } }).patch(&ns, id(2), rawdoc! { "smissing": { "u": { "n": 1 } } });
    chain.patch(&ns, id(3), rawdoc! { "i": { "n": 1 } });
    let batch = chain.take_batch();
    assert_eq!(refused(builder, &store, &batch).await, misfit(2, &batch, 3));
    assert!(all(&store, &ns).await.contains(&valid(only_id(2))), "the document that was there stays");
}

pub(super) async fn a_patch_that_does_not_fit_its_own_batch_is_refused<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[only_id(1)]).await;
    chain.insert(&ns, only_id(2)).patch(&ns, id(2), rawdoc! { "smissing": { "u": { "n": 1 } } });
    let batch = chain.take_batch();
    assert_eq!(refused(builder, &store, &batch).await, misfit(2, &batch, 1));
}

pub(super) async fn a_patch_of_an_absent_document_is_drift<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = fill(&store, &ns, &[only_id(1)]).await;
    let batch = chain.insert(&ns, only_id(2)).patch(&ns, id(7), rawdoc! { "i": { "n": 1 } }).take_batch();
    let index = batch.last().position.index;
    let expected = Fault::Drift { ns: ns.clone(), id: id(7), needs: Existence::Present, index };
    assert_eq!(refused(builder, &store, &batch).await, expected);
}
