//! [`Decimal`]: a decoded `Decimal128` (IEEE 754-2008, binary integer significand).

/// A decimal number, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decimal {
    /// Not a number.
    NaN,
    /// Either infinity.
    Infinity { negative: bool },
    /// `coefficient * 10^exponent`, with its sign, which zero has too.
    Finite { negative: bool, coefficient: u128, exponent: i32 },
}

/// The greatest coefficient: 34 nines.
pub(crate) const COEFFICIENT_MAX: u128 = 9_999_999_999_999_999_999_999_999_999_999_999;
pub(crate) const EXPONENT_MIN: i32 = -6176;

const COEFFICIENT_BITS: u32 = 113;

impl Decimal {
    pub(crate) fn from_le_bytes(bytes: [u8; 16]) -> Self {
        let bits = u128::from_le_bytes(bytes);
        let negative = bits >> 127 == 1;
        let combination = (bits >> 122) & 0b1_1111;
        if combination == 0b1_1111 {
            return Self::NaN;
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
}
