//! Writes the fields of one outbound message, for FIX and line mode alike.
//!
//! Only the byte between fields differs. Values are written straight into the connection's buffer; nothing is
//! allocated while the buffer has room. What comes from a client is cleaned on the way out, so that no value can
//! end a field or a line.

use crate::decimal::Scale;
use crate::timestamp;

/// How many digits an average price has beyond its instrument's own.
const AVERAGE_EXTRA_DIGITS: u32 = 6;

/// Appends `tag=value` and the separator.
#[derive(Debug)]
pub struct FieldWriter<'b> {
    out: &'b mut Vec<u8>,
    separator: u8,
}

/// Cumulative price × quantity, in ticks × lots, and the quantity in lots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Average {
    /// Sum of price × quantity.
    pub notional: i128,
    /// Sum of quantity.
    pub quantity: i64,
}

impl<'b> FieldWriter<'b> {
    pub(crate) fn new(out: &'b mut Vec<u8>, separator: u8) -> Self {
        FieldWriter { out, separator }
    }

    /// A value known to be clean: a constant or an enumerated value.
    #[inline]
    pub fn bytes(&mut self, tag: u16, value: &[u8]) {
        self.tag(tag);
        self.out.extend_from_slice(value);
        self.out.push(self.separator);
    }

    /// A value that someone chose. What is not printable ASCII becomes `?`, and in lines `|` becomes `/`. Empty text
    /// is left out, for no field may be empty.
    #[inline]
    pub fn text(&mut self, tag: u16, value: &[u8]) {
        if value.is_empty() {
            return;
        }
        let separator = self.separator;
        if value.iter().all(|byte| clean(*byte, separator) == *byte) {
            self.bytes(tag, value);
        } else {
            self.tag(tag);
            self.out.extend(value.iter().map(|byte| clean(*byte, separator)));
            self.out.push(self.separator);
        }
    }

    /// One character.
    #[inline]
    pub fn char(&mut self, tag: u16, value: u8) {
        self.tag(tag);
        self.out.extend_from_slice(&[value, self.separator]);
    }

    /// `Y` or `N`.
    #[inline]
    pub fn yes_no(&mut self, tag: u16, yes: bool) {
        self.char(tag, if yes { b'Y' } else { b'N' });
    }

    /// A whole number.
    #[inline]
    pub fn unsigned(&mut self, tag: u16, value: u64) {
        self.tag(tag);
        put_unsigned(self.out, value);
        self.out.push(self.separator);
    }

    /// A whole number that may be negative.
    #[inline]
    pub fn int(&mut self, tag: u16, value: i64) {
        self.tag(tag);
        if value < 0 {
            self.out.push(b'-');
        }
        put_unsigned(self.out, value.unsigned_abs());
        self.out.push(self.separator);
    }

    /// A price or quantity of so many units; no trailing zeros after the point.
    #[inline]
    pub fn decimal(&mut self, tag: u16, units: i64, scale: Scale) {
        self.decimal_wide(tag, i128::from(units), scale);
    }

    /// As [`FieldWriter::decimal`], for cash.
    #[inline]
    pub fn decimal_wide(&mut self, tag: u16, units: i128, scale: Scale) {
        self.tag(tag);
        put_decimal(self.out, units, scale);
        self.out.push(self.separator);
    }

    /// An average price, rounded half up to six digits beyond the tick's own; 0 where nothing traded.
    pub fn average(&mut self, tag: u16, average: Average, tick: Scale) {
        self.tag(tag);
        put_average(self.out, average, tick);
        self.out.push(self.separator);
    }

    /// A UTC time, to the millisecond.
    #[inline]
    pub fn time(&mut self, tag: u16, time_ns: u64) {
        self.bytes(tag, &timestamp::format_millis(time_ns));
    }

    /// A UTC day.
    pub fn date(&mut self, tag: u16, time_ns: u64) {
        self.bytes(tag, &timestamp::format_date(time_ns));
    }

    /// `tag=`; for a tag known when compiling this is one constant.
    #[inline]
    fn tag(&mut self, tag: u16) {
        let digit = |number: u16| b'0' + (number % 10).to_le_bytes()[0];
        match tag {
            0..10 => self.out.extend_from_slice(&[digit(tag), b'=']),
            10..100 => self.out.extend_from_slice(&[digit(tag / 10), digit(tag), b'=']),
            100..1000 => {
                self.out.extend_from_slice(&[digit(tag / 100), digit(tag / 10), digit(tag), b'=']);
            }
            1000..=u16::MAX => {
                put_unsigned(self.out, u64::from(tag));
                self.out.push(b'=');
            }
        }
    }
}

#[inline]
fn clean(byte: u8, separator: u8) -> u8 {
    match byte {
        b'|' if separator == b'|' => b'/',
        0x20..=0x7e => byte,
        _ => b'?',
    }
}

/// Appends decimal digits.
#[inline]
pub(crate) fn put_unsigned(out: &mut Vec<u8>, value: u64) {
    if value < 10 {
        out.push(ascii(value));
        return;
    }
    let mut text = [0; 20];
    let mut at = text.len();
    let mut rest = value;
    while rest > 0 {
        at -= 1;
        text[at] = ascii(rest % 10);
        rest /= 10;
    }
    out.extend_from_slice(&text[at..]);
}

#[inline]
fn ascii(digit: u64) -> u8 {
    b'0' + digit.to_le_bytes()[0]
}

