//! Updates by aggregation pipelines.

use bson::{Bson, Document as Fields, doc};

use super::{
    generate::{name, number, value},
    random::Random,
};

/// Names that the paths of update operators cannot reach.
const STRANGE: &[&str] = &["a.b", "", "$x", ".", "a.", "$a.b", "s", "u", "d", "i"];

/// A pipeline that changes the document, mostly.
pub(super) fn pipeline(random: &mut Random, document: &Fields) -> Vec<Bson> {
    let stage = match random.below(10) {
        0 | 1 => doc! { "$set": { path(random, document): { "$literal": value(random, 2) } } },
        2 => doc! { "$unset": path(random, document) },
        3 => {
            let field = strange_or_known(random, document);
            let set = doc! { "$setField": {
                "field": { "$literal": field }, "input": "$$ROOT", "value": { "$literal": value(random, 2) }
            } };
            doc! { "$replaceWith": set }
        }
        4 => {
            let field = strange_or_known(random, document);
            doc! { "$replaceWith": { "$unsetField": { "field": { "$literal": field }, "input": "$$ROOT" } } }
        }
        _ => {
            let mut changed = changed(random, document);
            // The server puts it back.
            if random.one_in(4) {
                changed.remove("_id");
            }
            doc! { "$replaceWith": { "$literal": changed } }
        }
    };
    vec![Bson::Document(stage)]
}

/// The document with fields gone, changed, new, moved.
fn changed(random: &mut Random, document: &Fields) -> Fields {
    let mut fields: Vec<(String, Bson)> = Vec::new();
    for (name, value) in document {
        if name == "_id" || !random.one_in(8) {
            let same = name == "_id" || random.one_in(3);
            fields.push((name.clone(), if same { value.clone() } else { changed_value(random, value) }));
        }
    }
    if random.one_in(3) {
        let name = if random.one_in(3) { (*random.pick(STRANGE)).to_owned() } else { name(random) };
        fields.insert(random.below(fields.len() + 1), (name, value(random, 2)));
    }
    if fields.len() > 1 && random.one_in(4) {
        let moved = fields.remove(random.below(fields.len()));
        fields.insert(random.below(fields.len() + 1), moved);
    }
    // Of a name that is there already, the last value is taken.
    fields.into_iter().collect()
}

fn changed_value(random: &mut Random, old: &Bson) -> Bson {
    match old {
        Bson::Document(fields) if !random.one_in(8) => Bson::Document(changed(random, fields)),
        Bson::Array(items) if !random.one_in(8) => Bson::Array(changed_items(random, items)),
        old if random.one_in(2) => old.clone(),
        _ => value(random, 2),
    }
}

fn changed_items(random: &mut Random, items: &[Bson]) -> Vec<Bson> {
    let mut items: Vec<_> = items.to_vec();
    for item in &mut items {
        if random.one_in(4) {
            *item = changed_value(random, item);
        }
    }
    match random.below(4) {
        0 => items.truncate(random.below(items.len() + 1)),
        1 => items.extend((0..=random.below(3)).map(|_| value(random, 2))),
        2 if !items.is_empty() => {
            items.remove(random.below(items.len()));
        }
        _ => {}
    }
    items
}

/// The dotted path of a field, or of a new one.
fn path(random: &mut Random, document: &Fields) -> String {
    let usual: Vec<_> = document.iter().filter(|(name, _)| is_usual(name)).collect();
    if usual.is_empty() || random.one_in(4) {
        return name(random);
    }
    let (name, value) = *random.pick(&usual);
    match value {
        Bson::Document(inner) if random.one_in(2) => format!("{name}.{}", path(random, inner)),
        _ => name.clone(),
    }
}

fn is_usual(name: &str) -> bool {
    name != "_id" && !STRANGE.contains(&name) && !name.starts_with('$')
}

fn strange_or_known(random: &mut Random, document: &Fields) -> String {
    let names: Vec<_> = document.keys().filter(|name| *name != "_id").collect();
    if names.is_empty() || random.one_in(2) {
        (*random.pick(STRANGE)).to_owned()
    } else {
        (*random.pick(&names)).clone()
    }
}

/// A document with some values of every kind, and long enough that a diff is shorter than it.
pub(super) fn document(random: &mut Random, id: &Bson) -> Fields {
    let mut document = doc! { "_id": id, "long": "x".repeat(200) };
    for _ in 0..2 + random.below(4) {
        let name = if random.one_in(8) { (*random.pick(STRANGE)).to_owned() } else { name(random) };
        document.entry(name).or_insert(value(random, 3));
    }
    let inner = doc! { "long": "y".repeat(60), "a": value(random, 2), "b": [number(random), value(random, 2)] };
    document.entry("inner".to_owned()).or_insert(Bson::Document(inner));
    let long: Vec<_> = (0..12).map(|_| value(random, 1)).collect();
    document.entry("list".to_owned()).or_insert(Bson::Array(long));
    document
}
