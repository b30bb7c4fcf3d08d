//! Inserts and replacements.

use bson::{Bson, Document as Fields, RawBson, RawDocumentBuf, doc, oid::ObjectId};
use oplogsync_core::{
    doc_id::DocId,
    document::Document,
    prepare::{prepare_insert, prepare_replacement},
    update::UpdateError,
};

use super::{
    cases, database,
    generate::{fields, id, value},
    now, random,
    random::Random,
    report, write,
};

const BATCH: usize = 500;

fn raw(fields: &Fields) -> RawDocumentBuf {
    RawDocumentBuf::try_from(fields).unwrap()
}

/// Random fields with this `_id` somewhere among them.
fn with_id(random: &mut Random, id: &Bson) -> Fields {
    let mut others: Vec<_> = fields(random, 2).into_iter().filter(|(name, _)| name != "_id").collect();
    let at = random.below(others.len() + 1);
    others.insert(at, ("_id".to_owned(), id.clone()));
    others.into_iter().collect()
}

/// How the two answers differ, if they do.
fn difference(
    context: &dyn std::fmt::Debug,
    ours: &Result<Document, UpdateError>,
    stored: Option<&bson::RawDocument>,
    error: Option<&(i32, String)>,
) -> Option<String> {
    let same = match (ours, error, stored) {
        (Ok(ours), None, Some(stored)) => ours.as_bytes() == stored.as_bytes(),
        (Err(ours), Some((code, _)), _) => ours.code == *code,
        // The server inserts such names, and never replaces them.
        (Err(ours), None, _) => [52, 55].contains(&ours.code),
        _ => false,
    };
    (!same).then(|| format!("{context:?}\nours:   {ours:?}\nserver: {error:?} {stored:?}\n"))
}

#[tokio::test]
async fn inserts_are_stored_as_on_a_mongod() {
    let Some(database) = database().await else { return };
    let mut random = random("inserts_are_stored_as_on_a_mongod");
    let collection = database.collection::<RawDocumentBuf>("inserts");
    let mut differences = Vec::new();
    for batch in 0..cases(2_000).div_ceil(BATCH) {
        let make = |random: &mut Random, at| {
            let own = id(random, batch * BATCH + at);
            let strange = Bson::Array(vec![own.clone(), value(random, 1)]);
            let strange = random.pick(&[strange, Bson::Document(doc! { "$a": own.clone() }), own.clone()]).clone();
            let id = if random.one_in(10) { strange } else { own };
            with_id(random, &id)
        };
        let documents: Vec<Fields> = (0..BATCH).map(|at| make(&mut random, at)).collect();
        let command = doc! { "insert": "inserts", "documents": documents.clone(), "ordered": false };
        let errors = write(&database, command).await;
        for (at, document) in documents.iter().enumerate() {
            let ours = prepare_insert(raw(document), ObjectId::new(), now());
            let stored = collection.find_one(doc! { "_id": { "$eq": &document["_id"] } }).await.unwrap();
            differences.extend(difference(document, &ours, stored.as_deref(), errors.get(&at)));
        }
    }
    report(&differences);
}

#[tokio::test]
async fn replacements_are_stored_as_on_a_mongod() {
    let Some(database) = database().await else { return };
    let mut random = random("replacements_are_stored_as_on_a_mongod");
    let collection = database.collection::<RawDocumentBuf>("replacements");
    let mut differences = Vec::new();
    for batch in 0..cases(2_000).div_ceil(BATCH) {
        let mut befores = Vec::new();
        let mut afters = Vec::new();
        for at in 0..BATCH {
            let number = batch * BATCH + at;
            let own = id(&mut random, number);
            let mut before = doc! { "_id": own.clone() };
            before
                .extend(fields(&mut random, 2).into_iter().filter(|(name, _)| name != "_id" && !name.starts_with('$')));
            let others = [
                Bson::Int64(i64::try_from(number).unwrap()),
                Bson::Double(f64::from(u32::try_from(number).unwrap())),
                Bson::Array(vec![own.clone()]),
                Bson::String("other".to_owned()),
            ];
            let chosen = if random.one_in(3) { random.pick(&others).clone() } else { own.clone() };
            let mut after = with_id(&mut random, &chosen);
            if random.one_in(2) {
                after.remove("_id");
            }
            befores.push((own, (!random.one_in(4)).then_some(before)));
            afters.push(after);
        }
        let existing: Vec<_> = befores.iter().filter_map(|(_, before)| before.as_ref().map(raw)).collect();
        collection.insert_many(existing).await.unwrap();
        let statement = |((id, _), after): (&(Bson, Option<Fields>), &Fields)| {
            Bson::Document(doc! { "q": { "_id": id }, "u": after, "upsert": true })
        };
        let updates: Vec<_> = befores.iter().zip(&afters).map(statement).collect();
        let errors = write(&database, doc! { "update": "replacements", "updates": updates, "ordered": false }).await;
        for (at, ((id, before), after)) in befores.iter().zip(&afters).enumerate() {
            let current = before.as_ref().map(|before| Document::new(raw(before)).unwrap());
            let doc_id = DocId::new(RawBson::try_from(id.clone()).unwrap()).unwrap();
            let ours = prepare_replacement(raw(after), &doc_id, current.as_ref(), now());
            let stored = collection.find_one(doc! { "_id": { "$eq": id } }).await.unwrap();
            differences.extend(difference(&(id, before, after), &ours, stored.as_deref(), errors.get(&at)));
        }
    }
    report(&differences);
}
