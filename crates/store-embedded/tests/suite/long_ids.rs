//! An `_id` that is longer than a key of the engine may be.

use bson::rawdoc;
use oplogsync_core::{
    documents::Documents,
    initial_sync::{Note, Piece, SyncTarget},
    limits::Limits,
    log::Log,
    store_error::Fault,
    testing::{
        chain::{Chain, valid},
        documents::id,
    },
};

use crate::{
    engine::{self, Options, Store},
    suite::history::{items, lease, log},
};

/// A text, as an `_id`, takes three bytes more in a key than it has: its type and its end.
fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

#[tokio::test]
async fn an_id_that_is_too_long_for_the_engine_is_rejected_and_the_longest_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), "a", Options::default()).unwrap();
    let owner = lease(&store).await;
    let longest = engine::ID_BYTES_MAX.unwrap_or(200_000);
    let document = |extra: usize| valid(rawdoc! { "_id": text(longest + extra) });
    let fits = (0..100).rev().find(|less| document(0).id().key().len() - less == longest);
    let less = fits.expect("a key is hardly longer than its id");
    let kept = valid(rawdoc! { "_id": text(longest - less) });
    assert_eq!(kept.id().key().len(), longest);
    let mut chain = Chain::new(log());
    store.create_log(log()).await.unwrap();
    let batch = chain.insert(&items(), rawdoc! { "_id": text(longest - less) }).take_batch();
    store.append(batch.entries()).await.unwrap();
    store.apply(&batch, owner).await.unwrap();
    assert_eq!(store.get(&items(), &[kept.id()]).await.unwrap(), [Some(kept.clone())]);

    let too_long = valid(rawdoc! { "_id": text(longest - less + 1) });
    let batch = chain.insert(&items(), rawdoc! { "_id": text(longest - less + 1) }).take_batch();
    store.append(batch.entries()).await.unwrap();
    let applied = store.apply(&batch, owner).await;
    let piece = Piece { ns: items(), after: None, until: None, documents: vec![too_long.clone()], is_fresh: false };
    let note = Note { name: "sync".to_owned(), document: None };
    if engine::ID_BYTES_MAX.is_none() {
        applied.unwrap();
        store.copy(&piece, &note, owner).await.unwrap();
        return;
    }
    let error = applied.unwrap_err();
    assert!(matches!(error.fault(), Fault::Rejected { index: 2, .. }), "{error:?}");
    let error = store.copy(&piece, &note, owner).await.unwrap_err();
    assert!(matches!(error.fault(), Fault::Rejected { .. }), "{error:?}");
    let error = store.mend(&items(), &too_long.id(), Some(&too_long), owner).await.unwrap_err();
    assert!(matches!(error.fault(), Fault::Rejected { .. }), "{error:?}");
    store.mend(&items(), &too_long.id(), None, owner).await.unwrap();
    // It is not there, and nothing else is harmed by asking.
    assert_eq!(store.get(&items(), &[too_long.id()]).await.unwrap(), [None]);
    assert_eq!(store.scan(&items(), Some(&too_long.id()), Limits::default()).await.unwrap(), []);
    assert_eq!(store.scan(&items(), Some(&id(1)), Limits::default()).await.unwrap(), [kept]);
}
