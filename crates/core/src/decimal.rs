//! [`Decimal`]: a `Decimal128` (IEEE 754-2008, binary integer significand), taken apart.

use std::cmp::Ordering;

/// A decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decimal {
    /// Not a number, with all its bits.
    NaN { bits: u128 },
    /// Either infinity.
    Infinity { negative: bool },
    /// `coefficient * 10^exponent`, with its sign, which zero has too.
    Finite { negative: bool, coefficient: u128, exponent: i32 },
}

/// The greatest coefficient: 34 nines.
const COEFFICIENT_MAX: u128 = 9_999_999_999_999_999_999_999_999_999_999_999;
pub(crate) const DIGITS_MAX: usize = 34;
pub(crate) const EXPONENT_MIN: i32 = -6176;
pub(crate) const EXPONENT_MAX: i32 = 6111;

const SIGN: u128 = 1 << 127;
const COEFFICIENT_BITS: u32 = 113;
const INFINITY: u128 = 0x78 << 120;
const SIGNALING: u128 = 1 << 121;
/// What is left of a NaN when it is returned: all but the reserved bits.
const NAN_KEPT: u128 = SIGN | 0x7C << 120 | ((1 << 110) - 1);
const DEFAULT_NAN: u128 = 0x7C << 120;

impl Decimal {
    pub(crate) fn from_le_bytes(bytes: [u8; 16]) -> Self {
        let bits = u128::from_le_bytes(bytes);
        let negative = bits & SIGN != 0;
        let combination = (bits >> 122) & 0b1_1111;
        if combination == 0b1_1111 {
            return Self::NaN { bits };
        }
        if combination == 0b1_1110 {
            return Self::Infinity { negative };
        }
        // The second form has coefficients that are all too large, which count as zero.
        let large = combination >> 3 == 0b11;
        let biased = if large { bits >> (COEFFICIENT_BITS - 2) } else { bits >> COEFFICIENT_BITS } & 0x3FFF;
        let coefficient = if large { 0 } else { bits & ((1 << COEFFICIENT_BITS) - 1) };
        let coefficient = if coefficient > COEFFICIENT_MAX { 0 } else { coefficient };
        Self::Finite { negative, coefficient, exponent: i32::try_from(biased).unwrap_or_default() + EXPONENT_MIN }
    }

    pub(crate) fn to_le_bytes(self) -> [u8; 16] {
        let sign = |negative: bool| if negative { SIGN } else { 0 };
        let bits = match self {
            Self::NaN { bits } => bits,
            Self::Infinity { negative } => INFINITY | sign(negative),
            Self::Finite { negative, coefficient, exponent } => {
                let biased = u128::try_from(exponent - EXPONENT_MIN).unwrap_or_default();
                sign(negative) | biased << COEFFICIENT_BITS | coefficient
            }
        };
        bits.to_le_bytes()
    }

    pub(crate) fn from_integer(number: i64) -> Self {
        Self::Finite { negative: number < 0, coefficient: number.unsigned_abs().into(), exponent: 0 }
    }

