//! [`Number`]: arithmetic on numbers as MongoDB's update operators do it.

use bson::spec::ElementType;

use super::value::Value;
use crate::{decimal::Decimal, element::RawValue};

/// What x86 makes of an invalid operation.
const INVALID: f64 = f64::from_bits(0xFFF8_0000_0000_0000);

/// A number of one of the four types. The result of two types has the wider of them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Int32(i32),
    Int64(i64),
    Double(f64),
    Decimal(Decimal),
}

impl Number {
    pub(super) fn from_raw(raw: RawValue<'_>) -> Option<Self> {
        Some(match raw.kind {
            ElementType::Int32 => Self::Int32(i32::from_le_bytes(*raw.bytes.first_chunk()?)),
            ElementType::Int64 => Self::Int64(i64::from_le_bytes(*raw.bytes.first_chunk()?)),
            ElementType::Double => Self::Double(f64::from_le_bytes(*raw.bytes.first_chunk()?)),
            ElementType::Decimal128 => Self::Decimal(Decimal::from_le_bytes(*raw.bytes.first_chunk()?)),
            _ => return None,
        })
    }

    pub(super) fn of(value: &Value<'_>) -> Option<Self> {
        Self::from_raw(RawValue { kind: value.kind(), bytes: &value.bytes() })
    }

    pub(super) fn into_value(self) -> Value<'static> {
        match self {
            Self::Int32(number) => Value::owned(ElementType::Int32, number.to_le_bytes()),
            Self::Int64(number) => Value::owned(ElementType::Int64, number.to_le_bytes()),
            Self::Double(number) => Value::owned(ElementType::Double, number.to_le_bytes()),
            Self::Decimal(number) => Value::owned(ElementType::Decimal128, number.to_le_bytes()),
        }
    }

    /// The sum; `None` when it does not fit 64 bits. What overflows 32 bits becomes 64.
    pub(super) fn add(self, other: Self) -> Option<Self> {
        self.calculate(other, i64::checked_add, |left, right| left + right, Decimal::add)
    }

    /// The product; `None` when it does not fit 64 bits. What overflows 32 bits becomes 64.
    pub(super) fn multiply(self, other: Self) -> Option<Self> {
        self.calculate(other, i64::checked_mul, |left, right| left * right, Decimal::multiply)
    }

    /// Combines the bits of two integers; `None` if one of the numbers is none.
    pub(super) fn combine(self, other: Self, bits: fn(i64, i64) -> i64) -> Option<Self> {
        let result = bits(self.integer()?, other.integer()?);
        match (self, other) {
            (Self::Int32(_), Self::Int32(_)) => i32::try_from(result).ok().map(Self::Int32),
            _ => Some(Self::Int64(result)),
        }
    }

    /// Whether type and value are the same, so that a mongod leaves the old bytes.
    pub(super) fn identical(self, other: Self) -> bool {
        match (self, other) {
            (Self::Int32(left), Self::Int32(right)) => left == right,
            (Self::Int64(left), Self::Int64(right)) => left == right,
            #[expect(clippy::float_cmp, reason = "that is the rule: 0.0 and -0.0 are the same, NaN is not")]
            (Self::Double(left), Self::Double(right)) => left == right,
            (Self::Decimal(left), Self::Decimal(right)) => left.equals(right),
            _ => false,
        }
    }

    fn calculate(
        self,
        other: Self,
        integers: fn(i64, i64) -> Option<i64>,
        doubles: fn(f64, f64) -> f64,
        decimals: fn(Decimal, Decimal) -> Decimal,
    ) -> Option<Self> {
        if let (Some(left), Some(right)) = (self.integer(), other.integer()) {
            let result = integers(left, right)?;
            let narrow = matches!((self, other), (Self::Int32(_), Self::Int32(_)));
            let narrow = i32::try_from(result).ok().filter(|_| narrow);
            return Some(narrow.map_or(Self::Int64(result), Self::Int32));
        }
        if let (Some(left), Some(right)) = (self.double(), other.double()) {
            let nan = [left, right].into_iter().find(|operand| operand.is_nan());
            let result = doubles(left, right);
            return Some(Self::Double(nan.unwrap_or(if result.is_nan() { INVALID } else { result })));
        }
        Some(Self::Decimal(decimals(self.decimal(), other.decimal())))
    }

    fn integer(self) -> Option<i64> {
        match self {
            Self::Int32(number) => Some(number.into()),
            Self::Int64(number) => Some(number),
            Self::Double(_) | Self::Decimal(_) => None,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "MongoDB rounds large integers, too")]
    fn double(self) -> Option<f64> {
        match self {
            Self::Int32(number) => Some(number.into()),
            Self::Int64(number) => Some(number as f64),
            Self::Double(number) => Some(number),
            Self::Decimal(_) => None,
        }
    }

    fn decimal(self) -> Decimal {
        match self {
            Self::Int32(number) => Decimal::from_integer(number.into()),
            Self::Int64(number) => Decimal::from_integer(number),
            Self::Double(number) => Decimal::from_double(number),
            Self::Decimal(number) => number,
        }
    }

    /// The number as an integer, if it is one exactly.
    pub(super) fn exact_integer(self) -> Option<i64> {
        match self {
            Self::Int32(number) => Some(number.into()),
            Self::Int64(number) => Some(number),
            #[expect(clippy::cast_possible_truncation, reason = "checked on both sides")]
            Self::Double(number) => {
                const TWO_63: f64 = 9_223_372_036_854_775_808.0;
                (number.fract() == 0.0 && (-TWO_63..TWO_63).contains(&number)).then_some(number as i64)
            }
            Self::Decimal(number) => number.exact_integer(),
        }
    }
}
