//! Comparing two nodes without the program that is under test.

use oplogsync_core::{
    catalog::{Collection, Index},
    document::Document,
    documents::Documents,
    limits::Limits,
    namespace::Namespace,
};

const PAGE: Limits = Limits { entries_max: 1000, bytes_max: 16 * 1024 * 1024 };

/// Fails unless a replica holds what the source holds: document by document, in its bytes, and collection by
/// collection and index by index.
pub(crate) async fn expect_equal(source: &impl Documents, replica: &impl Documents) {
    let namespaces = source.namespaces().await.unwrap();
    assert_eq!(replica.namespaces().await.unwrap(), namespaces);
    assert!(!namespaces.is_empty(), "there is nothing to compare");
    for ns in &namespaces {
        expect_equal_documents(source, replica, ns).await;
    }
    assert_eq!(structure(replica).await, structure(source).await);
}

async fn expect_equal_documents(source: &impl Documents, replica: &impl Documents, ns: &Namespace) {
    let mut after = None;
    loop {
        let expected = source.scan(ns, after.as_ref(), PAGE).await.unwrap();
        let found = replica.scan(ns, after.as_ref(), PAGE).await.unwrap();
        assert_eq!(found.len(), expected.len(), "{ns} after {after:?}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.as_raw(), expected.as_raw(), "{ns}");
        }
        let Some(last) = expected.last() else { return };
        after = Some(Document::id(last));
    }
}

/// The collections that are more than the documents in them, as they are on a replica.
async fn structure(node: &impl Documents) -> Vec<Collection> {
    let mut collections = node.collections().await.unwrap();
    collections.retain(|collection| !collection.is_plain());
    for collection in &mut collections {
        collection.indexes = collection.indexes.iter().map(Index::on_replica).collect();
        collection.indexes.sort_by(|a, b| a.name().cmp(b.name()));
    }
    collections.sort_by(|a, b| a.ns.cmp(&b.ns));
    collections
}
