//! What [`Leases`] owe.

use super::StoreBuilder;
use crate::{
    lease::{Lease, LeaseName, Leases},
    testing::chain::owner_id,
};

fn lease(owner: u8, beat: u64) -> Lease {
    Lease { owner: owner_id(owner), holder: format!("process {owner} on a host"), beat }
}

async fn swap(store: &impl Leases, name: LeaseName, expected: Option<&Lease>, new: Option<&Lease>) -> bool {
    store.swap_lease(name, expected, new).await.expect("the swap gets an answer")
}

async fn found(store: &impl Leases, name: LeaseName) -> Option<Lease> {
    store.lease(name).await.expect("the lease is read")
}

pub(super) async fn a_lease_starts_free<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    assert_eq!(found(&store, LeaseName::Log).await, None);
    assert_eq!(found(&store, LeaseName::Documents).await, None);
}

pub(super) async fn a_lease_is_swapped_only_from_what_is_expected<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    for name in [LeaseName::Log, LeaseName::Documents] {
        let (mine, renewed, theirs) = (lease(1, 0), lease(1, 41), lease(2, 0));
        assert!(!swap(&store, name, Some(&mine), Some(&theirs)).await, "nobody held it");
        assert!(swap(&store, name, None, Some(&mine)).await);
        assert!(!swap(&store, name, None, Some(&theirs)).await, "it is not free");
        assert!(!swap(&store, name, None, None).await, "it is not free");
        assert!(swap(&store, name, Some(&mine), Some(&renewed)).await);
        assert!(!swap(&store, name, Some(&mine), Some(&theirs)).await, "the beat has moved");
        assert!(!swap(&store, name, Some(&theirs), None).await, "the owner is another");
        assert_eq!(found(&store, name).await, Some(renewed.clone()));
        assert!(swap(&store, name, Some(&renewed), None).await);
        assert_eq!(found(&store, name).await, None);
        assert!(swap(&store, name, None, None).await);
        assert!(swap(&store, name, None, Some(&theirs)).await);
    }
}

pub(super) async fn leases_are_apart<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    assert!(swap(&store, LeaseName::Log, None, Some(&lease(1, 0))).await);
    assert_eq!(found(&store, LeaseName::Documents).await, None);
    assert!(swap(&store, LeaseName::Documents, None, Some(&lease(2, 0))).await);
    assert_eq!(found(&store, LeaseName::Log).await, Some(lease(1, 0)));
}

pub(super) async fn of_rivals_one_takes_a_lease<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (one, two) = (lease(1, 0), lease(2, 0));
    let name = LeaseName::Documents;
    let (first, second) = tokio::join!(swap(&store, name, None, Some(&one)), swap(&store, name, None, Some(&two)));
    assert!(first != second, "exactly one takes it");
    assert_eq!(found(&store, name).await, Some(if first { one } else { two }));
}
