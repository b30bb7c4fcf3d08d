//! [`Modifier`]: what one operator does to the value at its path.

use bson::spec::ElementType;

use super::{
    UpdateError,
    arithmetic::{Arithmetic, Bit},
    condition::Condition,
    extreme::Extreme,
    path::Path,
    push::Push,
    set_add,
    value::Value,
};
use crate::{
    clock::OpTime,
    element::{RawValue, RawValueBuf},
    sort_key,
};

/// An operator with its argument, checked.
#[derive(Debug, Clone)]
pub(super) enum Modifier {
    Set { value: RawValueBuf, on_insert_only: bool },
    Unset,
    Rename { from: Path },
    Arithmetic(Arithmetic),
    Bit(Bit),
    Extreme(Extreme),
    CurrentDate { timestamp: bool },
    Push(Push),
    AddToSet(Vec<RawValueBuf>),
    Pop { front: bool },
    Pull(Condition),
    PullAll(Vec<RawValueBuf>),
}

impl Modifier {
    /// Parses the argument of the operator `name` for one path.
    pub(super) fn parse(name: &str, argument: RawValue<'_>) -> Result<Self, UpdateError> {
        Ok(match name {
            "$set" => Self::Set { value: argument.into(), on_insert_only: false },
            "$setOnInsert" => Self::Set { value: argument.into(), on_insert_only: true },
            "$unset" => Self::Unset,
            "$inc" => Self::Arithmetic(Arithmetic::parse_inc(argument)?),
            "$mul" => Self::Arithmetic(Arithmetic::parse_mul(argument)?),
            "$bit" => Self::Bit(Bit::parse(argument)?),
            "$min" => Self::Extreme(Extreme::min(argument)),
            "$max" => Self::Extreme(Extreme::max(argument)),
            "$currentDate" => parse_current_date(argument)?,
            "$push" => Self::Push(Push::parse(argument)?),
            "$addToSet" => Self::AddToSet(set_add::parse(argument)?),
            "$pop" => parse_pop(argument)?,
            "$pull" => Self::Pull(Condition::parse(argument)?),
            "$pullAll" if argument.kind == ElementType::Array => {
                Self::PullAll(argument.elements().map(|item| item.value.into()).collect())
            }
            "$pullAll" => return Err(UpdateError::bad_value("$pullAll needs an array")),
            _ => return Err(UpdateError::failed_to_parse(format!("the update operator `{name}` is unknown"))),
        })
    }

    /// Whether this is an operator at all; [`Modifier::parse`] says more.
    pub(super) fn exists(name: &str) -> bool {
        matches!(
            name,
            "$set"
                | "$setOnInsert"
                | "$unset"
                | "$rename"
                | "$inc"
                | "$mul"
                | "$bit"
                | "$min"
                | "$max"
                | "$currentDate"
                | "$push"
                | "$addToSet"
                | "$pop"
                | "$pull"
                | "$pullAll"
        )
    }

