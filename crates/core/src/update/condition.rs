//! [`Condition`]: which items `$pull` removes.

use bson::spec::ElementType;

use super::{UpdateError, test::Test};
use crate::{
    element::{Elements, RawValue, RawValueBuf},
    sort_key,
};

/// A condition on one item of an array.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    /// The item equals the value.
    Equal(RawValueBuf),
    /// The item, or, if it is an array, an item of it, passes each test.
    Item(Vec<Test>),
    /// The item is a document whose fields pass their tests.
    Fields(Vec<(Vec<String>, Test)>),
}

/// A value that a path leads to; `None` when it leads nowhere.
type Candidate<'a> = Option<RawValue<'a>>;

impl Condition {
    pub(super) fn parse(argument: RawValue<'_>) -> Result<Self, UpdateError> {
        match argument.kind {
            ElementType::EmbeddedDocument => {}
            ElementType::RegularExpression => return Err(UpdateError::unsupported("a regular expression in $pull")),
            _ => return Ok(Self::Equal(argument.into())),
        }
        if argument.elements().next().is_some_and(|first| Test::is_operator(first.name)) {
            return Ok(Self::Item(Test::parse_all(argument)?));
        }
        let mut fields = Vec::new();
        for field in argument.elements() {
            // The names of a DBRef are names, and their values are values.
            let of_dbref = matches!(field.name, "$ref" | "$id" | "$db");
            if field.name.starts_with('$') && !of_dbref {
                return Err(Test::refuse_top_level(field.name));
            }
            let path: Vec<String> = field.name.split('.').map(str::to_owned).collect();
            if Test::is_expression(field.value) && !of_dbref {
                fields.extend(Test::parse_all(field.value)?.into_iter().map(|test| (path.clone(), test)));
            } else {
                fields.push((path, Test::equal(field.value)?));
            }
        }
        Ok(Self::Fields(fields))
    }

    pub(super) fn matches(&self, item: RawValue<'_>) -> bool {
        match self {
            Self::Equal(value) => sort_key::equal(value.as_raw(), item),
            Self::Item(tests) => {
                let mut candidates = Vec::new();
                arrive(item, &mut candidates);
                tests.iter().all(|test| test.passes(&candidates))
            }
            Self::Fields(fields) => {
                item.kind == ElementType::EmbeddedDocument
                    && fields.iter().all(|(path, test)| {
                        let mut candidates = Vec::new();
                        follow(item, path, &mut candidates);
                        test.passes(&candidates)
                    })
            }
        }
    }
}

/// Collects what a path leads to from `document`, through arrays too, as a mongod's queries do.
fn follow<'a>(document: RawValue<'a>, path: &[String], found: &mut Vec<Candidate<'a>>) {
    let Some((first, rest)) = path.split_first() else { return };
    let value = Elements::new(document.bytes).find(|field| field.name == first).map(|field| field.value);
    match value {
        Some(value) if rest.is_empty() => arrive(value, found),
        Some(value) if value.kind == ElementType::Array => follow_items(value, rest, found),
        Some(value) if value.kind == ElementType::EmbeddedDocument => follow(value, rest, found),
        _ => found.push(None),
    }
}

/// The path ends at `value`: it counts, and if it is an array so do its items.
fn arrive<'a>(value: RawValue<'a>, found: &mut Vec<Candidate<'a>>) {
    if value.kind == ElementType::Array {
        found.extend(value.elements().map(|item| Some(item.value)));
    }
    found.push(Some(value));
}

/// The path goes on below an array: through each of its documents, and through the item whose
/// index is the next part of the path.
fn follow_items<'a>(array: RawValue<'a>, path: &[String], found: &mut Vec<Candidate<'a>>) {
    let Some((first, rest)) = path.split_first() else { return };
    for item in array.elements() {
        let is_document = item.value.kind == ElementType::EmbeddedDocument;
        if is_document {
            follow(item.value, path, found);
        }
        if item.name != first {
            continue;
        }
        if rest.is_empty() {
            found.push(Some(item.value));
        } else if is_document {
            follow(item.value, rest, found);
        } else if item.value.kind == ElementType::Array {
            follow_items(item.value, rest, found);
        }
    }
}
