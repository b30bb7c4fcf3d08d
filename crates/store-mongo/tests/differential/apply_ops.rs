//! Any diffs on any documents, applied by us and by a server, which is handed them as entries of
//! its oplog.

use std::collections::HashSet;

use bson::{Bson, Document as Fields, RawDocumentBuf, doc};
use mongodb::{Client, Database};
use oplogsync_core::{
    diff::{Diff, DiffError, Misfit},
    document::Document,
};

use super::{
    cases,
    generate::{fields, id, name, value},
    pipelines::document,
    random,
    random::Random,
    report,
};

const BATCH: usize = 500;

#[derive(Debug, Default)]
struct Seen {
    applied: usize,
    misfits: usize,
    refused: usize,
}

#[tokio::test]
async fn any_diff_makes_of_any_document_what_a_server_makes() {
    let Some(node) = oplogsync_mongod::testing::shared_replica_set().await else { return };
    let database = Client::with_uri_str(node.uri()).await.unwrap().database(node.name());
    let mut random = random("any_diff_makes_of_any_document_what_a_server_makes");
    let collection = database.collection::<RawDocumentBuf>("bases");
    let mut seen = Seen::default();
    let mut differences = Vec::new();
    let cases = cases(1_000);
    for batch in 0..cases.div_ceil(BATCH) {
        let bases: Vec<Fields> = (0..BATCH)
            .map(|at| {
                let id = id(&mut random, batch * BATCH + at);
                document(&mut random, &id)
            })
            .collect();
        collection.insert_many(bases.iter().map(|base| RawDocumentBuf::try_from(base).unwrap())).await.unwrap();
        for base in &bases {
            let query = doc! { "_id": { "$eq": &base["_id"] } };
            let base = Document::new(collection.find_one(query.clone()).await.unwrap().unwrap()).unwrap();
            let fields = Fields::try_from(base.as_raw()).unwrap();
            let mut diff = document_diff(&mut random, &fields);
            if random.one_in(10) {
                diff = malformed(&mut random, diff);
            }
            let code = apply_ops(&database, &fields["_id"], &diff).await;
            let held = collection.find_one(query).await.unwrap().unwrap();
            let ours = Diff::new(RawDocumentBuf::try_from(&diff).unwrap()).map(|diff| diff.apply(&base));
            if !seen.is_same(&ours, code, &held) {
                let held = Fields::try_from(&*held).unwrap();
                differences.push(format!("{fields}\ndiff:   {diff}\nours:   {ours:?}\nserver: {code:?} {held}\n"));
            }
        }
    }
    eprintln!("{seen:?}");
    report(&differences);
    assert!(seen.applied * 2 > cases, "most diffs must fit");
    assert!(seen.misfits * 20 > cases && seen.refused * 20 > cases, "some diffs must not fit, some be malformed");
}

impl Seen {
    /// Whether both have done the same: a server goes on where we call it a misfit.
    fn is_same(
        &mut self,
        ours: &Result<Result<Document, Misfit>, DiffError>,
        code: Option<i32>,
        held: &RawDocumentBuf,
    ) -> bool {
        match ours {
            Ok(Ok(ours)) => {
                self.applied += 1;
                code.is_none() && ours.as_bytes() == held.as_bytes()
            }
            Ok(Err(Misfit::Missing { .. } | Misfit::OtherType { .. })) => {
                self.misfits += 1;
                true
            }
            Ok(Err(Misfit::OtherId | Misfit::Result(_))) => {
                self.misfits += 1;
                code.is_some()
            }
            Ok(Err(_)) => false,
            Err(_) => {
                self.refused += 1;
                code.is_some()
            }
        }
    }
}

/// Hands a server an entry of an oplog; the code, if it fails.
async fn apply_ops(database: &Database, id: &Bson, diff: &Fields) -> Option<i32> {
    let namespace = format!("{}.bases", database.name());
    let entry = doc! { "op": "u", "ns": namespace, "o2": { "_id": id }, "o": { "$v": 2, "diff": diff } };
    let applied = database.client().database("admin").run_command(doc! { "applyOps": [entry] }).await;
    applied.err().map(|error| match *error.kind {
        mongodb::error::ErrorKind::Command(error) => error.code,
        other => panic!("{other}"),
    })
}

