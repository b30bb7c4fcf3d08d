//! The order and the equality of ids.

use std::collections::HashMap;

use bson::{Bson, RawBson, RawDocumentBuf, doc};
use oplogsync_core::{doc_id::DocId, document::Document};

use super::{cases, database, generate::value, random, write};

#[tokio::test]
async fn ids_order_and_equate_as_on_a_mongod() {
    let Some(database) = database().await else { return };
    let mut random = random("ids_order_and_equate_as_on_a_mongod");
    let ids: Vec<Bson> = (0..cases(10_000))
        .map(|_| value(&mut random, 2))
        .filter(|id| !matches!(id, Bson::Array(_) | Bson::RegularExpression(_) | Bson::Undefined))
        .filter(|id| !format!("{id:?}").contains("\"$"))
        .collect();
    let mut kept: HashMap<DocId, usize> = HashMap::new();
    for (start, batch) in ids.chunks(500).enumerate().map(|(at, batch)| (at * 500, batch)) {
        let documents: Vec<Bson> = batch
            .iter()
            .enumerate()
            .map(|(at, id)| Bson::Document(doc! { "_id": id, "case": count(start + at) }))
            .collect();
        let errors = write(&database, doc! { "insert": "ids", "documents": documents, "ordered": false }).await;
        for (at, id) in batch.iter().enumerate() {
            let ours = DocId::new(RawBson::try_from(id.clone()).unwrap()).unwrap();
            let earlier = kept.get(&ours).copied();
            let duplicate = errors.get(&at).map(|(code, _)| *code);
            let wanted = earlier.map(|_| 11_000);
            assert_eq!(duplicate, wanted, "{id:?}, which we take for {:?}", earlier.map(|earlier| &ids[earlier]));
            kept.entry(ours).or_insert(start + at);
        }
    }
    let sorted = database.collection::<RawDocumentBuf>("ids").find(doc! {}).sort(doc! { "_id": 1 }).await.unwrap();
    let sorted: Vec<Document> = collect(sorted).await.into_iter().map(|raw| Document::new(raw).unwrap()).collect();
    assert_eq!(sorted.len(), kept.len());
    for pair in sorted.windows(2) {
        assert!(pair[0].id() < pair[1].id(), "{:?} < {:?}", pair[0], pair[1]);
    }
}

fn count(at: usize) -> i64 {
    i64::try_from(at).unwrap()
}

async fn collect(mut cursor: mongodb::Cursor<RawDocumentBuf>) -> Vec<RawDocumentBuf> {
    let mut all = Vec::new();
    while cursor.advance().await.unwrap() {
        all.push(cursor.current().to_owned());
    }
    all
}
