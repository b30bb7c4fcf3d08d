//! [`Path`]: a dotted path, how paths order and conflict, and how they are followed.

use std::{borrow::Cow, cmp::Ordering, fmt};

use super::{UpdateError, value::Value};
use crate::{document::DocumentError, limits::DOCUMENT_DEPTH_MAX};

/// MongoDB's limit of the nulls that a write beyond an array's end fills in.
const PADDING_MAX: usize = 1_500_000;

/// The operator whose meaning depends on a query; it is refused when it is reached.
const POSITIONAL: &str = "$";

/// A dotted path without empty parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path(Vec<Box<str>>);

/// Where a path leads.
pub(super) enum Found<'v, 'a> {
    /// To the child at `at`.
    Child { parent: &'v mut Value<'a>, at: usize },
    /// Nowhere: the first `taken` parts lead to `deepest`, which has no child of the next part.
    Missing { deepest: &'v mut Value<'a>, taken: usize },
}

/// What stands along a path.
pub(super) struct Survey {
    /// How many parts exist.
    pub(super) taken: usize,
    /// Whether the path goes, or would go, through an array.
    pub(super) through_array: bool,
    /// Whether what is at the last part that exists can never have the next one.
    pub(super) blocked: bool,
}

impl Path {
    pub(super) fn parse(text: &str) -> Result<Self, UpdateError> {
        // Also because what is made of the parts is nested, and is written and dropped by recursion.
        if text.split('.').nth(DOCUMENT_DEPTH_MAX).is_some() {
            return Err(DocumentError::TooDeep.into());
        }
        let parts: Vec<Box<str>> = text.split('.').map(Into::into).collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(UpdateError::empty_field_name(text));
        }
        let positional = parts.iter().filter(|part| &***part == POSITIONAL).count();
        if positional > 1 || parts.first().is_some_and(|first| &**first == POSITIONAL) {
            return Err(UpdateError::positional(POSITIONAL));
        }
        Ok(Self(parts))
    }

    /// Refuses operators that name array items by a filter; a conflict before them goes first.
    pub(super) fn check_filters<'p>(&self, mut others: impl Iterator<Item = &'p Self>) -> Result<(), UpdateError> {
        let is_filter = |part: &str| part.starts_with("$[") && part.ends_with(']');
        let Some((at, filter)) = self.0.iter().enumerate().find(|(_, part)| is_filter(part)) else { return Ok(()) };
        let before = Self(self.0.iter().take(at).cloned().collect());
        if at > 0 && others.any(|other| other.conflicts(&before)) {
            return Err(UpdateError::conflict(&self.to_string()));
        }
        Err(if &**filter == "$[]" {
            UpdateError::unsupported("the positional operator `$[]`")
        } else {
            UpdateError::positional(filter)
        })
    }

    pub(super) fn parts(&self) -> &[Box<str>] {
        &self.0
    }

    /// Whether one of the two contains the other.
    pub(super) fn conflicts(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(left, right)| left == right)
    }

    /// The order in which a mongod applies the operators of an update.
    pub(super) fn cmp_as_mongod(&self, other: &Self) -> Ordering {
        let differing = self.0.iter().zip(&other.0).find(|(left, right)| left != right);
        differing.map_or(self.0.len().cmp(&other.0.len()), |(left, right)| cmp_parts(left, right))
    }

    /// Refuses a path that depends on a query.
    pub(super) fn check_positional(&self) -> Result<(), UpdateError> {
        let positional = self.0.iter().any(|part| &**part == POSITIONAL);
        if positional { Err(UpdateError::positional(POSITIONAL)) } else { Ok(()) }
    }

    pub(super) fn is_in_id(&self) -> bool {
        self.0.first().is_some_and(|first| &**first == "_id")
    }

    /// Follows the path from `root`, opening what it goes through.
    pub(super) fn find<'v, 'a>(&self, root: &'v mut Value<'a>) -> Found<'v, 'a> {
        let mut current = root;
        for (taken, part) in self.0.iter().enumerate() {
            current.open();
            match current.position(part) {
                None => return Found::Missing { deepest: current, taken },
                Some(at) if taken + 1 == self.0.len() => return Found::Child { parent: current, at },
                Some(at) => current = current.child_mut(at),
            }
        }
        Found::Missing { deepest: current, taken: self.0.len() }
    }

    /// Looks at what stands along the path from `root`.
    pub(super) fn survey(&self, root: &mut Value<'_>) -> Survey {
        let mut survey = Survey { taken: 0, through_array: false, blocked: false };
        let mut current = root;
        for part in &self.0 {
            current.open();
            let array = matches!(current, Value::Array(_));
            survey.through_array |= array;
            let Some(at) = current.position(part) else {
                survey.blocked = !can_have(current, part);
                break;
            };
            current = current.child_mut(at);
            survey.taken += 1;
        }
        survey
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// The index that a part of a path names.
pub(super) fn array_index(part: &str) -> Option<usize> {
    part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().unwrap_or(usize::MAX))
}

/// Whether `value`, which must be open, could have a child of this name.
fn can_have(value: &Value<'_>, part: &str) -> bool {
    match value {
        Value::Document(_) => true,
        Value::Array(_) => array_index(part).is_some(),
        Value::Raw { .. } => false,
    }
}

/// Whether `parts` could be created under `deepest`, which must be open.
pub(super) fn check_viable(deepest: &Value<'_>, parts: &[Box<str>]) -> Result<(), UpdateError> {
    parts.first().filter(|part| !can_have(deepest, part)).map_or(Ok(()), |part| Err(UpdateError::path_not_viable(part)))
}

/// Creates `parts` under `deepest`, which must be open and has no child of the first of them.
pub(super) fn create<'a>(deepest: &mut Value<'a>, parts: &'a [Box<str>], value: Value<'a>) -> Result<(), UpdateError> {
    let Some((first, rest)) = parts.split_first() else { return Ok(()) };
    let not_viable = || UpdateError::path_not_viable(first);
    let inside = rest.iter().rev().fold(value, |inner, name| Value::Document(vec![(Cow::Borrowed(name), inner)]));
    match deepest {
        Value::Document(fields) => fields.push((Cow::Borrowed(first), inside)),
        Value::Array(items) => {
            let index = array_index(first).ok_or_else(not_viable)?;
            if index.saturating_sub(items.len()) > PADDING_MAX {
                return Err(UpdateError::cannot_backfill());
            }
            items.resize(index.max(items.len()), Value::NULL);
            items.push(inside);
        }
        Value::Raw { .. } => return Err(not_viable()),
    }
    Ok(())
}

/// Parts that start with a digit, and with no zero before another character, order by length
/// first, and so as numbers; all others as text, behind a positional operator.
fn cmp_parts(left: &str, right: &str) -> Ordering {
    let number = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_digit()) && (part.len() == 1 || !part.starts_with('0'))
    };
    let by_length = if number(left) && number(right) { left.len().cmp(&right.len()) } else { Ordering::Equal };
    let positional = (right == POSITIONAL).cmp(&(left == POSITIONAL));
    positional.then(by_length).then_with(|| left.cmp(right))
}