    /// Changes the child of `parent` at `at`. Says whether anything changed.
    pub(super) fn change<'a>(&'a self, parent: &mut Value<'a>, at: usize, now: OpTime) -> Result<bool, UpdateError> {
        if let Self::Unset = self {
            match parent {
                Value::Document(fields) => drop(fields.remove(at)),
                _ => *parent.child_mut(at) = Value::NULL,
            }
            return Ok(true);
        }
        let target = parent.child_mut(at);
        match self {
            Self::Set { value, .. } => {
                let changed = !target.identical(value.as_raw());
                *target = value.into();
                Ok(changed)
            }
            Self::Arithmetic(arithmetic) => arithmetic.change(target),
            Self::Bit(bit) => bit.change(target),
            Self::Extreme(extreme) => Ok(extreme.change(target)),
            Self::CurrentDate { timestamp } => {
                *target = current_date(*timestamp, now);
                Ok(true)
            }
            Self::Push(push) => push.change(target),
            Self::AddToSet(values) => set_add::change(values, target),
            Self::Pop { front } => pop(*front, target),
            Self::Pull(condition) => cull(target, |item| condition.matches(item)),
            Self::PullAll(values) => {
                cull(target, |item| values.iter().any(|value| sort_key::equal(value.as_raw(), item)))
            }
            Self::Unset | Self::Rename { .. } => Ok(false),
        }
    }

    /// The value of a field that does not exist yet; `None` when the operator creates none.
    pub(super) fn create(&self, now: OpTime) -> Option<Value<'_>> {
        match self {
            Self::Set { value, .. } => Some(value.into()),
            Self::Arithmetic(arithmetic) => Some(arithmetic.create()),
            Self::Bit(bit) => Some(bit.create()),
            Self::Extreme(extreme) => Some(extreme.create()),
            Self::CurrentDate { timestamp } => Some(current_date(*timestamp, now)),
            Self::Push(push) => Some(push.create()),
            Self::AddToSet(values) => Some(Value::Array(values.iter().map(Value::from).collect())),
            Self::Unset | Self::Rename { .. } | Self::Pop { .. } | Self::Pull(_) | Self::PullAll(_) => None,
        }
    }

    /// Whether the operator can leave a field with a forbidden name.
    pub(super) fn writes_value(&self) -> bool {
        !matches!(self, Self::Unset | Self::Pop { .. } | Self::Pull(_) | Self::PullAll(_))
    }
}

fn parse_current_date(argument: RawValue<'_>) -> Result<Modifier, UpdateError> {
    if argument.kind == ElementType::Boolean {
        return Ok(Modifier::CurrentDate { timestamp: false });
    }
    let mut timestamp = None;
    for option in argument.elements().filter(|_| argument.kind == ElementType::EmbeddedDocument) {
        if option.name != "$type" {
            return Err(UpdateError::bad_value(format!("$currentDate has no option `{}`", option.name)));
        }
        match (option.value.kind, option.value.text()) {
            (ElementType::String, b"date") => timestamp = Some(false),
            (ElementType::String, b"timestamp") => timestamp = Some(true),
            _ => {}
        }
    }
    let needs = "$currentDate needs true, { $type: 'date' } or { $type: 'timestamp' }";
    timestamp.map(|timestamp| Modifier::CurrentDate { timestamp }).ok_or_else(|| UpdateError::bad_value(needs))
}

fn current_date(timestamp: bool, now: OpTime) -> Value<'static> {
    if timestamp {
        return Value::timestamp(now);
    }
    let millis = i64::try_from(now.unix_millis()).unwrap_or(i64::MAX);
    Value::owned(ElementType::DateTime, millis.to_le_bytes())
}

fn parse_pop(argument: RawValue<'_>) -> Result<Modifier, UpdateError> {
    match super::number::Number::from_raw(argument).and_then(super::number::Number::exact_integer) {
        Some(1) => Ok(Modifier::Pop { front: false }),
        Some(-1) => Ok(Modifier::Pop { front: true }),
        _ => Err(UpdateError::failed_to_parse("$pop needs 1 (the last item) or -1 (the first)")),
    }
}

fn pop(front: bool, target: &mut Value<'_>) -> Result<bool, UpdateError> {
    let items = target.items_mut().ok_or_else(|| UpdateError::type_mismatch("$pop needs a field that is an array"))?;
    if items.is_empty() {
        return Ok(false);
    }
    drop(if front { Some(items.remove(0)) } else { items.pop() });
    Ok(true)
}

/// Removes the items that match.
fn cull(target: &mut Value<'_>, mut matches: impl FnMut(RawValue<'_>) -> bool) -> Result<bool, UpdateError> {
    let items =
        target.items_mut().ok_or_else(|| UpdateError::bad_value("$pull and $pullAll need a field that is an array"))?;
    let before = items.len();
    items.retain(|item| !matches(RawValue { kind: item.kind(), bytes: &item.bytes() }));
    Ok(items.len() < before)
}
