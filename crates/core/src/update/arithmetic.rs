//! `$inc`, `$mul` and `$bit`.

use bson::spec::ElementType;

use super::{UpdateError, number::Number, value::Value};
use crate::element::{RawValue, RawValueBuf};

/// `$inc` or `$mul`.
#[derive(Debug, Clone)]
pub(super) struct Arithmetic {
    operator: &'static str,
    operand: Number,
    /// As it was given: what `$inc` creates.
    raw: RawValueBuf,
    calculate: fn(Number, Number) -> Option<Number>,
}

impl Arithmetic {
    pub(super) fn parse_inc(argument: RawValue<'_>) -> Result<Self, UpdateError> {
        Self::parse("$inc", argument, Number::add)
    }

    pub(super) fn parse_mul(argument: RawValue<'_>) -> Result<Self, UpdateError> {
        Self::parse("$mul", argument, Number::multiply)
    }

    fn parse(
        operator: &'static str,
        argument: RawValue<'_>,
        calculate: fn(Number, Number) -> Option<Number>,
    ) -> Result<Self, UpdateError> {
        let operand = Number::from_raw(argument)
            .ok_or_else(|| UpdateError::type_mismatch(format!("{operator} needs a number")))?;
        Ok(Self { operator, operand, raw: argument.into(), calculate })
    }

    pub(super) fn change(&self, target: &mut Value<'_>) -> Result<bool, UpdateError> {
        let operator = self.operator;
        let old = Number::of(target)
            .ok_or_else(|| UpdateError::type_mismatch(format!("{operator} needs a field that is a number")))?;
        let new = (self.calculate)(self.operand, old)
            .ok_or_else(|| UpdateError::bad_value(format!("the result of {operator} does not fit 64 bits")))?;
        if new.identical(old) {
            return Ok(false);
        }
        *target = new.into_value();
        Ok(true)
    }

    /// As if the field had been zero.
    pub(super) fn create(&self) -> Value<'_> {
        if self.operator == "$inc" {
            return Value::from(&self.raw);
        }
        (self.calculate)(self.operand, Number::Int32(0)).unwrap_or(Number::Int32(0)).into_value()
    }
}

/// `$bit`: one or more operations, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Bit(Vec<(Number, Bitwise)>);

type Bitwise = fn(i64, i64) -> i64;

impl Bit {
    pub(super) fn parse(argument: RawValue<'_>) -> Result<Self, UpdateError> {
        if argument.kind != ElementType::EmbeddedDocument {
            return Err(UpdateError::bad_value("$bit needs a document, as { and: 5 }"));
        }
        let mut operations = Vec::new();
        for operation in argument.elements() {
            let bits: Bitwise = match operation.name {
                "and" => |left, right| left & right,
                "or" => |left, right| left | right,
                "xor" => |left, right| left ^ right,
                other => return Err(UpdateError::bad_value(format!("$bit knows and, or and xor, not `{other}`"))),
            };
            let operand = Number::from_raw(operation.value)
                .filter(|operand| matches!(operand, Number::Int32(_) | Number::Int64(_)))
                .ok_or_else(|| UpdateError::bad_value("the operand of $bit must be an integer of 32 or 64 bits"))?;
            operations.push((operand, bits));
        }
        if operations.is_empty() {
            return Err(UpdateError::bad_value("$bit needs at least one of and, or and xor"));
        }
        Ok(Self(operations))
    }

    pub(super) fn change(&self, target: &mut Value<'_>) -> Result<bool, UpdateError> {
        let not_integer = || UpdateError::bad_value("$bit needs a field that is an integer of 32 or 64 bits");
        let old = Number::of(target).ok_or_else(not_integer)?;
        let new = self.run(old).ok_or_else(not_integer)?;
        if new.identical(old) {
            return Ok(false);
        }
        *target = new.into_value();
        Ok(true)
    }

    /// As if the field had been zero.
    pub(super) fn create(&self) -> Value<'static> {
        self.run(Number::Int32(0)).unwrap_or(Number::Int32(0)).into_value()
    }

    fn run(&self, number: Number) -> Option<Number> {
        self.0.iter().try_fold(number, |number, (operand, bits)| number.combine(*operand, *bits))
    }
}
