//! Prices, quantities and cash: integers in units that are stated, and the decimals that people write.
//!
//! A [`Price`] counts an instrument's ticks, a [`Quantity`] its lots, [`Cash`] a currency's smallest units. One tick of
//! one lot is worth a whole number of cash units (the instrument's `unit`), so a trade's value needs no rounding.

use std::fmt;

use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A price in ticks of its instrument.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(transparent)]
pub struct Price(pub i64);

/// A quantity in lots of its instrument.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(transparent)]
pub struct Quantity(pub i64);

/// An amount of a currency in its smallest unit, or of an instrument in lots. 128 bits, so that no sum of 64-bit
/// products overflows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cash(pub i128);

/// [`Cash`] as it lies in a record: two 64-bit halves, since records are aligned to 8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct WireCash {
    low: u64,
    high: i64,
}

impl From<Cash> for WireCash {
    fn from(cash: Cash) -> Self {
        let bytes = cash.0.to_le_bytes();
        let (low, high) = bytes.split_at(8);
        Self {
            low: u64::from_le_bytes(low.try_into().expect("8 of 16 bytes")),
            high: i64::from_le_bytes(high.try_into().expect("8 of 16 bytes")),
        }
    }
}

impl From<WireCash> for Cash {
    fn from(wire: WireCash) -> Self {
        Self((i128::from(wire.high) << 64) | i128::from(wire.low))
    }
}

/// Most decimals that a [`Decimal`] may have.
pub const DECIMALS_MAX: u8 = 18;

/// A mantissa that is read stays below this: 36 digits fit in 127 bits with room for a factor of 100.
const MANTISSA_LIMIT: i128 = 10i128.pow(36);

/// A decimal number, `mantissa / 10^decimals`, exact. As people write ticks, lots, prices and amounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Decimal {
    /// The digits, with the sign.
    pub mantissa: i128,
    /// How many of them stand behind the point, at most [`DECIMALS_MAX`].
    pub decimals: u8,
}

/// Why a text is not a [`Decimal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not of the form `[-]digits[.digits]`.
    #[error("not a decimal number")]
    Malformed,
    /// More than [`DECIMALS_MAX`] digits behind the point, or too many digits in all.
    #[error("too many digits")]
    TooLong,
}

impl Decimal {
    /// A decimal of `mantissa / 10^decimals`.
    pub const fn new(mantissa: i128, decimals: u8) -> Self {
        Self { mantissa, decimals }
    }

    /// Reads `[-]digits[.digits]`; no sign `+`, no exponent, no blanks. At most 18 digits behind the point and 36 in all.
    pub fn parse(text: &[u8]) -> Result<Self, DecimalError> {
        let (negative, digits) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
        let (whole, behind) = digits
            .iter()
            .position(|&b| b == b'.')
            .map_or((digits, None), |at| (&digits[..at], Some(&digits[at + 1..])));
        let fraction = behind.unwrap_or(b"");
        if whole.is_empty() && fraction.is_empty() {
            return Err(DecimalError::Malformed);
        }
        let mut mantissa = 0i128;
        for &byte in whole.iter().chain(fraction) {
            if !byte.is_ascii_digit() {
                return Err(DecimalError::Malformed);
            }
            if mantissa >= MANTISSA_LIMIT / 10 {
                return Err(DecimalError::TooLong);
            }
            mantissa = mantissa * 10 + i128::from(byte - b'0');
        }
        let decimals = u8::try_from(fraction.len()).map_err(|_| DecimalError::TooLong)?;
        if decimals > DECIMALS_MAX {
            return Err(DecimalError::TooLong);
        }
        Ok(Self { mantissa: if negative { -mantissa } else { mantissa }, decimals })
    }

    /// How often `unit` goes into this number, if that is a whole number: `10.25` in ticks of `0.01` is 1025.
    /// `None` if it is not a multiple or does not fit.
    pub fn in_units_of(self, unit: Decimal) -> Option<i128> {
        if unit.mantissa == 0 {
            return None;
        }
        let finest = self.decimals.max(unit.decimals);
        let ours = self.mantissa.checked_mul(power_of_ten(finest - self.decimals)?)?;
        let theirs = unit.mantissa.checked_mul(power_of_ten(finest - unit.decimals)?)?;
        (ours % theirs == 0).then(|| ours / theirs)
    }

