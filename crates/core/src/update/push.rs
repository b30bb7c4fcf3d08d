//! `$push` with its clauses `$each`, `$position`, `$sort` and `$slice`.

use std::cmp::Ordering;

use bson::spec::ElementType;

use super::{UpdateError, number::Number, value::Value};
use crate::{
    element::{Elements, RawValue, RawValueBuf},
    sort_key,
};

/// What to push, and how.
#[derive(Debug, Clone, Default)]
pub(super) struct Push {
    values: Vec<RawValueBuf>,
    position: Option<i64>,
    slice: Option<i64>,
    sort: Option<Sort>,
}

#[derive(Debug, Clone)]
enum Sort {
    Whole { descending: bool },
    Fields(Vec<(String, bool)>),
}

impl Push {
    pub(super) fn parse(argument: RawValue<'_>) -> Result<Self, UpdateError> {
        let is_document = argument.kind == ElementType::EmbeddedDocument;
        if !is_document || !argument.elements().any(|clause| clause.name == "$each") {
            return Ok(Self { values: vec![argument.into()], ..Self::default() });
        }
        check_names(argument)?;
        let mut push = Self::default();
        let clause = |name| argument.elements().find(|clause| clause.name == name).map(|clause| clause.value);
        if let Some(each) = clause("$each") {
            if each.kind != ElementType::Array {
                return Err(UpdateError::bad_value("$each needs an array"));
            }
            push.values = each.elements().map(|item| item.value.into()).collect();
        }
        let integer = |name| match clause(name) {
            None => Ok(None),
            Some(value) => match Number::from_raw(value).and_then(Number::exact_integer) {
                None => Err(UpdateError::bad_value(format!("{name} needs an integer"))),
                some => Ok(some),
            },
        };
        push.slice = integer("$slice")?;
        push.sort = clause("$sort").map(Sort::parse).transpose()?;
        push.position = integer("$position")?;
        Ok(push)
    }

    pub(super) fn change<'a>(&'a self, target: &mut Value<'a>) -> Result<bool, UpdateError> {
        let items = target.items_mut().ok_or_else(|| UpdateError::bad_value("$push needs a field that is an array"))?;
        let before = items.len() + self.values.len();
        self.run(items);
        // A sort counts as a change, whatever it finds, and a slice only if it takes something.
        Ok(!self.values.is_empty() || self.sort.is_some() || items.len() < before)
    }

    pub(super) fn create(&self) -> Value<'_> {
        let mut items = Vec::new();
        self.run(&mut items);
        Value::Array(items)
    }

    fn run<'a>(&'a self, items: &mut Vec<Value<'a>>) {
        let at = index(self.position.unwrap_or(i64::MAX), items.len());
        items.splice(at..at, self.values.iter().map(Value::from));
        if let Some(sort) = &self.sort {
            sort.run(items);
        }
        let Some(slice) = self.slice else { return };
        let count = usize::try_from(slice.unsigned_abs()).unwrap_or(usize::MAX);
        if slice >= 0 {
            items.truncate(count);
        } else {
            items.drain(..items.len().saturating_sub(count));
        }
    }
}

/// Each clause once, and no others.
fn check_names(argument: RawValue<'_>) -> Result<(), UpdateError> {
    let mut seen = Vec::new();
    for clause in argument.elements() {
        if !matches!(clause.name, "$each" | "$slice" | "$sort" | "$position") {
            return Err(UpdateError::bad_value(format!("$push has no clause `{}`", clause.name)));
        }
        if seen.contains(&clause.name) {
            return Err(UpdateError::bad_value(format!("$push has the clause `{}` twice", clause.name)));
        }
        seen.push(clause.name);
    }
    Ok(())
}

/// Where a position points to: from the front, or, if it is negative, from the end.
fn index(position: i64, length: usize) -> usize {
    let distance = usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX);
    if position < 0 { length.saturating_sub(distance) } else { length.min(distance) }
}

impl Sort {
    fn parse(clause: RawValue<'_>) -> Result<Self, UpdateError> {
        let direction = |value| match Number::from_raw(value).and_then(Number::exact_integer) {
            Some(1) => Ok(false),
            Some(-1) => Ok(true),
            _ => Err(UpdateError::bad_value("$sort needs 1 or -1, or a document of fields with 1 or -1")),
        };
        if clause.kind != ElementType::EmbeddedDocument {
            return Ok(Self::Whole { descending: direction(clause)? });
        }
        let mut fields = Vec::new();
        for field in clause.elements() {
            let descending = direction(field.value)?;
            if field.name.split('.').any(str::is_empty) {
                return Err(UpdateError::bad_value("a path in $sort has an empty field name"));
            }
            fields.push((field.name.to_owned(), descending));
        }
        if fields.is_empty() {
            return Err(UpdateError::bad_value("$sort needs at least one field"));
        }
        Ok(Self::Fields(fields))
    }

    /// Sorts, and keeps the order of what is equal.
    fn run(&self, items: &mut Vec<Value<'_>>) {
        let mut keyed: Vec<_> = items.drain(..).map(|item| (self.keys(&item), item)).collect();
        keyed.sort_by(|(left, _), (right, _)| self.compare(left, right));
        items.extend(keyed.into_iter().map(|(_, item)| item));
    }

    fn keys(&self, item: &Value<'_>) -> Vec<Vec<u8>> {
        let Self::Fields(fields) = self else { return vec![item.sort_key()] };
        let bytes = item.bytes();
        let is_document = item.kind() == ElementType::EmbeddedDocument;
        let missing = RawValue { kind: ElementType::Null, bytes: &[] };
        let field =
            |(path, _): &(String, bool)| Some(&*bytes).filter(|_| is_document).and_then(|bytes| extract(bytes, path));
        fields.iter().map(field).map(|found| sort_key::of(found.unwrap_or(missing))).collect()
    }

    fn compare(&self, left: &[Vec<u8>], right: &[Vec<u8>]) -> Ordering {
        let directed =
            |(ordering, descending): (Ordering, bool)| if descending { ordering.reverse() } else { ordering };
        let orderings = left.iter().zip(right).map(|(left, right)| left.cmp(right));
        match self {
            Self::Whole { descending } => {
                orderings.zip([*descending]).map(directed).find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
            }
            Self::Fields(fields) => orderings
                .zip(fields.iter().map(|(_, descending)| *descending))
                .map(directed)
                .find(|ordering| ordering.is_ne())
                .unwrap_or(Ordering::Equal),
        }
    }
}

/// The value at a path: a field with the whole path as its name goes first.
fn extract<'a>(document: &'a [u8], path: &str) -> Option<RawValue<'a>> {
    let field = |name| Elements::new(document).find(|field| field.name == name).map(|field| field.value);
    if let Some(found) = field(path) {
        return Some(found);
    }
    let (first, rest) = path.split_once('.')?;
    let inner = field(first)?;
    matches!(inner.kind, ElementType::EmbeddedDocument | ElementType::Array).then(|| extract(inner.bytes, rest))?
}
