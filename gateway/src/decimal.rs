//! Decimal text to and from whole units, exactly.
//!
//! An instrument counts prices in ticks and quantities in lots; a currency counts in its smallest unit. A [`Scale`]
//! says how large such a unit is. No floating point is involved: text that is not a whole number of units is refused.

use thiserror::Error;

/// More digits after the point than any price, quantity or currency here has.
pub const DECIMALS_MAX: u32 = 18;

/// No number in a message is longer.
const TEXT_BYTES_MAX: usize = 40;

const fn powers() -> [u128; 39] {
    let mut powers = [1; 39];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
}

static POWERS: [u128; 39] = powers();

/// Why a text is not a whole number of units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecimalError {
    /// Not digits with at most one point between or after them.
    #[error("not a decimal number")]
    Malformed,
    /// Below zero.
    #[error("negative")]
    Negative,
    /// More than fits.
    #[error("too large")]
    TooLarge,
    /// Not a whole number of units.
    #[error("not a multiple of the unit")]
    NotAMultiple,
}

/// The size of one unit: `mantissa` × 10^-`decimals`. A tick of 0.05 is (5, 2); a lot of 100 is (100, 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    mantissa: i64,
    decimals: u32,
}

impl Scale {
    /// `None` unless the mantissa is positive and the decimals are at most [`DECIMALS_MAX`].
    pub const fn new(mantissa: i64, decimals: u32) -> Option<Scale> {
        if mantissa > 0 && decimals <= DECIMALS_MAX { Some(Scale { mantissa, decimals }) } else { None }
    }

    /// Reads the size of a unit itself, such as an instrument's tick `0.01`.
    pub fn read(text: &[u8]) -> Result<Scale, DecimalError> {
        let Split { mut digits, mut decimals } = split(text)?;
        while decimals > 0 && digits.is_multiple_of(10) {
            digits /= 10;
            decimals -= 1;
        }
        let mantissa = i64::try_from(digits).map_err(|_| DecimalError::TooLarge)?;
        Scale::new(mantissa, decimals).ok_or(DecimalError::Malformed)
    }

    /// The size of a unit without its decimal point.
    pub fn mantissa(self) -> i64 {
        self.mantissa
    }

    /// How many digits of the size stand after the point.
    pub fn decimals(self) -> u32 {
        self.decimals
    }

    /// How many units `text` is: `10.25` with a tick of 0.01 is 1025.
    #[inline]
    pub fn parse(self, text: &[u8]) -> Result<i64, DecimalError> {
        let units = self.parse_wide(text)?;
        i64::try_from(units).map_err(|_| DecimalError::TooLarge)
    }

    /// As [`Scale::parse`], for cash.
    #[inline]
    pub fn parse_wide(self, text: &[u8]) -> Result<i128, DecimalError> {
        let Split { digits, decimals } = split(text)?;
        let small = if decimals <= self.decimals {
            multiply(digits, self.decimals - decimals)?
        } else {
            divide(digits, decimals - self.decimals)?
        };
        if self.mantissa == 1 {
            return i128::try_from(small).map_err(|_| DecimalError::TooLarge);
        }
        let unit = self.mantissa.unsigned_abs();
        if let Ok(small) = u64::try_from(small) {
            // 64-bit division is several times as fast as 128-bit.
            return if small % unit == 0 {
                Ok(i128::from(small / unit))
            } else {
                Err(DecimalError::NotAMultiple)
            };
        }
        if !small.is_multiple_of(u128::from(unit)) {
            return Err(DecimalError::NotAMultiple);
        }
        i128::try_from(small / u128::from(unit)).map_err(|_| DecimalError::TooLarge)
    }
}

/// A number's digits without the point, and how many stood after it.
struct Split {
    digits: u128,
    decimals: u32,
}

#[inline]
fn multiply(digits: u128, exponent: u32) -> Result<u128, DecimalError> {
    if let (Ok(small), true) = (u64::try_from(digits), exponent < 19) {
        return Ok(u128::from(small) * POWERS[exponent as usize]);
    }
    POWERS.get(exponent as usize).and_then(|power| digits.checked_mul(*power)).ok_or(DecimalError::TooLarge)
}

#[inline]
fn divide(digits: u128, exponent: u32) -> Result<u128, DecimalError> {
    if digits == 0 {
        return Ok(0);
    }
    let power = POWERS.get(exponent as usize).ok_or(DecimalError::NotAMultiple)?;
    if digits.is_multiple_of(*power) { Ok(digits / power) } else { Err(DecimalError::NotAMultiple) }
}

#[inline]
fn split(text: &[u8]) -> Result<Split, DecimalError> {
    if text.len() <= 18 { split_short(text) } else { split_long(text) }
}

