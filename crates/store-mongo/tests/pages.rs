//! A collection is read from a snapshot page by page, and no page ends it before its last document.

use bson::doc;
use oplogsync_core::{
    doc_id::DocId,
    initial_sync::{Part, SyncSource},
    limits::Limits,
    testing::documents::{id, namespace},
};

use crate::change_stream::source::{Source, set_of_one};

/// The ids of each page, until one says that it is the last.
async fn pages(source: &Source, until: Option<&DocId>, limits: Limits) -> Vec<Vec<DocId>> {
    let (snapshots, ns) = (source.snapshots(), namespace("items"));
    let (mut pages, mut after, mut at) = (Vec::<Vec<DocId>>::new(), None, None);
    loop {
        let part = Part { ns: &ns, after: after.as_ref(), until };
        let read = snapshots.read(part, at, limits).await.expect("it is read");
        at = Some(read.at);
        let page: Vec<DocId> = read.documents.iter().map(oplogsync_core::document::Document::id).collect();
        after = page.last().cloned();
        pages.push(page);
        if read.is_end {
            return pages;
        }
    }
}

#[tokio::test]
async fn a_part_is_read_to_its_end_in_as_many_pages_as_its_limits_need() {
    let Some(set) = set_of_one("pages").await else { return };
    let source = Source::whole(&set.uri()).await;
    let documents = (0..100).map(|number| doc! { "_id": number, "filler": "x".repeat(100) });
    source.collection("shop.items").insert_many(documents).await.expect("they are inserted");
    let numbers = |range: std::ops::Range<i32>| range.map(id).collect::<Vec<_>>();
    let sizes = |pages: &[Vec<DocId>]| pages.iter().map(Vec::len).collect::<Vec<_>>();

    for entries_max in [1, 2, 7, 33, 49, 50, 99, 100, 101, 1000] {
        let limits = Limits { entries_max, bytes_max: usize::MAX };
        let read = pages(&source, None, limits).await;
        assert_eq!(read.concat(), numbers(0..100), "pages of {entries_max}");
        assert!(read.iter().rev().skip(1).all(|page| page.len() == entries_max), "{:?}", sizes(&read));
        let read = pages(&source, Some(&id(59)), limits).await;
        assert_eq!(read.concat(), numbers(0..60), "pages of {entries_max}, up to 59");
    }
    // A document has 128 bytes or so.
    for bytes_max in [1, 128, 300, 1000, 5000, 20_000] {
        let read = pages(&source, None, Limits { entries_max: 1000, bytes_max }).await;
        assert_eq!(read.concat(), numbers(0..100), "pages of {bytes_max} bytes: {:?}", sizes(&read));
    }
}
