//! `$addToSet`.

use std::collections::HashSet;

use bson::spec::ElementType;

use super::{UpdateError, value::Value};
use crate::{
    element::{RawValue, RawValueBuf},
    sort_key,
};

/// The values to add, each of them once.
pub(super) fn parse(argument: RawValue<'_>) -> Result<Vec<RawValueBuf>, UpdateError> {
    let is_document = argument.kind == ElementType::EmbeddedDocument;
    let mut clauses = argument.elements().filter(|_| is_document);
    let Some(each) = clauses.next().filter(|first| first.name == "$each") else { return Ok(vec![argument.into()]) };
    if each.value.kind != ElementType::Array {
        return Err(UpdateError::type_mismatch("$each needs an array"));
    }
    if clauses.next().is_some() {
        return Err(UpdateError::bad_value("nothing may follow $each in $addToSet"));
    }
    let mut seen = HashSet::new();
    let values = each.value.elements().map(|item| item.value);
    Ok(values.filter(|value| seen.insert(sort_key::of(*value))).map(Into::into).collect())
}

/// Appends those values that the array does not hold. Says whether there were any.
pub(super) fn change<'a>(values: &'a [RawValueBuf], target: &mut Value<'a>) -> Result<bool, UpdateError> {
    let items = target.items_mut().ok_or_else(|| UpdateError::bad_value("$addToSet needs a field that is an array"))?;
    let held: HashSet<_> = items.iter().map(Value::sort_key).collect();
    let before = items.len();
    items.extend(values.iter().filter(|value| !held.contains(&sort_key::of(value.as_raw()))).map(Value::from));
    Ok(items.len() > before)
}
