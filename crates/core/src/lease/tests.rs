use super::*;
use crate::{
    memory::MemoryStore,
    testing::{
        chain::owner_id,
        faulty::{Call, Faulty},
        manual_host::ManualHost,
    },
};

const TERM: Duration = Duration::from_secs(4);

async fn acquire<S: Leases>(store: S, owner: u8, host: &ManualHost) -> Result<HeldLease<S>, StoreError> {
    let mine = Lease { owner: owner_id(owner), holder: format!("process {owner}"), beat: 0 };
    HeldLease::acquire(store, "db1", LeaseName::Log, mine, host, TERM).await
}

#[tokio::test]
async fn a_lease_that_its_owner_takes_again_is_not_in_a_state_that_it_was_in_before() {
    let (store, host) = (MemoryStore::new("db1"), ManualHost::hurried(1));
    acquire(store.clone(), 1, &host).await.unwrap();
    let before = store.lease(LeaseName::Log).await.unwrap();

    acquire(store.clone(), 1, &host).await.unwrap();

    assert_ne!(store.lease(LeaseName::Log).await.unwrap(), before, "who waits would take it for abandoned");
}

#[tokio::test]
async fn a_renewal_of_ours_that_arrives_late_is_not_taken_for_a_rival() {
    let (store, host) = (MemoryStore::new("db1"), ManualHost::hurried(1));
    let lease = acquire(store.clone(), 1, &host).await.unwrap();
    let slow = Faulty::new(store.clone(), "db1");
    let hold = slow.hold(Call::SwapLease);
    let late = async {
        hold.reached().await;
        host.advance(TERM);
        lease.renew_when_due(&host, TERM).await.unwrap();
        hold.release();
    };

    let (taken, ()) = tokio::join!(acquire(slow.clone(), 1, &host), late);
    taken.unwrap();
}

#[tokio::test]
async fn a_lease_taken_by_a_faster_process_is_left_to_it_for_a_whole_term() {
    let (store, host) = (MemoryStore::new("db1"), ManualHost::hurried(1));
    let slow = Faulty::new(store.clone(), "db1");
    let hold = slow.hold(Call::SwapLease);
    let faster = async {
        hold.reached().await;
        acquire(store.clone(), 2, &host).await.unwrap();
        hold.release();
        host.now()
    };

    // The faster one dies at once.
    let (taken, since) = tokio::join!(acquire(slow.clone(), 1, &host), faster);

    taken.unwrap();
    assert!(host.now().duration_since(since).unwrap() >= TERM);
}
