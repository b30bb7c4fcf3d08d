use bson::rawdoc;

use super::*;
use crate::{
    host::SystemHost,
    log::Acknowledgement,
    memory::MemoryStore,
    namespace::Namespace,
    primary::{Primary, PrimaryOptions},
    testing::faulty::{Call, Faulty},
    write::Write,
};

#[tokio::test]
async fn a_rival_trim_does_not_lead_beyond_what_is_acknowledged() {
    let store = MemoryStore::new("db1");
    let primary = Primary::open(store.clone(), SystemHost, PrimaryOptions::default()).await.unwrap();
    let ns = Namespace::new("shop.orders").unwrap();
    for number in 0..7 {
        primary.write(Write::Insert { ns: ns.clone(), document: rawdoc! { "_id": number } }).await.unwrap();
    }
    let entries = store.read(1, Limits::default()).await.unwrap();
    let at = entries[3].anchor();
    store.acknowledge(&Acknowledgement { replica: "db2".to_owned(), at }).await.unwrap();
    let slow = Faulty::new(store.clone(), "db1");
    let hold = slow.hold(Call::Read);
    let rival = async {
        hold.reached().await;
        store.trim(&at).await.unwrap();
        hold.release();
    };
    let later = SystemTime::now() + Duration::from_secs(3600);

    let (trimmed, ()) = tokio::join!(trim(&slow, Retention::UntilAcknowledged { age: Duration::ZERO }, later), rival);

    trimmed.unwrap();
    assert_eq!(store.log_ends().await.unwrap().unwrap().floor, at);
}

#[tokio::test]
async fn a_spool_waits_for_the_replicas_it_is_for_and_for_no_other() {
    let spool = MemoryStore::new("spool");
    let primary = Primary::open(spool.clone(), SystemHost, PrimaryOptions::default()).await.unwrap();
    let ns = Namespace::new("shop.orders").unwrap();
    for number in 0..7 {
        primary.write(Write::Insert { ns: ns.clone(), document: rawdoc! { "_id": number } }).await.unwrap();
    }
    let entries = spool.read(1, Limits::default()).await.unwrap();
    for (replica, at) in [("given up", 0), ("slow", 3), ("fast", 5)] {
        let acknowledgement = Acknowledgement { replica: replica.to_owned(), at: entries[at].anchor() };
        spool.acknowledge(&acknowledgement).await.unwrap();
    }
    let later = SystemTime::now() + Duration::from_secs(3600);
    let trimmed = async |replicas: &[&str]| trim_spool(&spool, replicas, Duration::ZERO, later).await.unwrap();

    assert_eq!(trimmed(&["fast", "new"]).await, None);
    assert_eq!(trimmed(&[]).await, None);
    assert_eq!(trimmed(&["fast", "slow"]).await, Some(entries[3].anchor()));
    assert_eq!(trimmed(&["fast"]).await, Some(entries[5].anchor()));
}