/// Appends a number of units as a decimal, without trailing zeros after the point.
#[inline]
pub(crate) fn put_decimal(out: &mut Vec<u8>, units: i128, scale: Scale) {
    if units < 0 {
        out.push(b'-');
    }
    let small = u64::try_from(units.unsigned_abs())
        .ok()
        .and_then(|units| units.checked_mul(scale.mantissa().unsigned_abs()));
    match small {
        Some(small) => put_small(out, small, scale.decimals()),
        None => put_large(out, units.unsigned_abs(), scale),
    }
}

#[inline]
fn put_small(out: &mut Vec<u8>, small: u64, decimals: u32) {
    // 10^18 fits, and a scale has at most 18 decimals.
    let unit = 10u64.pow(decimals);
    put_unsigned(out, small / unit);
    put_fraction(out, small % unit, decimals);
}

#[inline]
fn put_fraction(out: &mut Vec<u8>, fraction: u64, decimals: u32) {
    if fraction == 0 {
        return;
    }
    out.push(b'.');
    let (mut rest, mut unit) = (fraction, 10u64.pow(decimals));
    while rest > 0 {
        unit /= 10;
        out.push(ascii(rest / unit));
        rest %= unit;
    }
}

/// Beyond 64 bits; what is beyond 128 bits cannot be in a book, and is written as the largest number that is.
#[cold]
fn put_large(out: &mut Vec<u8>, units: u128, scale: Scale) {
    let small = units.saturating_mul(u128::from(scale.mantissa().unsigned_abs()));
    let unit = 10u128.pow(scale.decimals());
    let (mut text, mut at, mut rest) = ([0; 39], 39, small / unit);
    loop {
        at -= 1;
        text[at] = b'0' + (rest % 10).to_le_bytes()[0];
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&text[at..]);
    put_fraction(out, u64::try_from(small % unit).unwrap_or(0), scale.decimals());
}

fn put_average(out: &mut Vec<u8>, average: Average, tick: Scale) {
    if average.quantity <= 0 || average.notional == 0 {
        out.push(b'0');
        return;
    }
    let extra = AVERAGE_EXTRA_DIGITS.min(crate::decimal::DECIMALS_MAX - tick.decimals());
    let quantity = i128::from(average.quantity);
    let fine = average
        .notional
        .checked_mul(10i128.pow(extra))
        .and_then(|scaled| scaled.checked_add(quantity / 2))
        .map(|rounded| rounded.div_euclid(quantity))
        .zip(Scale::new(tick.mantissa(), tick.decimals() + extra));
    match fine {
        Some((units, scale)) => put_decimal(out, units, scale),
        None => put_decimal(out, average.notional.div_euclid(quantity), tick),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(fields: impl FnOnce(&mut FieldWriter)) -> String {
        let mut out = Vec::new();
        fields(&mut FieldWriter::new(&mut out, b'|'));
        String::from_utf8(out).unwrap()
    }

    fn scale(size: &str) -> Scale {
        Scale::read(size.as_bytes()).unwrap()
    }

    #[test]
    fn numbers_are_written_without_needless_zeros() {
        for (units, size, text) in [
            (1025, "0.01", "10.25"),
            (1050, "0.01", "10.5"),
            (1000, "0.01", "10"),
            (5, "0.01", "0.05"),
            (0, "0.01", "0"),
            (-1025, "0.01", "-10.25"),
            (205, "0.05", "10.25"),
            (12, "100", "1200"),
            (i64::MAX, "1", "9223372036854775807"),
            (i64::MIN, "1", "-9223372036854775808"),
            (i64::MAX, "0.000000000000000001", "9.223372036854775807"),
            (i64::MAX, "100", "922337203685477580700"),
            (i64::MAX, "1.25", "11529215046068469758.75"),
        ] {
            assert_eq!(written(|w| w.decimal(44, units, scale(size))), format!("44={text}|"));
        }
    }

    #[test]
    fn tags_and_whole_numbers_of_every_length_are_written() {
        for tag in [8, 35, 150, 1000, 9999, u16::MAX] {
            for value in [0, 9, 10, 99, 12_345, u64::MAX] {
                assert_eq!(written(|w| w.unsigned(tag, value)), format!("{tag}={value}|"));
            }
        }
        assert_eq!(written(|w| w.int(58, i64::MIN)), format!("58={}|", i64::MIN));
        assert_eq!(written(|w| w.yes_no(43, true)), "43=Y|");
    }

    #[test]
    fn an_average_is_rounded_half_up_beyond_the_tick() {
        let average =
            |notional, quantity, size| written(|w| w.average(6, Average { notional, quantity }, scale(size)));
        assert_eq!(average(0, 0, "0.01"), "6=0|");
        assert_eq!(average(2050, 2, "0.01"), "6=10.25|");
        assert_eq!(average(2, 3, "1"), "6=0.666667|");
        assert_eq!(average(1, 3, "0.05"), "6=0.01666665|");
        assert_eq!(average(i128::MAX, i64::MAX, "1"), "6=18446744073709551618|");
        assert_eq!(average(i128::MAX / 1_000_000, 3_000_000, "1"), "6=56713727820156410577229101|");
    }

    #[test]
    fn no_text_can_end_a_field_or_a_line() {
        assert_eq!(written(|w| w.text(58, b"a|b\x01c\nd\xc3\xa9=e")), "58=a/b?c?d??=e|");
        assert_eq!(written(|w| w.text(58, b"")), "");
        let mut fix = Vec::new();
        FieldWriter::new(&mut fix, 1).text(112, b"a|b\x01");
        assert_eq!(fix, b"112=a|b?\x01", "FIX echoes a bar as it came");
    }
}
