//! Pairs of documents that are like each other, and a diff that makes the one of the other.

use bson::spec::ElementType;

use crate::{
    element::{Element, Elements, RawValue, framed},
    testing::random::Random,
};

const NAMES: [&str; 14] = ["", "a", "b", "c", "a.b", "$x", "0", "1", "s", "d", "u", "i", "l", "_id"];

const FALSE: RawValue<'static> = RawValue { kind: ElementType::Boolean, bytes: &[0] };

/// A document of up to four levels with the `_id` 1.
pub(super) fn document(random: &mut Random) -> Vec<u8> {
    with_id(&document_at(random, 3))
}

/// The same document with a few changes.
pub(super) fn mutated(random: &mut Random, document: &[u8]) -> Vec<u8> {
    let fields: Vec<u8> = written(|out| {
        Elements::new(document).filter(|field| field.name != "_id").for_each(|field| field.write(out));
    });
    with_id(&mutate_document(random, &fields))
}

/// A diff that makes `to` of `from`: one of many, as the randomness has it.
pub(super) fn diff(random: &mut Random, from: &[u8], to: &[u8]) -> Vec<u8> {
    let (from, to): (Vec<_>, Vec<_>) = (Elements::new(from).collect(), Elements::new(to).collect());
    // What stays in its place is the beginning of the result, in the order of the base.
    let mut places = from.iter();
    let kept = to.iter().take_while(|field| places.any(|place| place.name == field.name)).count();
    let (kept, appended) = to.split_at(kept);
    let old = |name: &str| from.iter().find(|field| field.name == name).map(|field| field.value);
    let is_new = |field: &&Element<'_>| old(field.name).is_none();
    // New fields may stand in `u` too, if they come first.
    let new = appended.iter().take_while(is_new).count();
    let (as_updates, as_inserts) = appended.split_at(if one_in(random, 3) { new } else { 0 });
    let changed: Vec<_> = kept.iter().filter(|field| old(field.name) != Some(field.value)).collect();
    let (inside, replaced): (Vec<_>, Vec<_>) =
        changed.into_iter().partition(|field| old(field.name).is_some_and(|old| goes_inside(random, old, field.value)));
    written(|out| {
        let gone = from.iter().filter(|field| !to.iter().any(|kept| kept.name == field.name));
        section(random, "d", &gone.map(|field| Element { value: FALSE, ..*field }).collect::<Vec<_>>(), out);
        section(random, "u", &replaced.into_iter().chain(as_updates).copied().collect::<Vec<_>>(), out);
        section(random, "i", as_inserts, out);
        for field in inside {
            let old = old(field.name).unwrap();
            sub_diff(random, &format!("s{}", field.name), old, field.value, out);
        }
    })
}

fn array_diff(random: &mut Random, from: &[u8], to: &[u8]) -> Vec<u8> {
    let values = |array| Elements::new(array).map(|item| item.value).collect::<Vec<_>>();
    let (from, to) = (values(from), values(to));
    let has_length = to.len() < from.len() || one_in(random, 3);
    written(|out| {
        Element { name: "a", value: RawValue { kind: ElementType::Boolean, bytes: &[1] } }.write(out);
        if has_length {
            let length = i32::try_from(to.len()).unwrap().to_le_bytes();
            Element { name: "l", value: RawValue { kind: ElementType::Int32, bytes: &length } }.write(out);
        }
        for (at, value) in to.iter().enumerate() {
            match from.get(at) {
                Some(old) if old == value => {}
                Some(old) if goes_inside(random, *old, *value) => {
                    sub_diff(random, &format!("s{at}"), *old, *value, out);
                }
                None if has_length && value.kind == ElementType::Null => {}
                _ => Element { name: &format!("u{at}"), value: *value }.write(out),
            }
        }
    })
}

fn sub_diff(random: &mut Random, name: &str, old: RawValue<'_>, new: RawValue<'_>, out: &mut Vec<u8>) {
    let make = if new.kind == ElementType::Array { array_diff } else { diff };
    let bytes = &make(random, old.bytes, new.bytes);
    Element { name, value: RawValue { kind: ElementType::EmbeddedDocument, bytes } }.write(out);
}

