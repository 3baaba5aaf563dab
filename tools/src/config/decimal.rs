//! Exact decimals of the configuration file: ticks, lots and amounts, with no float on the way.
use std::fmt;

/// Digits that may stand behind the point.
const FRACTION_DIGITS_MAX: u32 = 18;
/// Digits that a number may have in all; 30 leave room in 128 bits for the product with a power of ten.
const DIGITS_MAX: usize = 30;

/// A number ≥ 0 that is exactly `units` / 10^`scale`, with no zero at the end of its fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    /// All digits as one whole number.
    pub units: i128,
    /// How many of them stand behind the point.
    pub scale: u32,
}

impl Decimal {
    /// Reads `12`, `0.01`; no sign, no exponent, a digit on both sides of a point.
    pub fn parse(text: &str) -> Result<Decimal, &'static str> {
        let (whole, fraction) = match text.split_once('.') {
            Some((_, "")) => return Err("a digit is missing behind the point"),
            Some(parts) => parts,
            None => (text, ""),
        };
        if whole.is_empty() {
            return Err("a digit is missing before the point");
        }
        let fraction = fraction.trim_end_matches('0');
        let digits = || whole.bytes().chain(fraction.bytes());
        if !digits().all(|byte| byte.is_ascii_digit()) {
            return Err("not a decimal number such as 0.01");
        }
        let scale = u32::try_from(fraction.len()).unwrap_or(u32::MAX);
        if scale > FRACTION_DIGITS_MAX {
            return Err("more than 18 digits behind the point");
        }
        if whole.trim_start_matches('0').len() + fraction.len() > DIGITS_MAX {
            return Err("more than 30 digits");
        }
        let units = digits().fold(0, |sum: i128, byte| sum * 10 + i128::from(byte - b'0'));
        Ok(Decimal { units, scale })
    }

    /// The product, where it fits.
    pub fn times(self, other: Decimal) -> Option<Decimal> {
        let mut product =
            Decimal { units: self.units.checked_mul(other.units)?, scale: self.scale + other.scale };
        while product.scale > 0 && product.units % 10 == 0 {
            product.units /= 10;
            product.scale -= 1;
        }
        Some(product)
    }

    /// This number in units of 10^-`decimals`, if it is a whole number of them.
    pub fn in_units_of(self, decimals: u32) -> Option<i128> {
        let missing = decimals.checked_sub(self.scale)?;
        self.units.checked_mul(10_i128.checked_pow(missing)?)
    }

    /// How many times `step` goes into this number, if it goes a whole number of times.
    pub fn count_of(self, step: Decimal) -> Option<i128> {
        let decimals = self.scale.max(step.scale);
        let (whole, step) = (self.in_units_of(decimals)?, step.in_units_of(decimals)?);
        (whole.checked_rem(step)? == 0).then_some(whole / step)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scale == 0 {
            return write!(f, "{}", self.units);
        }
        let unit = 10_i128.pow(self.scale.min(38));
        let width = usize::try_from(self.scale).unwrap_or(0);
        write!(f, "{}.{:0width$}", self.units / unit, self.units % unit)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_are_read_exactly() {
        let of = |text| Decimal::parse(text).map(|decimal| (decimal.units, decimal.scale));
        assert_eq!(of("0.01"), Ok((1, 2)));
        assert_eq!(of("1000000.00"), Ok((1_000_000, 0)));
        assert_eq!(of("007.50"), Ok((75, 1)));
        assert_eq!(of("0"), Ok((0, 0)));
        assert_eq!(of(""), Err("a digit is missing before the point"));
        assert_eq!(of(".5"), Err("a digit is missing before the point"));
        assert_eq!(of("5."), Err("a digit is missing behind the point"));
        for text in ["-1", "+1", "1e3", "1.2.3", "1,5", " 1", "٣"] {
            assert_eq!(of(text), Err("not a decimal number such as 0.01"), "{text}");
        }
        assert_eq!(of("0.0000000000000000001"), Err("more than 18 digits behind the point"));
        assert_eq!(of("1234567890123456789012345678901"), Err("more than 30 digits"));
    }

    #[test]
    fn a_product_is_exact_or_absent() {
        let of = |text| Decimal::parse(text).unwrap();
        assert_eq!(of("0.05").times(of("0.2")), Some(of("0.01")));
        assert_eq!(of("0.01").times(of("100")).and_then(|one| one.in_units_of(0)), Some(1));
        assert_eq!(of("0.001").in_units_of(2), None);
        assert_eq!(of("0.25").in_units_of(10), Some(2_500_000_000));
        assert_eq!(of("7.5").count_of(of("2.5")), Some(3));
        assert_eq!(of("7.5").count_of(of("2")), None);
        assert_eq!(of("7.5").count_of(of("0")), None);
        let huge = of("999999999999999999999999999999");
        assert_eq!(huge.times(huge), None);
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_equal(units in 0_i128..1_000_000_000_000_000_000, scale in 0_u32..=18) {
            let text = Decimal { units, scale }.to_string();
            let read = Decimal::parse(&text).unwrap();
            prop_assert_eq!(read.in_units_of(18), Decimal { units, scale }.in_units_of(18));
        }

        #[test]
        fn any_text_is_a_number_or_a_reason(text in "\\PC{0,40}") {
            let _ = Decimal::parse(&text).map(|decimal| decimal.to_string());
        }
    }
}