    /// `count` times this number, exact: the way back from ticks to a price.
    pub fn times(self, count: i128) -> Option<Self> {
        Some(Self { mantissa: self.mantissa.checked_mul(count)?, decimals: self.decimals })
    }
}

fn power_of_ten(exponent: u8) -> Option<i128> {
    10i128.checked_pow(u32::from(exponent))
}

impl fmt::Display for Decimal {
    /// Digits with the point; zeros behind the last digit that counts are left out, as is the point then.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = power_of_ten(self.decimals).ok_or(fmt::Error)?.unsigned_abs();
        let digits = self.mantissa.unsigned_abs();
        let (whole, fraction) = (digits / scale, digits % scale);
        let sign = if self.mantissa < 0 { "-" } else { "" };
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let padded = format!("{fraction:0width$}", width = usize::from(self.decimals));
        write!(f, "{sign}{whole}.{}", padded.trim_end_matches('0'))
    }
}

impl std::str::FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        Self::parse(text.as_bytes())
    }
}

/// A [`Decimal`] as it lies in a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct WireDecimal {
    mantissa: WireCash,
    decimals: u64,
}

impl From<Decimal> for WireDecimal {
    fn from(decimal: Decimal) -> Self {
        Self { mantissa: Cash(decimal.mantissa).into(), decimals: u64::from(decimal.decimals) }
    }
}

impl TryFrom<WireDecimal> for Decimal {
    type Error = DecimalError;

    fn try_from(wire: WireDecimal) -> Result<Self, DecimalError> {
        let decimals = u8::try_from(wire.decimals).map_err(|_| DecimalError::TooLong)?;
        if decimals > DECIMALS_MAX {
            return Err(DecimalError::TooLong);
        }
        Ok(Self { mantissa: Cash::from(wire.mantissa).0, decimals })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_read_exactly_or_refused() {
        let check = |text: &str, shown: &str| match Decimal::parse(text.as_bytes()) {
            Ok(decimal) => assert_eq!(decimal.to_string(), shown, "{text}"),
            Err(error) => assert_eq!(error.to_string(), shown, "{text}"),
        };
        check("10.25", "10.25");
        check("-0.50", "-0.5");
        check("007", "7");
        check(".5", "0.5");
        check("5.", "5");
        check("0", "0");
        for bad in ["", ".", "-", "+1", "1e3", "1.2.3", " 1", "0x1", "1,5"] {
            check(bad, "not a decimal number");
        }
        check("0.1234567890123456789", "too many digits");
        check(&"9".repeat(40), "too many digits");
    }

    #[test]
    fn a_price_counts_ticks_only_when_it_is_a_multiple() {
        let ticks =
            |text: &str, tick: &str| text.parse::<Decimal>().unwrap().in_units_of(tick.parse().unwrap());
        assert_eq!(ticks("10.25", "0.01"), Some(1025));
        assert_eq!(ticks("10.250", "0.05"), Some(205));
        assert_eq!(ticks("10.251", "0.01"), None);
        assert_eq!(ticks("100", "25"), Some(4));
        assert_eq!(ticks("1", "0"), None);
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back_as_the_same_number(mantissa in -10i128.pow(19)..10i128.pow(19), decimals in 0u8..=18) {
            let decimal = Decimal::new(mantissa, decimals);
            let back: Decimal = decimal.to_string().parse().unwrap();
            prop_assert_eq!(back.in_units_of(decimal), if mantissa == 0 { None } else { Some(1) });
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Decimal::parse(&bytes).map(|d| d.to_string());
        }

        #[test]
        fn cash_keeps_its_value_in_a_record(cash in any::<i128>()) {
            prop_assert_eq!(Cash::from(WireCash::from(Cash(cash))), Cash(cash));
        }
    }
}
