//! [`Test`]: one comparison of a query, on what a path leads to.

use std::cmp::Ordering;

use bson::spec::ElementType;

use super::UpdateError;
use crate::{
    element::{RawValue, RawValueBuf},
    sort_key,
};

/// A comparison that any candidate may pass, or, if it is negated, that none may.
#[derive(Debug, Clone)]
pub(super) struct Test {
    negated: bool,
    comparison: Comparison,
}

#[derive(Debug, Clone)]
enum Comparison {
    Is(Relation, RawValueBuf),
    In(Vec<RawValueBuf>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Query operators of a mongod that we do not have.
const UNSUPPORTED: &[&str] = &[
    "$not",
    "$exists",
    "$elemMatch",
    "$regex",
    "$options",
    "$size",
    "$type",
    "$all",
    "$mod",
    "$within",
    "$geoWithin",
    "$geoIntersects",
    "$near",
    "$nearSphere",
    "$geoNear",
    "$minDistance",
    "$maxDistance",
    "$bitsAllSet",
    "$bitsAllClear",
    "$bitsAnySet",
    "$bitsAnyClear",
    "$_internalSchemaMinItems",
];
/// The same, in front of whole conditions.
const UNSUPPORTED_TOP_LEVEL: &[&str] =
    &["$and", "$or", "$nor", "$expr", "$comment", "$jsonSchema", "$where", "$text", "$alwaysTrue", "$alwaysFalse"];

impl Test {
    /// Whether a condition that starts with this name is about the item itself.
    pub(super) fn is_operator(name: &str) -> bool {
        matches!(name, "$eq" | "$ne" | "$gt" | "$gte" | "$lt" | "$lte" | "$in" | "$nin") || UNSUPPORTED.contains(&name)
    }

    /// Whether a value is a document of operators, and no value to compare with.
    pub(super) fn is_expression(value: RawValue<'_>) -> bool {
        value.kind == ElementType::EmbeddedDocument
            && value.elements().next().is_some_and(|first| first.name.starts_with('$'))
            && !is_dbref(value)
    }

    pub(super) fn refuse_top_level(name: &str) -> UpdateError {
        if UNSUPPORTED_TOP_LEVEL.contains(&name) {
            return UpdateError::unsupported(&format!("`{name}` in $pull"));
        }
        UpdateError::bad_value(format!("the query operator `{name}` is unknown"))
    }

    /// Parses a document of operators.
    pub(super) fn parse_all(operators: RawValue<'_>) -> Result<Vec<Self>, UpdateError> {
        operators.elements().map(|operator| Self::parse(operator.name, operator.value)).collect()
    }

    pub(super) fn equal(value: RawValue<'_>) -> Result<Self, UpdateError> {
        if value.kind == ElementType::RegularExpression {
            return Err(UpdateError::unsupported("a regular expression in $pull"));
        }
        Self::relation(false, Relation::Equal, value)
    }

    fn parse(name: &str, value: RawValue<'_>) -> Result<Self, UpdateError> {
        let is_regex = value.kind == ElementType::RegularExpression;
        if is_regex && matches!(name, "$ne" | "$gt" | "$gte" | "$lt" | "$lte") {
            return Err(UpdateError::bad_value(format!("`{name}` cannot take a regular expression")));
        }
        match name {
            "$eq" => Self::relation(false, Relation::Equal, value),
            "$ne" => Self::relation(true, Relation::Equal, value),
            "$gt" => Self::relation(false, Relation::Greater, value),
            "$gte" => Self::relation(false, Relation::GreaterOrEqual, value),
            "$lt" => Self::relation(false, Relation::Less, value),
            "$lte" => Self::relation(false, Relation::LessOrEqual, value),
            "$in" => Ok(Self { negated: false, comparison: parse_in(name, value)? }),
            "$nin" => Ok(Self { negated: true, comparison: parse_in(name, value)? }),
            _ if UNSUPPORTED.contains(&name) => Err(UpdateError::unsupported(&format!("`{name}` in $pull"))),
            _ => Err(UpdateError::bad_value(format!("the query operator `{name}` is unknown"))),
        }
    }

    fn relation(negated: bool, relation: Relation, value: RawValue<'_>) -> Result<Self, UpdateError> {
        if value.kind == ElementType::Undefined {
            return Err(UpdateError::bad_value("nothing compares with undefined"));
        }
        Ok(Self { negated, comparison: Comparison::Is(relation, value.into()) })
    }

    pub(super) fn passes(&self, candidates: &[Option<RawValue<'_>>]) -> bool {
        candidates.iter().any(|candidate| self.comparison.holds(*candidate)) != self.negated
    }
}

impl Comparison {
    fn holds(&self, candidate: Option<RawValue<'_>>) -> bool {
        match self {
            Self::Is(relation, value) => relation.holds(candidate, value.as_raw()),
            Self::In(values) => values.iter().any(|value| match candidate {
                Some(candidate) => sort_key::equal(candidate, value.as_raw()),
                None => value.as_raw().kind == ElementType::Null,
            }),
        }
    }
}

impl Relation {
    /// Values of different types do not compare, with exceptions for null and for the ends of
    /// the order of all values. A field that is missing counts as undefined.
    fn holds(self, candidate: Option<RawValue<'_>>, value: RawValue<'_>) -> bool {
        let kind = candidate.map_or(ElementType::Undefined, |candidate| candidate.kind);
        let Some(candidate) = candidate.filter(|_| sort_key::rank(kind) == sort_key::rank(value.kind)) else {
            return match value.kind {
                ElementType::Null if kind == ElementType::Undefined => self.allows(Ordering::Equal),
                ElementType::MaxKey => matches!(self, Self::Less | Self::LessOrEqual),
                ElementType::MinKey => matches!(self, Self::Greater | Self::GreaterOrEqual),
                _ => false,
            };
        };
        if is_nan(candidate) || is_nan(value) {
            return is_nan(candidate) && is_nan(value) && self.allows(Ordering::Equal);
        }
        self.allows(sort_key::of(candidate).cmp(&sort_key::of(value)))
    }

    fn allows(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

fn parse_in(name: &str, value: RawValue<'_>) -> Result<Comparison, UpdateError> {
    if value.kind != ElementType::Array {
        return Err(UpdateError::bad_value(format!("{name} needs an array")));
    }
    let mut values = Vec::new();
    for item in value.elements().map(|item| item.value) {
        match item.kind {
            ElementType::RegularExpression => return Err(UpdateError::unsupported("a regular expression in $pull")),
            ElementType::Undefined => return Err(UpdateError::bad_value("nothing compares with undefined")),
            _ if Test::is_expression(item) => {
                return Err(UpdateError::bad_value(format!("no operator may stand inside {name}")));
            }
            _ => values.push(item.into()),
        }
    }
    Ok(Comparison::In(values))
}

fn is_nan(value: RawValue<'_>) -> bool {
    use super::number::Number;
    match Number::from_raw(value) {
        Some(Number::Double(number)) => number.is_nan(),
        Some(Number::Decimal(number)) => matches!(number, crate::decimal::Decimal::NaN { .. }),
        _ => false,
    }
}

/// Whether a document names another one: `{ $ref, $id, .. }`.
fn is_dbref(value: RawValue<'_>) -> bool {
    let has = |name| value.elements().any(|field| field.name == name);
    has("$ref") && has("$id")
}