    /// The double as a mongod's update operators take it: 15 significant digits.
    pub(crate) fn from_double(number: f64) -> Self {
        let negative = number.is_sign_negative();
        if number.is_nan() {
            return Self::NaN { bits: if negative { DEFAULT_NAN | SIGN } else { DEFAULT_NAN } };
        }
        if number.is_infinite() {
            return Self::Infinity { negative };
        }
        if number == 0.0 {
            return Self::Finite { negative, coefficient: 0, exponent: 0 };
        }
        // Rust formats exactly, and rounds half to even.
        let text = format!("{:.14e}", number.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let coefficient = mantissa.replace('.', "").parse().unwrap_or_default();
        Self::Finite { negative, coefficient, exponent: exponent.parse::<i32>().unwrap_or_default() - 14 }
    }

    /// Whether both are the same number; not a number is never the same.
    pub(crate) fn equals(self, other: Self) -> bool {
        match (self, other) {
            (Self::Infinity { negative: left }, Self::Infinity { negative: right }) => left == right,
            (Self::Finite { .. }, Self::Finite { .. }) => {
                matches!(self.add(other.negated()), Self::Finite { coefficient: 0, .. })
            }
            _ => false,
        }
    }

    /// The number as an integer, if it is one exactly and fits.
    pub(crate) fn exact_integer(self) -> Option<i64> {
        let Self::Finite { negative, mut coefficient, mut exponent } = self else { return None };
        if coefficient == 0 {
            return Some(0);
        }
        while exponent < 0 && coefficient % 10 == 0 {
            (coefficient, exponent) = (coefficient / 10, exponent + 1);
        }
        let factor = 10_u128.checked_pow(u32::try_from(exponent).ok()?)?;
        let magnitude = i128::try_from(coefficient.checked_mul(factor)?).ok()?;
        i64::try_from(if negative { -magnitude } else { magnitude }).ok()
    }

    fn negated(self) -> Self {
        match self {
            Self::NaN { bits } => Self::NaN { bits: bits ^ SIGN },
            Self::Infinity { negative } => Self::Infinity { negative: !negative },
            Self::Finite { negative, coefficient, exponent } => {
                Self::Finite { negative: !negative, coefficient, exponent }
            }
        }
    }

    /// The sum, rounded half to even.
    pub(crate) fn add(self, other: Self) -> Self {
        match (self, other) {
            (Self::NaN { bits }, _) | (_, Self::NaN { bits }) => Self::quiet(bits),
            (Self::Infinity { negative }, Self::Infinity { negative: other }) if negative != other => {
                Self::NaN { bits: DEFAULT_NAN }
            }
            (infinity @ Self::Infinity { .. }, _) | (_, infinity @ Self::Infinity { .. }) => infinity,
            (
                Self::Finite { negative, coefficient, exponent },
                Self::Finite { negative: other_negative, coefficient: other, exponent: other_exponent },
            ) => {
                let lower = exponent.min(other_exponent);
                let (left, right) = (digits(coefficient, exponent - lower), digits(other, other_exponent - lower));
                if negative == other_negative {
                    return Self::round(negative, &sum(&left, &right), lower);
                }
                match cmp(&left, &right) {
                    Ordering::Equal => Self::round(false, &[], lower),
                    Ordering::Greater => Self::round(negative, &difference(&left, &right), lower),
                    Ordering::Less => Self::round(other_negative, &difference(&right, &left), lower),
                }
            }
        }
    }

    /// The product, rounded half to even.
    pub(crate) fn multiply(self, other: Self) -> Self {
        match (self, other) {
            (Self::NaN { bits }, _) | (_, Self::NaN { bits }) => Self::quiet(bits),
            (
                Self::Finite { negative, coefficient, exponent },
                Self::Finite { negative: other_negative, coefficient: other, exponent: other_exponent },
            ) => {
                let product = product(&digits(coefficient, 0), &digits(other, 0));
                Self::round(negative != other_negative, &product, exponent + other_exponent)
            }
            (Self::Finite { coefficient: 0, .. }, _) | (_, Self::Finite { coefficient: 0, .. }) => {
                Self::NaN { bits: DEFAULT_NAN }
            }
            _ => Self::Infinity { negative: self.is_negative() != other.is_negative() },
        }
    }

    fn is_negative(self) -> bool {
        match self {
            Self::NaN { bits } => bits & SIGN != 0,
            Self::Infinity { negative } | Self::Finite { negative, .. } => negative,
        }
    }

    fn quiet(bits: u128) -> Self {
        Self::NaN { bits: bits & NAN_KEPT & !SIGNALING }
    }

    /// The nearest decimal to an integer of any number of digits (least significant first).
    fn round(negative: bool, digits: &[u8], exponent: i32) -> Self {
        let length = digits.len() - digits.iter().rev().take_while(|digit| **digit == 0).count();
        let below = usize::try_from(EXPONENT_MIN - exponent).unwrap_or_default();
        let dropped = length.saturating_sub(DIGITS_MAX).max(below);
        let kept = digits.get(dropped..length).unwrap_or_default();
        let mut coefficient = kept.iter().rev().fold(0, |value: u128, digit| value * 10 + u128::from(*digit));
        let mut exponent = exponent.saturating_add(i32::try_from(dropped).unwrap_or(i32::MAX));
        if let Some(half) = dropped.checked_sub(1) {
            let first = digits.get(half).filter(|_| half < length).copied().unwrap_or_default();
            let rest = digits.iter().take(half.min(length)).any(|digit| *digit != 0);
            let up = first > 5 || (first == 5 && (rest || coefficient % 2 == 1));
            coefficient += u128::from(up);
        }
        if coefficient > COEFFICIENT_MAX {
            (coefficient, exponent) = (coefficient / 10, exponent + 1);
        }
        while exponent > EXPONENT_MAX && coefficient != 0 && coefficient <= COEFFICIENT_MAX / 10 {
            (coefficient, exponent) = (coefficient * 10, exponent - 1);
        }
        if exponent > EXPONENT_MAX && coefficient != 0 {
            return Self::Infinity { negative };
        }
        Self::Finite { negative, coefficient, exponent: exponent.min(EXPONENT_MAX) }
    }
}

/// The digits of `coefficient * 10^zeros`, the least significant first, none for zero.
fn digits(mut coefficient: u128, zeros: i32) -> Vec<u8> {
    if coefficient == 0 {
        return Vec::new();
    }
    let mut digits = vec![0; usize::try_from(zeros).unwrap_or_default()];
    while coefficient > 0 {
        digits.push(u8::try_from(coefficient % 10).unwrap_or_default());
        coefficient /= 10;
    }
    digits
}

fn cmp(left: &[u8], right: &[u8]) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.iter().rev().cmp(right.iter().rev()))
}

fn sum(left: &[u8], right: &[u8]) -> Vec<u8> {
    let digit = |of: &[u8], at: usize| of.get(at).copied().unwrap_or_default();
    let mut carry = 0;
    let mut sum = Vec::with_capacity(left.len().max(right.len()) + 1);
    for at in 0..=left.len().max(right.len()) {
        let column = digit(left, at) + digit(right, at) + carry;
        sum.push(column % 10);
        carry = column / 10;
    }
    sum
}

/// `left` less `right`, which is not greater.
fn difference(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let right = right.iter().copied().chain(std::iter::repeat(0));
    let column = |(left, right): (&u8, u8)| {
        let column = 10 + left - right - borrow;
        borrow = u8::from(column < 10);
        column % 10
    };
    left.iter().zip(right).map(column).collect()
}

fn product(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut columns = vec![0_u32; left.len() + right.len()];
    for (at, digit) in left.iter().enumerate() {
        for (column, other) in columns.iter_mut().skip(at).zip(right) {
            *column += u32::from(*digit) * u32::from(*other);
        }
    }
    let mut carry = 0;
    let digit = |column: u32| {
        let value = column + carry;
        carry = value / 10;
        u8::try_from(value % 10).unwrap_or_default()
    };
    columns.into_iter().map(digit).collect()
}
