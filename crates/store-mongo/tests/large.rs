//! The largest documents that can be replicated.

use bson::{RawBson, RawDocumentBuf};
use oplogsync_core::{
    document::Document,
    documents::{Applied, Documents},
    limits::{DOCUMENT_BYTES_MAX, Limits},
    log::{Appended, Log},
    store_error::Fault,
    testing::{
        chain::{Chain, log_id, valid},
        documents::namespace,
    },
};

use crate::fixture::{Fixture, words};

const ALL: Limits = Limits { entries_max: 1000, bytes_max: usize::MAX };

/// A document of the largest size, with `fill` in it; with a dollar field it needs a pipeline.
fn largest(id: impl Into<RawBson>, field: &str, fill: &str) -> RawDocumentBuf {
    let id = id.into();
    let framed = |bytes: usize| {
        let mut framed = RawDocumentBuf::new();
        framed.append(bson::raw::CString::try_from("_id").unwrap(), id.as_raw_bson_ref());
        framed.append(bson::raw::CString::try_from(field).unwrap(), fill.repeat(bytes));
        framed
    };
    let document = framed(DOCUMENT_BYTES_MAX - framed(0).as_bytes().len());
    assert_eq!(document.as_bytes().len(), DOCUMENT_BYTES_MAX);
    document
}

#[tokio::test]
async fn the_largest_document_goes_through_the_log_and_into_the_documents() {
    let ns = namespace("items");
    for fixture in Fixture::both().await {
        fixture.store.create_log(log_id(1)).await.expect("it is created");
        let mut chain = Chain::new(log_id(1));
        chain.insert(&ns, largest(1, "a", "x")).insert(&ns, largest(2, "a", "x"));
        let entries = chain.clone().take();
        let inserts = chain.take_batch();
        assert_eq!(fixture.store.append(&entries).await.expect("it is appended"), Appended::All);
        assert_eq!(fixture.apply(&inserts).await.expect("inserted"), Applied { changed: 2, repeated: 0 });
        for (field, fill) in [("a", "y"), ("$a", "z")] {
            let after = [largest(1, field, fill), largest(2, field, fill)];
            chain.update(&ns, after[0].clone()).update(&ns, after[1].clone());
            let entries = chain.clone().take();
            assert_eq!(fixture.store.append(&entries).await.expect("it is appended"), Appended::All);
            assert_eq!(fixture.store.read(entries[0].position().index, ALL).await.unwrap(), entries);
            let applied = fixture.apply(&chain.take_batch()).await.expect("replaced");
            assert_eq!(applied, Applied { changed: 2, repeated: 0 });
            assert_eq!(fixture.items().await, after.map(|raw| valid(raw).as_bytes().to_vec()));
        }
    }
}

/// The statement of an update carries the id beside the document, and so does its entry.
#[tokio::test]
async fn the_largest_document_with_a_large_id_is_refused_by_name_where_it_does_not_fit() {
    let ns = namespace("items");
    for fixture in Fixture::both().await {
        fixture.store.create_log(log_id(1)).await.expect("it is created");
        let id = "i".repeat(200 * 1024);
        let before = valid(largest(id.as_str(), "a", "x"));
        let mut chain = Chain::new(log_id(1));
        chain.insert(&ns, before.as_raw().to_owned());
        assert_eq!(fixture.store.append(&chain.clone().take()).await.expect("it is appended"), Appended::All);
        let inserts = chain.take_batch();
        if fixture.store.is_transactional() {
            // The server's own oplog entry names the id once more.
            let error = fixture.apply(&inserts).await.expect_err("the server's oplog does not take it");
            let expected = Fault::Rejected { ns: ns.clone(), id: before.id(), index: 1 };
            assert!(error.fault() == &expected, "{:.300}", words(&error));
            continue;
        }
        fixture.apply(&inserts).await.expect("it is inserted");
        chain.update(&ns, largest(id.as_str(), "a", "y"));
        let expected = Fault::Rejected { ns: ns.clone(), id: before.id(), index: 2 };
        let error = fixture.store.append(&chain.clone().take()).await.expect_err("the entry is too large");
        assert!(error.fault() == &expected, "{:.300}", words(&error));
        let batch = chain.take_batch();
        for _ in 0..2 {
            let error = fixture.apply(&batch).await.expect_err("the statement is too large");
            assert!(error.fault() == &expected, "{:.300}", words(&error));
        }
        let found = fixture.store.get(&ns, &[before.id()]).await.expect("it is read");
        assert!(found.iter().flatten().map(Document::as_bytes).eq([before.as_bytes()]), "it is as it was");
    }
}
