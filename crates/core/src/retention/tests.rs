use bson::rawdoc;

use super::*;
use crate::{
    host::SystemHost,
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
    store.acknowledge(&crate::log::Acknowledgement { replica: "db2".to_owned(), at }).await.unwrap();
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
