//! Update operators.

use std::collections::HashMap;

use bson::{Bson, Document as Fields, RawBson, RawDocumentBuf, doc};
use oplogsync_core::{
    doc_id::DocId,
    document::Document,
    update::{Update, UpdateError},
};

use super::{
    cases, database,
    generate::{array, fields, id, name, number, scalar, value},
    now, random,
    random::Random,
    report, write,
};

const BATCH: usize = 500;

struct Case {
    id: Bson,
    /// `None` for an upsert.
    document: Option<Fields>,
    update: Fields,
}

#[tokio::test]
async fn random_updates_end_as_on_a_mongod() {
    let Some(database) = database().await else { return };
    let mut random = random("random_updates_end_as_on_a_mongod");
    let collection = database.collection::<RawDocumentBuf>("updates");
    let mut differences = Vec::new();
    let (mut compared, mut refused, mut unsupported) = (0, 0, 0);
    for batch in 0..cases(10_000).div_ceil(BATCH) {
        let batch: Vec<Case> = (0..BATCH).map(|at| case(&mut random, batch * BATCH + at)).collect();
        let documents: Vec<RawDocumentBuf> = batch
            .iter()
            .filter_map(|case| case.document.as_ref())
            .map(|d| RawDocumentBuf::try_from(d).unwrap())
            .collect();
        collection.insert_many(documents).await.unwrap();
        let updates: Vec<Bson> = batch.iter().map(|case| Bson::Document(case.statement())).collect();
        let errors = write(&database, doc! { "update": "updates", "updates": updates, "ordered": false }).await;
        for (at, case) in batch.iter().enumerate() {
            let ours = case.evaluate();
            if ours.as_ref().is_err_and(|error| error.code == 9 && error.message.contains("not supported")) {
                unsupported += 1;
                continue;
            }
            let stored = collection.find_one(doc! { "_id": { "$eq": case.id.clone() } }).await.unwrap();
            differences.extend(case.difference(&ours, stored.as_deref(), errors.get(&at)));
            compared += 1;
            refused += usize::from(ours.is_err());
        }
        collection.delete_many(doc! {}).await.unwrap();
    }
    report(&differences);
    eprintln!("{compared} cases compared, {refused} of them errors; {unsupported} are not supported");
    assert!(refused * 10 > compared && refused * 10 < compared * 8, "the cases are one-sided");
    assert!(unsupported * 20 < compared, "most cases must be ones that we evaluate");
}

impl Case {
    fn statement(&self) -> Fields {
        doc! { "q": { "_id": self.id.clone() }, "u": self.update.clone(), "upsert": self.document.is_none() }
    }

    fn evaluate(&self) -> Result<Document, UpdateError> {
        let id = DocId::new(RawBson::try_from(self.id.clone()).unwrap()).unwrap();
        let current = self.document.as_ref().map(|d| Document::new(RawDocumentBuf::try_from(d).unwrap()).unwrap());
        Update::parse(&RawDocumentBuf::try_from(&self.update).unwrap())?.evaluate(&id, current.as_ref(), now())
    }

    /// How the two answers differ, if they do.
    fn difference(
        &self,
        ours: &Result<Document, UpdateError>,
        stored: Option<&bson::RawDocument>,
        error: Option<&(i32, String)>,
    ) -> Option<String> {
        let same = match (ours, error, stored) {
            (Ok(ours), None, Some(stored)) => {
                let masked = || [ours.as_raw(), stored].map(|d| mask_dates(Fields::try_from(d).unwrap()));
                let same_but_dates =
                    || masked().map(|fields| format!("{fields:?}")).windows(2).all(|two| two[0] == two[1]);
                let has_dates = self.update.contains_key("$currentDate");
                ours.as_bytes() == stored.as_bytes() || (has_dates && same_but_dates())
            }
            (Err(ours), Some((code, _)), _) => ours.code == *code,
            // The server takes such names in upserts; it would refuse ours in replacements.
            (Err(ours), None, _) => self.document.is_none() && [52, 55].contains(&ours.code),
            _ => false,
        };
        let context = || format!("document: {:?}\nid: {:?}\nupdate: {:?}", self.document, self.id, self.update);
        let ours = ours.as_ref().map(Document::as_raw);
        (!same).then(|| format!("{}\nours:   {ours:?}\nserver: {error:?} {stored:?}\n", context()))
    }
}

