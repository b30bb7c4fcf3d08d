//! Whether two nodes hold the same collection, though they tell it in other words: a server completes
//! what it was given, and an embedded node keeps it as it is.

use super::{CollectionOptions, Index, is_simple};
use crate::{
    element::{Element, Elements, RawValue},
    sort_key,
};

const COLLATION: &str = "collation";

impl CollectionOptions {
    /// Whether the collection compares texts in another way than byte by byte, its ids too.
    pub fn has_collation(&self) -> bool {
        self.collation().is_some()
    }

    /// Whether a collection with these options does what one with the others does.
    pub fn is_like(&self, other: &Self) -> bool {
        let (ours, theirs) = (Elements::of(&self.0), Elements::of(&other.0));
        let same = |(a, b): (Element<'_>, Element<'_>)| a.name == b.name && is_same(a.name, a.value, b.value);
        ours.clone().count() == theirs.clone().count() && ours.zip(theirs).all(same)
    }

    fn collation(&self) -> Option<Element<'_>> {
        Elements::of(&self.0).find(|option| option.name == COLLATION)
    }
}

impl Index {
    /// Whether the index does in a collection with these options what the other one does in a collection
    /// with those.
    pub(crate) fn does_what(&self, options: &CollectionOptions, other: &Self, others: &CollectionOptions) -> bool {
        let (ours, theirs) = (self.completed(options), other.completed(others));
        let agrees = |name: &str| match (value_of(&ours, name), value_of(&theirs, name)) {
            (Some(a), Some(b)) => is_same(name, a, b),
            (None, None) => true,
            _ => is_completed(name),
        };
        ours.iter().chain(&theirs).all(|field| agrees(field.name))
    }

    /// The fields, with the collation that the index has by that of its collection.
    fn completed<'a>(&'a self, options: &'a CollectionOptions) -> Vec<Element<'a>> {
        let mut fields: Vec<_> = Elements::of(&self.spec).collect();
        if value_of(&fields, COLLATION).is_none() {
            fields.extend(options.collation());
        }
        fields.retain(|field| field.name != COLLATION || !is_simple(*field));
        fields
    }
}

fn value_of<'a>(fields: &[Element<'a>], name: &str) -> Option<RawValue<'a>> {
    fields.iter().find(|field| field.name == name).map(|field| field.value)
}

/// Whether a server adds this to an index that it was given without.
fn is_completed(name: &str) -> bool {
    matches!(
        name,
        "v" | "weights" | "default_language" | "language_override" | "textIndexVersion" | "2dsphereIndexVersion"
    )
}

fn is_same(name: &str, a: RawValue<'_>, b: RawValue<'_>) -> bool {
    match name {
        COLLATION => is_within(a, b) || is_within(b, a),
        // The fields that a text index is on stand in its weights, once a server has made it.
        "key" if has_words(a) != has_words(b) => is_on_text(a) && is_on_text(b),
        // Servers store the same number as different types.
        _ => sort_key::equal(a, b),
    }
}

/// Whether all fields of one document are in another one.
fn is_within(part: RawValue<'_>, whole: RawValue<'_>) -> bool {
    let is_there = |field: Element<'_>| {
        whole.elements().any(|other| other.name == field.name && sort_key::equal(other.value, field.value))
    };
    part.elements().all(is_there)
}

fn has_words(key: RawValue<'_>) -> bool {
    key.elements().any(|field| field.name == "_fts")
}

fn is_on_text(key: RawValue<'_>) -> bool {
    key.elements().any(|field| field.value.text() == b"text")
}