/// Up to 18 characters cannot overflow 64 bits.
#[inline]
fn split_short(text: &[u8]) -> Result<Split, DecimalError> {
    let (mut digits, mut decimals, mut seen, mut point) = (0u64, 0, false, false);
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            digits = digits * 10 + u64::from(digit);
            decimals += u32::from(point);
            seen = true;
        } else if *byte == b'.' && !point {
            point = true;
        } else {
            return Err(refusal(text));
        }
    }
    if seen { Ok(Split { digits: u128::from(digits), decimals }) } else { Err(DecimalError::Malformed) }
}

#[cold]
fn split_long(text: &[u8]) -> Result<Split, DecimalError> {
    let significant = text.iter().position(|byte| *byte != b'0').unwrap_or(text.len());
    let text = &text[significant..];
    let (mut digits, mut decimals, mut point) = (0u128, 0, false);
    if text.len() > TEXT_BYTES_MAX {
        return Err(if well_formed(text) { DecimalError::TooLarge } else { refusal(text) });
    }
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            digits = digits
                .checked_mul(10)
                .and_then(|tens| tens.checked_add(u128::from(digit)))
                .ok_or(DecimalError::TooLarge)?;
            decimals += u32::from(point);
        } else if *byte == b'.' && !point {
            point = true;
        } else {
            return Err(refusal(text));
        }
    }
    Ok(Split { digits, decimals })
}

/// Whether a text is a decimal number as FIX has it: an optional minus, digits, at most one point; no plus, no
/// exponent.
#[inline]
pub fn well_formed(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (mut digits, mut points) = (0usize, 0usize);
    for byte in text {
        if byte.is_ascii_digit() {
            digits += 1;
        } else if *byte == b'.' {
            points += 1;
        } else {
            return false;
        }
    }
    digits > 0 && points < 2
}

#[cold]
fn refusal(text: &[u8]) -> DecimalError {
    if text.first() == Some(&b'-') && well_formed(text) {
        DecimalError::Negative
    } else {
        DecimalError::Malformed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(tick: &str, text: &str, expected: Result<i64, DecimalError>) {
        let scale = Scale::read(tick.as_bytes()).unwrap();
        assert_eq!(scale.parse(text.as_bytes()), expected, "{text} in units of {tick}");
    }

    #[test]
    fn decimals_are_whole_units_or_refused() {
        use DecimalError::{Malformed, Negative, NotAMultiple, TooLarge};
        check("0.01", "10.25", Ok(1025));
        check("0.01", "10", Ok(1000));
        check("0.01", "10.", Ok(1000));
        check("0.01", ".5", Ok(50));
        check("0.01", "002000.00", Ok(200_000));
        check("0.01", "10.2500000000", Ok(1025));
        check("0.01", "0000000000000000000000000000000000000000000000000010.25", Ok(1025));
        check("0.01", "10.255", Err(NotAMultiple));
        check("0.05", "10.25", Ok(205));
        check("0.05", "10.26", Err(NotAMultiple));
        check("100", "1200", Ok(12));
        check("100", "150", Err(NotAMultiple));
        check("1", "9223372036854775807", Ok(i64::MAX));
        check("1", "9223372036854775808", Err(TooLarge));
        check("1", "99999999999999999999999999999999999999999999", Err(TooLarge));
        check("0.000000000000000001", "9.223372036854775807", Ok(i64::MAX));
        check("1", "-1", Err(Negative));
        check("1", "-1.5", Err(Negative));
        for text in
            ["", ".", "+1", "1e9", "1E9", "NaN", "inf", "1,5", "1.2.3", " 1", "1 ", "--1", "0x10", "1-"]
        {
            check("1", text, Err(Malformed));
        }
        check("1", "1e999999999999999999999999999999", Err(Malformed));
    }

    #[test]
    fn the_size_of_a_unit_is_read_without_its_trailing_zeros() {
        assert_eq!(Scale::read(b"0.0500"), Ok(Scale { mantissa: 5, decimals: 2 }));
        assert_eq!(Scale::read(b"100"), Ok(Scale { mantissa: 100, decimals: 0 }));
        assert_eq!(Scale::read(b"0"), Err(DecimalError::Malformed));
        assert_eq!(Scale::read(b"0.0000000000000000001"), Err(DecimalError::Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_number_or_refused(text in proptest::collection::vec(any::<u8>(), 0..64)) {
            let scale = Scale::new(5, 2).unwrap();
            let read = scale.parse_wide(&text);
            prop_assert!(read.is_err() || well_formed(&text));
        }

        #[test]
        fn units_written_plainly_read_back(units in 0..=i64::MAX, decimals in 0u32..=18) {
            let scale = Scale::new(1, decimals).unwrap();
            let mut text = Vec::new();
            crate::write::put_decimal(&mut text, i128::from(units), scale);
            prop_assert_eq!(scale.parse(&text), Ok(units));
        }
    }
}