/// Replaces what `$currentDate` has set: no generated date is that late.
fn mask_dates(fields: Fields) -> Fields {
    let mask = |value: Bson| match value {
        Bson::DateTime(date) if date.timestamp_millis() > 1_000_000_000_000 => Bson::String("date".to_owned()),
        Bson::Timestamp(stamp) if stamp.time > 1_000_000_000 => Bson::String("timestamp".to_owned()),
        Bson::Document(inner) => Bson::Document(mask_dates(inner)),
        Bson::Array(items) => {
            let items = items.into_iter().enumerate().map(|(at, item)| (at.to_string(), item)).collect();
            Bson::Array(mask_dates(items).into_iter().map(|(_, item)| item).collect())
        }
        other => other,
    };
    fields.into_iter().map(|(name, value)| (name, mask(value))).collect()
}

fn case(random: &mut Random, number: usize) -> Case {
    let id = id(random, number);
    let document = (!random.one_in(6)).then(|| {
        let mut document = doc! { "_id": id.clone() };
        document.extend(fields(random, 3).into_iter().filter(|(name, _)| name != "_id"));
        document
    });
    let update = operators_on(random, document.as_ref().unwrap_or(&doc! {}));
    Case { id, document, update }
}

/// Some update operators with arguments that fit the document, mostly.
pub(super) fn operators_on(random: &mut Random, document: &Fields) -> Fields {
    let mut known = HashMap::new();
    collect_paths("", document, &mut known);
    let mut update = Fields::new();
    for _ in 0..=random.below(2) {
        let operator = *random.pick(OPERATORS);
        let mut arguments = update.get_document(operator).cloned().unwrap_or_default();
        for _ in 0..=usize::from(random.one_in(4)) {
            let path = path(random, &known, operator);
            let argument = argument(random, operator, known.get(&path));
            arguments.insert(path, argument);
        }
        update.insert(operator, arguments);
    }
    update
}

const OPERATORS: &[&str] = &[
    "$set",
    "$set",
    "$unset",
    "$inc",
    "$inc",
    "$mul",
    "$mul",
    "$min",
    "$max",
    "$rename",
    "$setOnInsert",
    "$currentDate",
    "$push",
    "$push",
    "$addToSet",
    "$pop",
    "$pull",
    "$pull",
    "$pull",
    "$pullAll",
    "$bit",
];

fn collect_paths(prefix: &str, fields: &Fields, paths: &mut HashMap<String, Bson>) {
    for (name, value) in fields {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Bson::Document(inner) => collect_paths(&path, inner, paths),
            Bson::Array(items) => {
                let items = items.iter().enumerate().map(|(at, item)| (at.to_string(), item.clone())).collect();
                collect_paths(&path, &items, paths);
            }
            _ => {}
        }
        paths.insert(path, value.clone());
    }
}

fn fits(operator: &str, value: &Bson) -> bool {
    match operator {
        "$inc" | "$mul" => {
            matches!(value, Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) | Bson::Decimal128(_))
        }
        "$bit" => matches!(value, Bson::Int32(_) | Bson::Int64(_)),
        "$push" | "$addToSet" | "$pop" | "$pull" | "$pullAll" => matches!(value, Bson::Array(_)),
        _ => true,
    }
}

fn path(random: &mut Random, known: &HashMap<String, Bson>, operator: &str) -> String {
    let mut fitting: Vec<_> = known.iter().filter(|(_, value)| fits(operator, value)).map(|(path, _)| path).collect();
    fitting.sort();
    let mut all: Vec<_> = known.keys().collect();
    all.sort();
    match random.below(20) {
        0..13 if !fitting.is_empty() => (*random.pick(&fitting)).clone(),
        13..15 if !all.is_empty() => (*random.pick(&all)).clone(),
        15..17 if !all.is_empty() => format!("{}.{}", random.pick(&all), name(random)),
        17 if random.one_in(5) => {
            (*random.pick(&["", ".", "a.", ".a", "a..b", "a.$", "a.$.b", "$", "a.$[x]", "a.$[]", "a.200", "a.1600000"]))
                .to_owned()
        }
        _ => (0..=random.below(3)).map(|_| name(random)).collect::<Vec<_>>().join("."),
    }
}

