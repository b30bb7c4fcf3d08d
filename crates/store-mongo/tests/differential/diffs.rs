//! The diffs of the oplog: what they make of documents.

use std::collections::HashMap;

use bson::{Bson, Document as Fields, RawDocument, RawDocumentBuf, doc, raw::cstr};
use mongodb::{Client, Collection, Database};
use oplogsync_core::{diff::Diff, doc_id::DocId, document::Document};

use super::{
    cases,
    changes::{Change, Changes},
    generate::{id, name, value},
    pipelines::{document, pipeline},
    random,
    random::Random,
    report,
    sections::Sections,
    updates::operators_on,
    write,
};

const DOCUMENTS: usize = 500;
/// Then there are new documents, before they grow too long.
const ROUNDS: usize = 3;

#[derive(Debug, Default)]
struct Seen {
    updates: usize,
    replacements: usize,
    sections: Sections,
}

#[tokio::test]
async fn the_diffs_of_updates_make_what_the_server_holds() {
    let Some(node) = oplogsync_mongod::testing::shared_replica_set().await else { return };
    let database = Client::with_uri_str(node.uri()).await.unwrap().database(node.name());
    let mut random = random("the_diffs_of_updates_make_what_the_server_holds");
    let collection = database.collection("diffs");
    let mut stream = Changes::of(&database).await;
    let mut seen = Seen::default();
    let mut differences = Vec::new();
    let mut before = HashMap::new();
    let cases = cases(3_000);
    for round in 0..cases.div_ceil(DOCUMENTS) {
        if round % ROUNDS == 0 {
            renew(&mut random, &collection, round * DOCUMENTS).await;
            before = all(&collection).await;
            stream.round().await;
        }
        let updates = random_updates(&mut random, &before);
        update(&database, &updates).await;
        let mut changed = stream.round().await;
        let after = all(&collection).await;
        for (id, update) in updates {
            let (before, change, after) = (&before[&id], changed.remove(&id), &after[&id]);
            let ours = seen.after(before, change.as_ref());
            if ours.as_ref().map(Document::as_bytes) != Ok(after.as_bytes()) {
                let (before, ours, after) = (shown(before), ours.as_ref().map(shown), shown(after));
                let context = format!("{before}\nupdate: {update}\nevent:  {change:?}");
                differences.push(format!("{context}\nours:   {ours:?}\nserver: {after}\n"));
            }
        }
        assert!(changed.is_empty(), "changes of documents that were not updated: {changed:?}");
        before = after;
    }
    eprintln!("{seen:?}");
    report(&differences);
    assert!(seen.updates * 2 > cases, "most updates must have a diff");
    seen.sections.assert_manifold();
}

impl Seen {
    /// What we make of a document and its change.
    fn after(&mut self, before: &Document, change: Option<&Change>) -> Result<Document, String> {
        match change {
            None => Ok(before.clone()),
            Some(Change::Replace(raw)) => {
                self.replacements += 1;
                Document::new(id_first(raw)).map_err(|error| error.to_string())
            }
            Some(Change::Update(raw)) => {
                self.updates += 1;
                self.sections.count(raw, before.as_raw());
                let diff = Diff::new(raw.clone()).map_err(|error| error.to_string())?;
                diff.apply(before).map_err(|misfit| misfit.to_string())
            }
        }
    }
}

/// The new document of a replacement. A pipeline may have moved the `_id`: the event shows where,
/// but the server puts it in front.
fn id_first(raw: &RawDocument) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    document.append(cstr!("_id"), raw.get("_id").unwrap().unwrap());
    for (name, value) in raw.iter().map(Result::unwrap).filter(|(name, _)| name.as_str() != "_id") {
        document.append(name, value);
    }
    document
}

fn shown(document: &Document) -> String {
    Fields::try_from(document.as_raw()).unwrap().to_string()
}

/// New documents, and no others.
async fn renew(random: &mut Random, collection: &Collection<RawDocumentBuf>, number: usize) {
    collection.delete_many(doc! {}).await.unwrap();
    let new = |at| {
        let id = id(random, number + at);
        RawDocumentBuf::try_from(&document(random, &id)).unwrap()
    };
    collection.insert_many((0..DOCUMENTS).map(new)).await.unwrap();
}

async fn all(collection: &Collection<RawDocumentBuf>) -> HashMap<DocId, Document> {
    let mut cursor = collection.find(doc! {}).await.unwrap();
    let mut all = HashMap::new();
    while cursor.advance().await.unwrap() {
        let document = Document::new(cursor.current().to_owned()).unwrap();
        all.insert(document.id(), document);
    }
    all
}

/// An update for each document, in the order of the ids, so that a seed repeats them.
fn random_updates(random: &mut Random, documents: &HashMap<DocId, Document>) -> Vec<(DocId, Bson)> {
    let mut sorted: Vec<_> = documents.iter().collect();
    sorted.sort_by_key(|(id, _)| *id);
    let mut update = |document: &Document| {
        let fields = Fields::try_from(document.as_raw()).unwrap();
        match random.below(20) {
            0..10 => Bson::Array(pipeline(random, &fields)),
            10 => Bson::Document(doc! { "$set": { "list.$[]": value(random, 1) } }),
            11 => Bson::Document(doc! { "$set": { format!("list.$[].{}", name(random)): value(random, 1) } }),
            _ => Bson::Document(operators_on(random, &fields)),
        }
    };
    sorted.into_iter().map(|(id, document)| (id.clone(), update(document))).collect()
}

/// Runs the updates; some fail, and then there is no change.
async fn update(database: &Database, updates: &[(DocId, Bson)]) {
    let statement = |(id, update): &(DocId, Bson)| {
        let query = Fields::try_from(&*id.to_raw_document()).unwrap();
        Bson::Document(doc! { "q": query, "u": update.clone() })
    };
    let updates: Vec<_> = updates.iter().map(statement).collect();
    write(database, doc! { "update": "diffs", "updates": updates, "ordered": false }).await;
}