fn goes_inside(random: &mut Random, old: RawValue<'_>, new: RawValue<'_>) -> bool {
    is_container(old) && old.kind == new.kind && !one_in(random, 4)
}

fn section(random: &mut Random, name: &str, fields: &[Element<'_>], out: &mut Vec<u8>) {
    if !fields.is_empty() || one_in(random, 10) {
        let bytes = &written(|out| fields.iter().for_each(|field| field.write(out)));
        Element { name, value: RawValue { kind: ElementType::EmbeddedDocument, bytes } }.write(out);
    }
}

type Value = (ElementType, Vec<u8>);

fn document_at(random: &mut Random, depth: u64) -> Vec<u8> {
    written(|out| {
        for name in NAMES {
            if one_in(random, 4) {
                write(name, &value(random, depth), out);
            }
        }
    })
}

fn value(random: &mut Random, depth: u64) -> Value {
    match random.below(if depth == 0 { 4 } else { 8 }) {
        0 => (ElementType::Null, vec![]),
        1 | 2 => (ElementType::Int32, vec![u8::try_from(random.below(3)).unwrap(), 0, 0, 0]),
        3 => (ElementType::String, [&[2, 0, 0, 0], "x".as_bytes(), &[0]].concat()),
        4..6 => (ElementType::EmbeddedDocument, document_at(random, depth - 1)),
        _ => {
            let items: Vec<Value> = (0..random.below(13)).map(|_| value(random, depth - 1)).collect();
            (ElementType::Array, array(&items))
        }
    }
}

/// Some fields go, change, come, move.
fn mutate_document(random: &mut Random, document: &[u8]) -> Vec<u8> {
    let mut fields: Vec<(String, Value)> = owned(document);
    fields.retain(|_| !one_in(random, 6));
    for (_, value) in &mut fields {
        *value = mutate(random, value);
    }
    for name in NAMES {
        if one_in(random, 12) && fields.iter().all(|(taken, _)| taken != name) {
            fields.push((name.to_owned(), value(random, 1)));
        }
    }
    if fields.len() > 1 && one_in(random, 3) {
        let at = usize::try_from(random.below(u64::try_from(fields.len()).unwrap())).unwrap();
        let moved = fields.remove(at);
        fields.push(moved);
    }
    written(|out| fields.iter().for_each(|(name, value)| write(name, value, out)))
}

fn mutate(random: &mut Random, old: &Value) -> Value {
    match (random.below(6), old.0) {
        (0, _) => value(random, 2),
        (1..4, ElementType::EmbeddedDocument) => (old.0, mutate_document(random, &old.1)),
        (1..4, ElementType::Array) => {
            let mut items: Vec<Value> = owned(&old.1).into_iter().map(|(_, value)| value).collect();
            for item in &mut items {
                if one_in(random, 3) {
                    *item = mutate(random, item);
                }
            }
            match random.below(3) {
                0 => items.truncate(usize::try_from(random.below(10)).unwrap()),
                1 => items.extend((0..random.below(4)).map(|_| value(random, 1))),
                _ => {}
            }
            (old.0, array(&items))
        }
        _ => old.clone(),
    }
}

fn owned(document: &[u8]) -> Vec<(String, Value)> {
    Elements::new(document)
        .map(|field| (field.name.to_owned(), (field.value.kind, field.value.bytes.to_vec())))
        .collect()
}

fn array(items: &[Value]) -> Vec<u8> {
    written(|out| items.iter().enumerate().for_each(|(at, item)| write(&at.to_string(), item, out)))
}

fn with_id(fields: &[u8]) -> Vec<u8> {
    written(|out| {
        write("_id", &(ElementType::Int32, vec![1, 0, 0, 0]), out);
        Elements::new(fields).filter(|field| field.name != "_id").for_each(|field| field.write(out));
    })
}

fn write(name: &str, (kind, bytes): &Value, out: &mut Vec<u8>) {
    Element { name, value: RawValue { kind: *kind, bytes } }.write(out);
}

fn written(content: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    framed(&mut out, content);
    out
}

fn is_container(value: RawValue<'_>) -> bool {
    matches!(value.kind, ElementType::EmbeddedDocument | ElementType::Array)
}

fn one_in(random: &mut Random, times: u64) -> bool {
    random.below(times) == 0
}