/// A diff that fits the document, mostly.
fn document_diff(random: &mut Random, base: &Fields) -> Fields {
    let mut names: Vec<String> =
        base.keys().filter(|name| random.one_in(if *name == "_id" { 20 } else { 3 })).cloned().collect();
    names.extend((0..random.below(3)).map(|_| name(random)));
    for at in 1..names.len() {
        names.swap(at, random.below(at + 1));
    }
    let mut taken = HashSet::new();
    names.retain(|name| taken.insert(name.clone()));
    let (mut deletes, mut updates, mut inserts, mut inside) = (doc! {}, doc! {}, doc! {}, doc! {});
    for name in names {
        let old = base.get(&name);
        match random.below(6) {
            0 => drop(deletes.insert(name, false)),
            1 => drop(updates.insert(name, new_value(random, old))),
            2 => drop(inserts.insert(name, new_value(random, old))),
            _ => match sub_diff(random, old) {
                Some(diff) => drop(inside.insert(format!("s{name}"), diff)),
                None => drop(updates.insert(name, new_value(random, old))),
            },
        }
    }
    let sections = [("d", deletes), ("u", updates), ("i", inserts)];
    let present = sections.into_iter().filter(|(_, fields)| !fields.is_empty() || random.one_in(20));
    let mut diff: Fields = present.map(|(name, fields)| (name.to_owned(), Bson::Document(fields))).collect();
    diff.extend(inside);
    if diff.is_empty() {
        doc! { "u": { name(random): value(random, 1) } }
    } else {
        diff
    }
}

fn array_diff(random: &mut Random, base: &[Bson]) -> Fields {
    let mut diff = doc! { "a": true };
    let length = random.one_in(3).then(|| random.below(base.len() + 3));
    if let Some(length) = length {
        diff.insert("l", i32::try_from(length).unwrap());
    }
    for at in 0..length.unwrap_or(base.len() + 3) {
        if random.one_in(3) {
            match sub_diff(random, base.get(at)) {
                Some(inside) if random.one_in(2) => diff.insert(format!("s{at}"), inside),
                _ => diff.insert(format!("u{at}"), value(random, 1)),
            };
        }
    }
    diff
}

/// A diff of what is inside of a value; now and then also if there is nothing.
fn sub_diff(random: &mut Random, base: Option<&Bson>) -> Option<Fields> {
    match base {
        Some(Bson::Document(fields)) if !random.one_in(50) => Some(document_diff(random, fields)),
        Some(Bson::Array(items)) if !random.one_in(50) => Some(array_diff(random, items)),
        _ if random.one_in(20) => Some(document_diff(random, &doc! {})),
        _ if random.one_in(20) => Some(array_diff(random, &[])),
        _ => None,
    }
}

fn new_value(random: &mut Random, old: Option<&Bson>) -> Bson {
    old.filter(|_| random.one_in(3)).cloned().unwrap_or_else(|| value(random, 2))
}

/// The diff with something wrong in it that a server refuses.
fn malformed(random: &mut Random, mut diff: Fields) -> Fields {
    match random.below(6) {
        0 => doc! {},
        1 => {
            let name = *random.pick(&["b", "a", "x", "$v"]);
            diff.insert(name, fields(random, 1));
            diff
        }
        2 => {
            // Behind it nothing of the kind may come.
            diff.remove("d");
            diff.insert("d", doc! { "nobody": false });
            if diff.len() == 1 {
                doc! {}
            } else {
                diff
            }
        }
        3 => {
            diff.insert("u", value(random, 0));
            diff
        }
        4 => doc! { "d": { "twice": false }, "u": { "twice": 1 } },
        _ => doc! { "u": { "inner": 1 }, "sinner": { "u": { "x": 1 } } },
    }
}