fn argument(random: &mut Random, operator: &str, target: Option<&Bson>) -> Bson {
    if random.one_in(25) {
        return value(random, 2);
    }
    let items = target.and_then(Bson::as_array).cloned().unwrap_or_default();
    let item = |random: &mut Random| {
        if items.is_empty() || random.one_in(4) { value(random, 1) } else { random.pick(&items).clone() }
    };
    match operator {
        "$inc" | "$mul" => number(random),
        "$bit" => {
            let operations = (0..=random.below(2)).map(|_| {
                let name = *random.pick(&["and", "or", "xor"]);
                (name.to_owned(), random.pick(&[Bson::Int32(6), Bson::Int32(-1), Bson::Int64(1 << 40)]).clone())
            });
            Bson::Document(operations.collect())
        }
        "$rename" => Bson::String((0..=random.below(2)).map(|_| name(random)).collect::<Vec<_>>().join(".")),
        "$currentDate" => random
            .pick(&[
                Bson::Boolean(true),
                Bson::Document(doc! { "$type": "date" }),
                Bson::Document(doc! { "$type": "timestamp" }),
            ])
            .clone(),
        "$pop" => random.pick(&[Bson::Int32(1), Bson::Int32(-1), Bson::Double(1.0), Bson::Int64(-1)]).clone(),
        "$min" | "$max" => target.filter(|_| random.one_in(3)).cloned().unwrap_or_else(|| scalar(random)),
        "$pullAll" => Bson::Array((0..random.below(4)).map(|_| item(random)).collect()),
        "$addToSet" if random.one_in(2) => {
            Bson::Document(doc! { "$each": (0..random.below(4)).map(|_| item(random)).collect::<Vec<_>>() })
        }
        "$push" if !random.one_in(3) => push(random),
        "$pull" => pull(random, &items),
        "$addToSet" => item(random),
        _ => value(random, 2),
    }
}

fn push(random: &mut Random) -> Bson {
    let mut clauses = doc! { "$each": array(random, 1) };
    if random.one_in(2) {
        clauses.insert("$position", i32::try_from(random.below(9)).unwrap() - 4);
    }
    if random.one_in(2) {
        clauses.insert("$slice", i32::try_from(random.below(9)).unwrap() - 4);
    }
    if random.one_in(2) {
        let sorts = [
            Bson::Int32(1),
            Bson::Double(-1.0),
            Bson::Document(doc! { "a": 1, "b": -1 }),
            Bson::Document(doc! { "a.b": -1 }),
            Bson::Document(doc! { "b.0": 1_i64 }),
            Bson::Int32(2),
        ];
        clauses.insert("$sort", random.pick(&sorts).clone());
    }
    if random.one_in(20) {
        clauses.insert("$other", 1);
    }
    Bson::Document(clauses)
}

fn pull(random: &mut Random, items: &[Bson]) -> Bson {
    let like = |random: &mut Random| {
        if items.is_empty() || random.one_in(4) { value(random, 1) } else { random.pick(items).clone() }
    };
    let inner = |random: &mut Random| -> (String, Bson) {
        let documents: Vec<_> = items.iter().filter_map(Bson::as_document).collect();
        let mut known = HashMap::new();
        for document in &documents {
            collect_paths("", document, &mut known);
        }
        let mut paths: Vec<_> = known.into_iter().collect();
        paths.sort_by(|left, right| left.0.cmp(&right.0));
        if paths.is_empty() || random.one_in(4) {
            return ((0..=random.below(2)).map(|_| name(random)).collect::<Vec<_>>().join("."), scalar(random));
        }
        let (path, value) = random.pick(&paths).clone();
        // Without the indexes the path goes through arrays.
        let path = if random.one_in(2) {
            path.split('.').filter(|part| part.parse::<u32>().is_err()).collect::<Vec<_>>().join(".")
        } else {
            path
        };
        (if path.is_empty() { "a".to_owned() } else { path }, value)
    };
    match random.below(10) {
        0..2 => like(random),
        2..5 => {
            let value = like(random);
            Bson::Document(operators(random, &value))
        }
        _ => {
            let fields = (0..=random.below(2)).map(|_| {
                let (path, value) = inner(random);
                let wanted = if random.one_in(2) { value } else { Bson::Document(operators(random, &value)) };
                (path, wanted)
            });
            Bson::Document(fields.collect())
        }
    }
}

fn operators(random: &mut Random, value: &Bson) -> Fields {
    let one = |random: &mut Random| {
        let value = if random.one_in(4) { scalar(random) } else { value.clone() };
        let operator = *random.pick(&["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin"]);
        let argument = if operator.ends_with("in") && !random.one_in(10) {
            Bson::Array(vec![scalar(random), value])
        } else {
            value
        };
        (operator.to_owned(), argument)
    };
    (0..=random.below(2)).map(|_| one(random)).collect()
}
