use super::*;
use crate::{
    memory::MemoryStore,
    testing::{
        chain::owner_id,
        faulty::{Action, Call, Faulty},
        manual_host::ManualHost,
    },
};

const TERM: Duration = Duration::from_secs(5);
const NAME: LeaseName = LeaseName::Documents;

fn lease(owner: u8, beat: u64) -> Lease {
    Lease { owner: owner_id(owner), holder: format!("process {owner}"), beat }
}

fn store() -> Faulty<MemoryStore> {
    Faulty::new(MemoryStore::new("db1"), "db1")
}

async fn held_by(store: &Faulty<MemoryStore>, lease: &Lease) {
    let found = store.inner().lease(NAME).await.unwrap();
    assert!(store.inner().swap_lease(NAME, found.as_ref(), Some(lease)).await.unwrap());
}

async fn acquire(store: &Faulty<MemoryStore>, host: &ManualHost) -> Result<HeldLease<Faulty<MemoryStore>>, StoreError> {
    take(store.clone(), 1, host).await
}

#[tokio::test]
async fn a_free_lease_is_taken_at_once() {
    let (store, host) = (store(), ManualHost::standing(1));
    acquire(&store, &host).await.unwrap();
    assert_eq!(store.lease(NAME).await.unwrap(), Some(lease(1, 0)));
}

#[tokio::test]
async fn a_lease_whose_holder_died_is_taken_after_a_whole_term() {
    let (store, host) = (store(), ManualHost::hurried(1));
    held_by(&store, &lease(2, 7)).await;
    let before = host.now();
    acquire(&store, &host).await.unwrap();
    assert_eq!(host.now().duration_since(before).unwrap(), TERM);
}

#[tokio::test]
async fn a_lease_whose_holder_lives_is_left_to_it() {
    let (store, host) = (store(), ManualHost::standing(1));
    held_by(&store, &lease(2, 7)).await;
    let alive = async {
        tokio::task::yield_now().await;
        held_by(&store, &lease(2, 8)).await;
        host.advance(TERM);
    };
    let (refused, ()) = tokio::join!(acquire(&store, &host), alive);
    let error = refused.err().unwrap();
    assert_eq!(error.fault(), &Fault::Busy { holder: "process 2".to_owned() });
    assert_eq!(store.lease(NAME).await.unwrap(), Some(lease(2, 8)));
}

#[tokio::test]
async fn a_late_renewal_of_our_own_is_not_taken_for_another_process() {
    let (store, host) = (store(), ManualHost::hurried(1));
    held_by(&store, &lease(1, 3)).await;
    let hold = store.hold(Call::SwapLease);
    let late = async {
        hold.reached().await;
        held_by(&store, &lease(1, 4)).await;
        hold.release();
    };
    let (taken, ()) = tokio::join!(acquire(&store, &host), late);
    taken.unwrap();
    assert_eq!(store.lease(NAME).await.unwrap(), Some(lease(1, 5)), "the beat goes on");
}

#[tokio::test]
async fn a_renewal_whose_reply_is_lost_is_made_again() {
    let (store, host) = (store(), ManualHost::standing(1));
    let held = acquire(&store, &host).await.unwrap();
    host.advance(TERM);
    store.plan(Call::SwapLease, Action::LoseReply);
    assert_eq!(held.renew_when_due(&host, TERM).await.unwrap_err().fault(), &Fault::Unknown);
    held.renew_when_due(&host, TERM).await.unwrap();
    assert_eq!(store.lease(NAME).await.unwrap(), Some(lease(1, 1)));
}

#[tokio::test]
async fn a_lease_that_another_process_took_is_lost() {
    let (store, host) = (store(), ManualHost::hurried(1));
    let held = acquire(&store, &host).await.unwrap();
    held_by(&store, &lease(2, 0)).await;
    let lost = held.keep(&host, TERM).await;
    assert_eq!(lost.fault(), &Fault::Busy { holder: "process 2".to_owned() });
    held.release().await.unwrap();
    assert_eq!(store.lease(NAME).await.unwrap(), Some(lease(2, 0)), "nobody gives back what is another's");
}

async fn take<S: Leases>(store: S, owner: u8, host: &ManualHost) -> Result<HeldLease<S>, StoreError> {
    HeldLease::acquire(store, "db1", NAME, lease(owner, 0), host, TERM).await
}

#[tokio::test]
async fn a_lease_that_its_owner_takes_again_is_not_in_a_state_that_it_was_in_before() {
    let (store, host) = (MemoryStore::new("db1"), ManualHost::hurried(1));
    take(store.clone(), 1, &host).await.unwrap();
    let before = store.lease(NAME).await.unwrap();

    take(store.clone(), 1, &host).await.unwrap();

    assert_ne!(store.lease(NAME).await.unwrap(), before, "who waits would take it for abandoned");
}

#[tokio::test]
async fn a_renewal_of_ours_that_arrives_late_is_not_taken_for_a_rival() {
    let (store, host) = (MemoryStore::new("db1"), ManualHost::hurried(1));
    let lease = take(store.clone(), 1, &host).await.unwrap();
    let slow = Faulty::new(store.clone(), "db1");
    let hold = slow.hold(Call::SwapLease);
    let late = async {
        hold.reached().await;
        host.advance(TERM);
        lease.renew_when_due(&host, TERM).await.unwrap();
        hold.release();
    };

    let (taken, ()) = tokio::join!(take(slow.clone(), 1, &host), late);
    taken.unwrap();
}

#[tokio::test]
async fn a_lease_taken_by_a_faster_process_is_left_to_it_for_a_whole_term() {
    let (store, host) = (MemoryStore::new("db1"), ManualHost::hurried(1));
    let slow = Faulty::new(store.clone(), "db1");
    let hold = slow.hold(Call::SwapLease);
    let faster = async {
        hold.reached().await;
        take(store.clone(), 2, &host).await.unwrap();
        hold.release();
        host.now()
    };

    // The faster one dies at once.
    let (taken, since) = tokio::join!(take(slow.clone(), 1, &host), faster);

    taken.unwrap();
    assert!(host.now().duration_since(since).unwrap() >= TERM);
}
