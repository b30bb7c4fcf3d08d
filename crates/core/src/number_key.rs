//! The part of a sort key that orders numbers by their exact value, whatever their type.
//!
//! A finite number other than zero is `0.DIGITS * 10^point`, without zeros at either end of its
//! digits. Each double has such a form too, with at most 767 digits, so that doubles and
//! decimals compare exactly.

use bson::spec::ElementType;

use crate::{decimal::Decimal, element::RawValue};

const NAN: u8 = 1;
const NEGATIVE_INFINITY: u8 = 2;
const NEGATIVE: u8 = 3;
const ZERO: u8 = 4;
const POSITIVE: u8 = 5;
const POSITIVE_INFINITY: u8 = 6;

/// Larger than the distance of any number's point from zero.
const POINT_BIAS: i32 = 0x4000;

/// Appends the key of a number, without the type's rank.
pub(crate) fn append(number: RawValue<'_>, key: &mut Vec<u8>) {
    let bytes = number.bytes;
    match number.kind {
        ElementType::Int32 => {
            append_integer(bytes.first_chunk().map_or(0, |four| i32::from_le_bytes(*four)).into(), key);
        }
        ElementType::Int64 => append_integer(bytes.first_chunk().map_or(0, |eight| i64::from_le_bytes(*eight)), key),
        ElementType::Decimal128 => {
            append_decimal(&Decimal::from_le_bytes(*bytes.first_chunk().unwrap_or(&[0; 16])), key);
        }
        _ => append_double(bytes.first_chunk().map_or(0.0, |eight| f64::from_le_bytes(*eight)), key),
    }
}

fn append_integer(number: i64, key: &mut Vec<u8>) {
    let digits = number.unsigned_abs().to_string();
    append_finite(number < 0, &digits, digits.len(), 0, key);
}

#[expect(clippy::cast_possible_truncation, reason = "below 2^63 and integral, so exact")]
fn append_double(number: f64, key: &mut Vec<u8>) {
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    if number.is_nan() {
        key.push(NAN);
    } else if number.is_infinite() {
        key.push(if number < 0.0 { NEGATIVE_INFINITY } else { POSITIVE_INFINITY });
    } else if number.fract() == 0.0 && number.abs() < TWO_63 {
        append_integer(number as i64, key);
    } else {
        let places = binary_places(number);
        let digits = format!("{:.places$}", number.abs());
        let point = digits.find('.').unwrap_or(digits.len());
        append_finite(number < 0.0, &digits.replace('.', ""), point, 0, key);
    }
}

/// The number of digits after the binary point, which is also that after the decimal point.
fn binary_places(number: f64) -> usize {
    const MANTISSA_BITS: u32 = 52;
    const EXPONENT_BIAS: u64 = 1075;
    let bits = number.to_bits();
    let exponent = (bits >> MANTISSA_BITS) & 0x7FF;
    let fraction = bits & ((1 << MANTISSA_BITS) - 1);
    let mantissa = if exponent == 0 { fraction } else { fraction | 1 << MANTISSA_BITS };
    let places = EXPONENT_BIAS.saturating_sub(exponent.max(1) + u64::from(mantissa.trailing_zeros()));
    usize::try_from(places).unwrap_or_default()
}

fn append_decimal(number: &Decimal, key: &mut Vec<u8>) {
    match *number {
        Decimal::NaN { .. } => key.push(NAN),
        Decimal::Infinity { negative: true } => key.push(NEGATIVE_INFINITY),
        Decimal::Infinity { negative: false } => key.push(POSITIVE_INFINITY),
        Decimal::Finite { negative, coefficient, exponent } => {
            let digits = coefficient.to_string();
            append_finite(negative, &digits, digits.len(), exponent, key);
        }
    }
}

/// Appends `digits`, with the point behind the first `whole` of them, times ten to `exponent`.
fn append_finite(negative: bool, digits: &str, whole: usize, exponent: i32, key: &mut Vec<u8>) {
    let significant = digits.trim_start_matches('0');
    let leading = digits.len() - significant.len();
    let significant = significant.trim_end_matches('0');
    if significant.is_empty() {
        key.push(ZERO);
        return;
    }
    let point = i32::try_from(whole).unwrap_or_default() - i32::try_from(leading).unwrap_or_default() + exponent;
    key.push(if negative { NEGATIVE } else { POSITIVE });
    let start = key.len();
    key.extend(u16::try_from(point + POINT_BIAS).unwrap_or_default().to_be_bytes());
    for pair in significant.as_bytes().chunks(2) {
        let digit = |at: usize| pair.get(at).map_or(0, |ascii| ascii - b'0');
        key.push(digit(0) * 10 + digit(1) + 1);
    }
    key.push(0);
    if negative {
        key.iter_mut().skip(start).for_each(|byte| *byte = !*byte);
    }
}
